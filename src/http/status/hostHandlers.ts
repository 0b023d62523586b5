/** The host: its state, what uses its disks, and its end. */
import * as Effect from "effect/Effect"
import type { statusEndpoints } from "../api/endpoints.ts"
import type { HostAnswer, ShutdownAnswer } from "../api/status/Host.ts"
import { failure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler, Handlers } from "../edge/routes.ts"
import { forbidden } from "../identity/recording.ts"
import { timeText } from "../identity/times.ts"
import { makeDiskHandler } from "./diskHandler.ts"
import { toolFailure } from "./failures.ts"
import type { StatusServices } from "./statusRoutes.ts"
import { isoMicros } from "./times.ts"

interface Services extends Pick<StatusServices, "clock" | "disk" | "host" | "power"> {
  readonly config: Pick<StatusServices["config"], "get">
}

export const makeHostHandlers = (services: Services): Handlers<typeof statusEndpoints.host> => {
  const { clock, config, host, power } = services

  const getHost: Handler = () =>
    Effect.mapBoth(host.read, {
      onFailure: ({ message }) => failure(504, message),
      onSuccess: ({ ageMs, readAt, stale, value }) => {
        const body: typeof HostAnswer.Type = { ...value, read_at: timeText(readAt), age_ms: ageMs, stale }
        return jsonResponse(body)
      }
    })

  /** Nobody does it who has not said who they are, wherever they come from and whatever the listener's roles are. */
  const shutdown: Handler = (call) => {
    if (!config.get().status.shutdown) return forbidden(call, "shutdown is not enabled")
    if (call.principal === undefined || call.principal.kind === "anonymous") {
      return forbidden(call, "shutdown needs credentials")
    }
    return Effect.mapBoth(power.off(call.who), {
      onFailure: toolFailure,
      onSuccess: () => {
        const body: typeof ShutdownAnswer.Type = {
          status: "initiated",
          message: "System shutdown initiated",
          timestamp: isoMicros(clock.currentTimeMillisUnsafe())
        }
        return jsonResponse(body)
      }
    })
  }

  return { getHost, diskSpace: makeDiskHandler(services), shutdown }
}
