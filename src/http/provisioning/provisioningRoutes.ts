/** The Provisioning API: every endpoint of its contract with its handler. */
import * as Effect from "effect/Effect"
import type { Route } from "../edge/routes.ts"

export const provisioningRoutes: Effect.Effect<ReadonlyArray<Route>> = Effect.succeed([])
