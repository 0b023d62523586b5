/**
 * What the Provisioning API says of itself: whether it is well, what runs here, how much it has to do.
 *
 * Health is whether it can do its work: a daemon that cannot store events records nothing and starts nothing, and is
 * answered 503, which is what load balancers and orchestrators look at; every other fault is told by /readyz. It asks
 * nobody who might not answer.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { getCurrentVersion } from "effect/Version"
import type { EventLog } from "../../services/events/EventLog.ts"
import type { Instance } from "../../services/Instance.ts"
import type { Metrics } from "../../services/metrics/Metrics.ts"
import type { Operations } from "../../services/operations/Operations.ts"
import type { provisioningEndpoints } from "../api/endpoints.ts"
import type { Healthy, ServiceMetrics, Unhealthy, VersionAnswer } from "../api/provisioning/Service.ts"
import { qualities } from "../edge/accepts.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler, Handlers } from "../edge/routes.ts"
import { operationFailure } from "../operations/failures.ts"

export interface ServiceServices {
  readonly instance: Instance["Service"]
  readonly log: Pick<EventLog["Service"], "degraded">
  readonly metrics: Pick<Metrics["Service"], "render">
  readonly operations: Pick<Operations["Service"], "counts">
}

/** What Prometheus asks for; it reads the text format 0.0.4 wherever an answer says that it is one. */
const textTypes = ["text/plain", "application/openmetrics-text"]

/** JSON is what the contract has: it goes to all who do not rather want the other. */
const prefersText = (accept: string | undefined): boolean => {
  const [json = 0, ...texts] = qualities(accept, ["application/json", ...textTypes])
  return Math.max(...texts) > json
}

export const makeServiceHandlers = ({
  instance,
  log,
  metrics,
  operations
}: ServiceServices): Handlers<typeof provisioningEndpoints.service> => {
  const health: Handler = () =>
    Effect.map(instance.uptimeSeconds, (uptime_seconds) => {
      const rest = { version: instance.version, uptime_seconds }
      if (log.degraded() === undefined) {
        return jsonResponse({ status: "healthy", ...rest } satisfies typeof Healthy.Type)
      }
      return jsonResponse({ status: "unhealthy", ...rest } satisfies typeof Unhealthy.Type, 503)
    })

  const version: Handler = () =>
    Effect.sync(() => {
      const body: typeof VersionAnswer.Type = {
        name: "systemapi",
        version: instance.version,
        apis: { system: "v1", identity: "v1", provisioning: "v1" },
        node: process.versions.node,
        effect: getCurrentVersion()
      }
      return jsonResponse(body)
    })

  const asJson = Effect.map(
    Effect.all([instance.uptimeSeconds, Effect.mapError(operations.counts, operationFailure)]),
    ([uptime_seconds, { pending, running, total }]) => {
      const body: typeof ServiceMetrics.Type = { uptime_seconds, tasks: { total, running, pending } }
      return jsonResponse(body)
    }
  )

  const asText = Effect.map(metrics.render, (text) =>
    HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
  )

  return {
    health,
    healthV1: health,
    version,
    metrics: (call) =>
      Effect.map(prefersText(call.header("accept")) ? asText : asJson, HttpServerResponse.setHeader("vary", "Accept"))
  }
}
