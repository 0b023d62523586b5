/** Contract of the host. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"

const { host } = statusEndpoints

export class HostGroup extends HttpApiGroup.make("host")
  .add(
    HttpApiEndpoint.get("getHost", host.getHost.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "CPU, memory, disks, network"
    ),
    HttpApiEndpoint.get("diskSpace", host.diskSpace.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "What uses a disk"
    ),
    HttpApiEndpoint.post("shutdown", host.shutdown.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "Shut the machine down"
    )
  )
  .annotate(OpenApi.Description, "The host") {}
