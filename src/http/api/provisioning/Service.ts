/** Contract of what the Provisioning API says of itself. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { provisioningEndpoints } from "../endpoints.ts"
import { readErrors } from "./errors.ts"

const { service } = provisioningEndpoints

const uptime = Schema.Int.annotate({ description: "Since the daemon's start" })

const health = <const Status extends string>(status: Status) =>
  Schema.Struct({ status: Schema.Literal(status), version: Schema.String, uptime_seconds: uptime })

export const Healthy = health("healthy").annotate({ identifier: "Healthy" })

/** What there is cannot be recorded, and nothing that must be is done. */
export const Unhealthy = health("unhealthy").annotate({ identifier: "Unhealthy", httpApiStatus: 503 })

export const VersionAnswer = Schema.Struct({
  name: Schema.Literal("systemapi"),
  version: Schema.String,
  apis: Schema.Struct({ system: Schema.String, identity: Schema.String, provisioning: Schema.String }).annotate({
    description: "Versions of the APIs, as their paths have them"
  }),
  node: Schema.String.annotate({ description: "Version of Node.js that it runs on" }),
  effect: Schema.String.annotate({ description: "Version of Effect that it is built with" })
}).annotate({ identifier: "Version" })

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

export const ServiceMetrics = Schema.Struct({
  uptime_seconds: uptime,
  tasks: Schema.Struct({
    total: count.annotate({ description: "Operations that are kept, whatever their status" }),
    running: count,
    pending: count
  })
}).annotate({ identifier: "ServiceMetrics" })

const prometheusType = "text/plain; version=0.0.4; charset=utf-8"

const healthText =
  "Open to everybody, whatever credentials come with the question. 503 and `unhealthy` while events cannot be stored."

export class ServiceGroup extends HttpApiGroup.make("service")
  .add(
    HttpApiEndpoint.get("health", service.health.path, { success: [Healthy, Unhealthy] })
      .annotate(OpenApi.Summary, "Is it well")
      .annotate(OpenApi.Description, healthText),
    HttpApiEndpoint.get("healthV1", service.healthV1.path, { success: [Healthy, Unhealthy] })
      .annotate(OpenApi.Summary, "Is it well; the same as /health")
      .annotate(OpenApi.Description, healthText),
    HttpApiEndpoint.get("version", service.version.path, { success: VersionAnswer }).annotate(
      OpenApi.Summary,
      "What runs here"
    ),
    HttpApiEndpoint.get("metrics", service.metrics.path, {
      success: [ServiceMetrics, Schema.String.pipe(HttpApiSchema.asText({ contentType: prometheusType }))],
      error: [...readErrors]
    })
      .annotate(OpenApi.Summary, "How much it has to do")
      .annotate(
        OpenApi.Description,
        "JSON, unless Accept prefers text/plain or application/openmetrics-text: then the text of /metrics."
      )
  )
  .annotate(OpenApi.Description, "The service itself") {}
