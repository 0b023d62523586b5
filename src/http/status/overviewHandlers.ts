/**
 * The machine as a whole, and whether the daemon is there. Health is what it is for the Provisioning API: a daemon that cannot
 * store events records nothing and starts nothing, and is answered 503; it asks nobody who might not answer.
 */
import * as Effect from "effect/Effect"
import type { statusEndpoints } from "../api/endpoints.ts"
import type { HealthAnswer, UnhealthyAnswer } from "../api/status/Overview.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handlers } from "../edge/routes.ts"
import { makeOverview, type OverviewServices } from "./overview.ts"
import type { StatusServices } from "./statusRoutes.ts"

export interface OverviewHandlerServices extends OverviewServices {
  readonly instance: Pick<StatusServices["instance"], "version" | "uptimeSeconds">
  readonly log: Pick<StatusServices["log"], "degraded">
}

export const makeOverviewHandlers = (services: OverviewHandlerServices): Handlers<typeof statusEndpoints.overview> => {
  const { instance, log } = services
  return {
    health: () =>
      Effect.map(instance.uptimeSeconds, (uptime_seconds) => {
        const rest = { version: instance.version, uptime_seconds }
        return log.degraded() === undefined
          ? jsonResponse({ status: "ok", ...rest } satisfies typeof HealthAnswer.Type)
          : jsonResponse({ status: "unhealthy", ...rest } satisfies typeof UnhealthyAnswer.Type, 503)
      }),
    overview: makeOverview(services)
  }
}
