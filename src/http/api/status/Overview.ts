/** Contract of the machine as a whole. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"
import { SmiBody } from "./Gpus.ts"
import { ServiceStatusEntry } from "./Services.ts"

const { overview } = statusEndpoints

const health = <const Status extends string>(status: Status) =>
  Schema.Struct({
    status: Schema.Literal(status),
    version: Schema.String,
    uptime_seconds: Schema.Int.annotate({ description: "Since the daemon's start" })
  })

export const HealthAnswer = health("ok").annotate({ identifier: "StatusHealth" })

/** What happens cannot be recorded. */
export const UnhealthyAnswer = health("unhealthy").annotate({ identifier: "StatusUnhealth", httpApiStatus: 503 })

export const OverviewAnswer = Schema.Struct({
  status: Schema.Literals(["ok", "degraded"]).annotate({
    description: "ok: every unit is healthy, and the GPUs' is ok"
  }),
  services: Schema.Array(ServiceStatusEntry),
  gpu: SmiBody,
  timestamp: Schema.String.annotate({ description: "ISO 8601 with microseconds, +00:00" })
}).annotate({ identifier: "Overview" })

export class OverviewGroup extends HttpApiGroup.make("overview")
  .add(
    HttpApiEndpoint.get("health", overview.health.path, { success: [HealthAnswer, UnhealthyAnswer] })
      .annotate(OpenApi.Summary, "Is it there")
      .annotate(
        OpenApi.Description,
        "Open to everybody, whatever credentials come with the question. 503 and `unhealthy` while events cannot be stored."
      ),
    HttpApiEndpoint.get("overview", overview.overview.path, { success: OverviewAnswer })
      .annotate(OpenApi.Summary, "All units and the GPUs")
      .annotate(
        OpenApi.Description,
        "Never an error because a probe failed, and never later than `status.command_timeout_seconds`: what is not there by then is the last that was known of it, marked stale, or says why there is none."
      )
  )
  .annotate(OpenApi.Description, "The machine as a whole") {}
