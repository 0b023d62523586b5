/** Contract of the journals of units. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"

const { logs } = statusEndpoints

export class LogsGroup extends HttpApiGroup.make("logs")
  .add(
    HttpApiEndpoint.get("serviceLogs", logs.serviceLogs.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "The newest lines of a unit"
    ),
    HttpApiEndpoint.get("followLogs", logs.followLogs.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "The lines of a unit as they come"
    )
  )
  .annotate(OpenApi.Description, "The journals of units") {}
