/** Contract of the host. What this machine does not tell is null. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"
import { BadRequest, Forbidden, NotFound, toolErrors, ToolTimeout, Unprocessable } from "./errors.ts"

const { host } = statusEndpoints

const count = Schema.Int
const text = Schema.NullOr(Schema.String)
const share = Schema.Finite.annotate({ description: "In percent" })
const perhaps = Schema.NullOr(share)

const CpuEntry = Schema.Struct({
  model: text,
  count: Schema.NullOr(count).annotate({ description: "Those that are online" }),
  usage_percent: perhaps.annotate({ description: "Of all of them together, within interval_ms" }),
  user_percent: perhaps,
  system_percent: perhaps,
  iowait_percent: perhaps,
  steal_percent: perhaps.annotate({ description: "Time that the hypervisor gave to others" }),
  interval_ms: Schema.NullOr(count)
})

const MemoryEntry = Schema.Struct({
  total_bytes: count,
  available_bytes: count.annotate({ description: "What could be had without swapping" }),
  used_bytes: count.annotate({ description: "The rest of the total" }),
  used_percent: share,
  free_bytes: count,
  buffers_bytes: Schema.NullOr(count),
  cached_bytes: Schema.NullOr(count)
})

const SwapEntry = Schema.Struct({ total_bytes: count, used_bytes: count, free_bytes: count })

const LoadEntry = Schema.Struct({
  one: Schema.Finite,
  five: Schema.Finite,
  fifteen: Schema.Finite,
  running: Schema.NullOr(count),
  total: Schema.NullOr(count).annotate({ description: "Processes and their threads" })
})

const PressureLine = Schema.Struct({ avg10: share, avg60: share, avg300: share, total_us: count })

const PressureEntry = Schema.NullOr(
  Schema.Struct({ some: Schema.NullOr(PressureLine), full: Schema.NullOr(PressureLine) })
).annotate({ description: "Shares of the time in which some or all tasks waited for it" })

const space = {
  source: Schema.String,
  target: Schema.String.annotate({ description: "Where it is mounted" }),
  total_bytes: count,
  used_bytes: count,
  available_bytes: count.annotate({ description: "To those who are not root" }),
  used_percent: share
}

const FilesystemEntry = Schema.Struct({
  ...space,
  type: Schema.String,
  read_only: Schema.Boolean,
  inodes_total: count,
  inodes_free: count
})

const BlockDeviceEntry = Schema.Struct({
  name: Schema.String,
  reads: count,
  read_bytes: count,
  writes: count,
  written_bytes: count,
  in_flight: count,
  busy_ms: count
}).annotate({ description: "Since its start" })

const InterfaceEntry = Schema.Struct({
  name: Schema.String,
  rx_bytes: count,
  rx_packets: count,
  rx_errors: count,
  rx_dropped: count,
  tx_bytes: count,
  tx_packets: count,
  tx_errors: count,
  tx_dropped: count,
  state: text.annotate({ description: "up, down, unknown" }),
  mac: text,
  addresses: Schema.Array(Schema.String).annotate({ description: "With the length of the prefix" })
})

export const HostAnswer = Schema.Struct({
  hostname: Schema.String,
  kernel: Schema.Struct({
    name: Schema.String,
    release: Schema.String,
    version: Schema.String,
    architecture: Schema.String
  }),
  os: Schema.NullOr(Schema.Struct({ id: text, name: text, version: text, pretty_name: text })),
  boot: Schema.Struct({
    id: text.annotate({ description: "Another one with each boot" }),
    time: text.annotate({ description: "RFC 3339 UTC" }),
    uptime_seconds: Schema.NullOr(Schema.Finite)
  }),
  machine: Schema.Struct({
    vendor: text,
    product: text,
    virtualization: text.annotate({
      description: "kvm, vmware, xen, hyperv, amazon, google, virtualbox, other; none: no virtual machine"
    }),
    container: text
  }),
  tee: Schema.Struct({
    kind: Schema.Literals(["tdx", "sev-snp", "none"]),
    evidence: text.annotate({ description: "By what it is known" }),
    reports: Schema.Boolean.annotate({ description: "The kernel makes attestation reports (configfs-tsm)" })
  }).annotate({ description: "Whether this is the inside of a confidential virtual machine" }),
  cpu: CpuEntry,
  memory: Schema.NullOr(MemoryEntry),
  swap: Schema.NullOr(SwapEntry),
  load: Schema.NullOr(LoadEntry),
  pressure: Schema.Struct({ cpu: PressureEntry, memory: PressureEntry, io: PressureEntry }),
  filesystems: Schema.Array(FilesystemEntry).annotate({
    description: "Disks, each once; one that does not answer, as of a server that is gone, is left out"
  }),
  block_devices: Schema.Array(BlockDeviceEntry),
  interfaces: Schema.Array(InterfaceEntry),
  read_at: Schema.String.annotate({ description: "RFC 3339 UTC" }),
  age_ms: count,
  stale: Schema.Boolean.annotate({ description: "Looked at since, the kernel did not answer in time" })
}).annotate({ identifier: "Host" })

export const DiskAnswer = Schema.Struct({
  path: Schema.String.annotate({ description: "The folder that was counted, without links" }),
  directories: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      path: Schema.String,
      size_bytes: count,
      size_human: Schema.String,
      depth: count.annotate({ description: "1: right in the path" }),
      percentage: share.annotate({ description: "Of total_size_bytes" })
    })
  ).annotate({ description: "The largest first" }),
  total_size_bytes: count.annotate({ description: "What it takes of the disk, files right in it included" }),
  total_size_human: Schema.String,
  stdout_truncated: Schema.Boolean.annotate({ description: "There are more folders than were kept" }),
  diagnostic_mode: Schema.Boolean,
  max_depth: count.annotate({ description: "1 unless diagnostic" }),
  top_n: count,
  filesystems: Schema.Array(
    Schema.Struct({
      ...space,
      total_human: Schema.String,
      used_human: Schema.String,
      available_human: Schema.String
    })
  ).annotate({ description: "Of / all disks, else the one that the path is on" }),
  partial: Schema.Boolean.annotate({ description: "Some of it could not be read, and is not counted" }),
  age_ms: count,
  stale: Schema.Boolean
}).annotate({ identifier: "DiskSpace" })

export const ShutdownAnswer = Schema.Struct({
  status: Schema.Literal("initiated"),
  message: Schema.String,
  timestamp: Schema.String.annotate({ description: "ISO 8601 with microseconds, +00:00" })
}).annotate({ identifier: "Shutdown" })

const param = (description: string) => Schema.optionalKey(Schema.String.annotate({ description }))

export class HostGroup extends HttpApiGroup.make("host")
  .add(
    HttpApiEndpoint.get("getHost", host.getHost.path, { success: HostAnswer, error: [ToolTimeout] }).annotate(
      OpenApi.Summary,
      "CPU, memory, disks, network; what the machine is"
    ),
    HttpApiEndpoint.get("diskSpace", host.diskSpace.path, {
      query: {
        path: param("A folder in one of disk.roots; default: /"),
        diagnostic: param("The largest folders at each depth instead of all in the path; default: false"),
        max_depth: param("1 to 10, default 3; with diagnostic"),
        top_n: param("1 to 100, default 10; with diagnostic"),
        cross_filesystems: param("Count what other disks have below the path; default: false")
      },
      success: DiskAnswer,
      error: [BadRequest, Forbidden, NotFound, Unprocessable, ...toolErrors]
    })
      .annotate(OpenApi.Summary, "What uses a disk")
      .annotate(
        OpenApi.Description,
        "Counted by du, once for all who ask, and kept for disk.fresh_ms. The kernel's own file systems are never counted."
      ),
    HttpApiEndpoint.post("shutdown", host.shutdown.path, {
      success: ShutdownAnswer,
      error: [Forbidden, ...toolErrors]
    })
      .annotate(OpenApi.Summary, "Shut the machine down, where status.shutdown is set")
      .annotate(OpenApi.Description, "Never open to whoever has shown no credentials.")
  )
  .annotate(OpenApi.Description, "The host") {}
