/** Contract of the units that are shown. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"

const { services } = statusEndpoints

export class ServicesGroup extends HttpApiGroup.make("services")
  .add(
    HttpApiEndpoint.get("listServices", services.listServices.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "The units"
    ),
    HttpApiEndpoint.get("serviceStatus", services.serviceStatus.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "The state of a unit"
    ),
    HttpApiEndpoint.post("startService", services.startService.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "Start a unit"
    ),
    HttpApiEndpoint.post("stopService", services.stopService.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "Stop a unit"
    ),
    HttpApiEndpoint.post("restartService", services.restartService.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "Restart a unit"
    )
  )
  .annotate(OpenApi.Description, "The units that are shown") {}
