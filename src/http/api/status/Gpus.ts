/** Contract of NVIDIA GPUs. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"

const { gpus } = statusEndpoints

export class GpusGroup extends HttpApiGroup.make("gpus")
  .add(
    HttpApiEndpoint.get("nvidiaSmi", gpus.nvidiaSmi.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "What nvidia-smi prints"
    ),
    HttpApiEndpoint.get("listGpus", gpus.listGpus.path, { success: Schema.Unknown }).annotate(
      OpenApi.Summary,
      "The GPUs"
    ),
    HttpApiEndpoint.get("getGpu", gpus.getGpu.path, { success: Schema.Unknown }).annotate(OpenApi.Summary, "A GPU")
  )
  .annotate(OpenApi.Description, "NVIDIA GPUs") {}
