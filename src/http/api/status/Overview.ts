/** Contract of the machine as a whole. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"

const { overview } = statusEndpoints

export class OverviewGroup extends HttpApiGroup.make("overview")
  .add(
    HttpApiEndpoint.get("health", overview.health.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "Is it there"
    ),
    HttpApiEndpoint.get("overview", overview.overview.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "All units and the GPUs"
    )
  )
  .annotate(OpenApi.Description, "The machine as a whole") {}
