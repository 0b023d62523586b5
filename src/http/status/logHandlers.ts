/** To be written. */
import * as Effect from "effect/Effect"
import type { statusEndpoints } from "../api/endpoints.ts"
import { failure } from "../edge/HttpFailure.ts"
import type { Handler, Handlers } from "../edge/routes.ts"
import type { StatusServices } from "./statusRoutes.ts"

const notYet: Handler = () => Effect.fail(failure(501, "not built yet"))

export const makeLogHandlers: (services: StatusServices) => Handlers<typeof statusEndpoints.logs> = () => ({
  serviceLogs: notYet,
  followLogs: notYet
})
