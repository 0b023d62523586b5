/** Contract of NVIDIA GPUs. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"
import { BadRequest, edgeErrors, NotFound, toolErrors, Unprocessable } from "./errors.ts"

const { gpus } = statusEndpoints

const ToolDetail = Schema.Union([
  Schema.Struct({ error: Schema.Literal("timeout"), command: Schema.String }),
  Schema.Struct({ error: Schema.Literal("missing_binary"), binary: Schema.String }),
  Schema.Struct({ error: Schema.Literal("command_failed"), command: Schema.String, exit_code: Schema.Int })
])

const stale = Schema.optionalKey(
  Schema.Literal(true).annotate({ description: "It was asked since and did not answer: this is what it said before" })
)

export const SmiBody = Schema.Struct({
  command: Schema.Array(Schema.String).annotate({ description: "Empty where it was not run" }),
  exit_code: Schema.NullOr(Schema.Int).annotate({ description: "-N: signal N ended it; null: it was not run" }),
  stdout: Schema.String,
  stderr: Schema.String,
  stdout_lines: Schema.Array(Schema.String),
  stderr_lines: Schema.Array(Schema.String),
  stdout_truncated: Schema.Boolean.annotate({ description: "Lines at the end were left out" }),
  stderr_truncated: Schema.Boolean,
  detail: Schema.Boolean,
  gpu: Schema.String.annotate({ description: "all, or the index of one" }),
  status: Schema.Literals(["ok", "error"]).annotate({ description: "ok: it exited with 0" }),
  stale,
  age_ms: Schema.optionalKey(Schema.Int.annotate({ description: "Of what is shown, where that is stale" })),
  error: Schema.optionalKey(ToolDetail.annotate({ description: "Why there is nothing newer, or nothing at all" }))
}).annotate({ identifier: "NvidiaSmi" })

const Verdict = Schema.Literals(["ok", "degraded", "failed"])

const Reason = Schema.Struct({
  code: Schema.String.annotate({ description: "lost, missing, uncorrected_ecc, row_remap_failed, xid, …" }),
  message: Schema.String
}).annotate({ identifier: "GpuReason" })

const count = Schema.NullOr(Schema.Finite)
const flag = Schema.NullOr(Schema.Boolean)
const text = Schema.NullOr(Schema.String)

export const GpuEntry = Schema.Struct({
  index: Schema.Int,
  name: text,
  uuid: text,
  pci_bus_id: text,
  verdict: Verdict,
  reasons: Schema.Array(Reason),
  memory: Schema.Struct({ total_mib: count, used_mib: count, free_mib: count }),
  power: Schema.Struct({ draw_w: count, limit_w: count }),
  temperature: Schema.Struct({ gpu_c: count, memory_c: count, hardware_slowdown: flag, software_slowdown: flag }),
  utilization: Schema.Struct({ gpu_percent: count, memory_percent: count }),
  ecc: Schema.Struct({
    enabled: flag,
    corrected_volatile: count,
    corrected_aggregate: count,
    uncorrected_volatile: count,
    uncorrected_aggregate: count
  }),
  retired_pages: Schema.Struct({ pending: flag }),
  remapped_rows: Schema.Struct({ corrected: count, uncorrected: count, pending: flag, failed: flag }),
  performance_state: text,
  persistence_mode: flag,
  compute_mode: text,
  mig_mode: text
}).annotate({ identifier: "Gpu", description: "null: the GPU or its driver does not say" })

export const XidEntry = Schema.Struct({
  at: Schema.String,
  xid: Schema.Int,
  gpu: Schema.NullOr(Schema.Int).annotate({ description: "Its index; null: no GPU is at that address now" }),
  pci_bus_id: Schema.String,
  severity: Schema.Literals(["application", "warning", "critical"]),
  meaning: text,
  text: Schema.String
}).annotate({ identifier: "Xid", description: "What the driver has told the kernel's log" })

const fields = {
  driver_version: text,
  read_at: Schema.String,
  age_ms: Schema.Int,
  stale: Schema.Boolean.annotate({ description: "It was asked since and did not answer" }),
  error: Schema.NullOr(ToolDetail).annotate({ description: "Why it is stale" })
}

const xids = Schema.NullOr(Schema.Array(XidEntry)).annotate({
  description: "The newest since the machine's start, oldest first; null: the kernel's log cannot be read"
})

export const GpuList = Schema.Struct({
  verdict: Verdict.annotate({ description: "The worst of all GPUs and of the driver" }),
  reasons: Schema.Array(Reason).annotate({ description: "Those that are not a GPU's own" }),
  ...fields,
  gpus: Schema.Array(GpuEntry),
  xids,
  xids_error: text
}).annotate({ identifier: "GpuList" })

export const GpuAnswer = Schema.Struct({ ...fields, gpu: GpuEntry, xids, xids_error: text }).annotate({
  identifier: "GpuAnswer"
})

export class GpusGroup extends HttpApiGroup.make("gpus")
  .add(
    HttpApiEndpoint.get("nvidiaSmi", gpus.nvidiaSmi.path, {
      query: {
        detail: Schema.optionalKey(
          Schema.Literals(["true", "false", "1", "0", "yes", "no", "on", "off"]).annotate({
            description: "As of nvidia-smi -q. Default: false"
          })
        ),
        gpu: Schema.optionalKey(Schema.String.annotate({ description: "all, or the index of one. Default: all" }))
      },
      success: SmiBody,
      error: [BadRequest, Unprocessable, ...edgeErrors, ...toolErrors]
    })
      .annotate(OpenApi.Summary, "What nvidia-smi prints")
      .annotate(
        OpenApi.Description,
        "Shared by all who ask, and kept a while: the Age header says how many seconds ago it was run."
      ),
    HttpApiEndpoint.get("listGpus", gpus.listGpus.path, {
      success: GpuList,
      error: [...edgeErrors, ...toolErrors]
    })
      .annotate(OpenApi.Summary, "The GPUs, and whether they are well")
      .annotate(
        OpenApi.Description,
        "A GPU that was there and is no more stays in the list, failed, until the daemon starts anew."
      ),
    HttpApiEndpoint.get("getGpu", gpus.getGpu.path, {
      params: { gpu: Schema.String.annotate({ description: "Index or UUID" }) },
      success: GpuAnswer,
      error: [NotFound, ...edgeErrors, ...toolErrors]
    }).annotate(OpenApi.Summary, "A GPU, by its index or its UUID")
  )
  .annotate(OpenApi.Description, "NVIDIA GPUs") {}
