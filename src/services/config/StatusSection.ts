/**
 * `[status]`, `[watch]`, `[journal]`, `[gpus]`, `[disk]`: how the state of the machine is asked for and shown, and where the
 * original System Status Service listens. Its settings were variables of the environment: they move the defaults here.
 * Which units there are is in UnitSection.ts.
 */
import * as Schema from "effect/Schema"
import { address } from "./GeneralSection.ts"
import { boolean, choice, integer, key, number, optional, path } from "./keys.ts"

const kibibyte = 1024

/** Those of the original. */
export const statusDefaults = {
  host: "127.0.0.1",
  port: 8080,
  command_timeout_seconds: 10,
  max_output_bytes: 16 * kibibyte,
  log_lines_default: 200,
  log_lines_max: 1000,
  log_window_max_minutes: 1440
} as const

/** Of `nvidia-smi -q`: it prints some 10 KiB for each GPU, and a machine has up to 16. */
export const detailOutputBytes = 256 * kibibyte

export const timeoutSeconds = number(0.1, 60)
export const outputBytes = integer(kibibyte, 4 * kibibyte * kibibyte)
export const logLinesDefault = integer(1, 5000)
export const logLinesMax = integer(100, 10_000)
export const logWindowMinutes = integer(1, 10_080)

export const StatusSection = Schema.Struct({
  listen_addr: optional(address, {
    description:
      "A listener of its own: host:port, :port, [IPv6]:port or unix:/path. Default: the environment's UDS_PATH, or BIND_ADDRESS and PORT where one of them is given (127.0.0.1 and 8080 are the other's default); else none, and listeners that name it in apis serve it."
  }),
  force_no_auth: key(boolean, false, {
    description:
      "Let everybody read, from wherever listen_addr can be reached. Loopback addresses, UNIX sockets and clients that must show a certificate need no other credentials."
  }),
  tls_cert_path: optional(path, { description: "Certificate of that listener, PEM. Default: TLS_CERT_PATH." }),
  tls_key_path: optional(path, { description: "Private key of the certificate, PEM. Default: TLS_KEY_PATH." }),
  client_ca_path: optional(path, {
    description: "CA certificates that clients' certificates are checked against, PEM. Default: CLIENT_CA_PATH."
  }),
  mtls_required: optional(boolean, {
    description: "Refuse connections without a client certificate. Default: MTLS_REQUIRED, else false."
  }),
  command_timeout_seconds: optional(timeoutSeconds, {
    description: "A tool that is asked is ended after this. Default: COMMAND_TIMEOUT_SECONDS, else 10.",
    live: true
  }),
  max_output_bytes: optional(outputBytes, {
    description: "How much of a tool's output is shown. Default: MAX_OUTPUT_BYTES, else 16384.",
    live: true
  }),
  log_lines_default: optional(logLinesDefault, {
    description: "Lines of a journal that are shown when not asked for more. Default: LOG_TAIL_DEFAULT, else 200.",
    live: true
  }),
  log_lines_max: optional(logLinesMax, {
    description: "Lines of a journal that are shown at most. Default: LOG_TAIL_MAX, else 1000.",
    live: true
  }),
  log_window_max_minutes: optional(logWindowMinutes, {
    description: "How far since_minutes may reach. Default: LOG_WINDOW_MAX_MINUTES, else 1440.",
    live: true
  }),
  units_fresh_ms: key(integer(0, 600_000), 2000, {
    description: "The state of the units that is this old or younger is shown again without asking.",
    live: true
  }),
  shutdown: key(boolean, false, {
    description: "Let those with host:shutdown shut the machine down, by POST /system/shutdown.",
    live: true
  })
}).annotate({ description: "The state of the machine.", allowed: "a table" })

export type StatusSection = typeof StatusSection.Type

export const WatchSection = Schema.Struct({
  interval_ms: key(integer(0, 3_600_000), 5000, {
    description: "How often the units are looked at, to record those that fail, restart and recover. 0: not at all.",
    live: true
  }),
  log_lines: key(integer(0, 200), 20, {
    description: "How many of a failed unit's last lines go into the event; none of a unit whose logs are off.",
    live: true
  })
}).annotate({ description: "Events of units that fail and recover.", allowed: "a table" })

export type WatchSection = typeof WatchSection.Type

export const JournalSection = Schema.Struct({
  from: key(choice(["now", "boot"]), "boot", {
    description:
      "Where recording the journal begins the first time: with what comes from then on, or with the machine's start. Later it goes on where it was."
  }),
  priority: key(integer(0, 7), 7, {
    description: "Entries of this priority and more urgent ones (0: emergency) are recorded.",
    live: true
  })
}).annotate({ description: "The journals of units with record = true, in the event log.", allowed: "a table" })

export type JournalSection = typeof JournalSection.Type

export const GpusSection = Schema.Struct({
  command: key(path, "nvidia-smi", { description: "The program that tells of the GPUs.", live: true }),
  detail_max_output_bytes: optional(outputBytes, {
    description: `How much of its detailed output is shown. Default: MAX_OUTPUT_BYTES, else ${detailOutputBytes}.`,
    live: true
  }),
  fresh_ms: key(integer(0, 600_000), 10_000, {
    description: "What it said this long ago or later is shown again without asking.",
    live: true
  }),
  kill_grace_ms: key(integer(0, 600_000), 10_000, {
    description: "From TERM to KILL when it hangs: killing it can freeze a GPU.",
    live: true
  }),
  watch_interval_ms: key(integer(0, 3_600_000), 60_000, {
    description:
      "How often the GPUs are looked at, to record those that fail and recover. 0, or where there is no such program: not at all.",
    live: true
  })
}).annotate({ description: "NVIDIA GPUs.", allowed: "a table" })

export type GpusSection = typeof GpusSection.Type

/** Each may be asked for by itself. */
const rootsMax = 64

const absolutePath = path.check(Schema.isPattern(/^\//u)).annotate({ allowed: "an absolute path" })

export const DiskSection = Schema.Struct({
  roots: key(
    Schema.Array(absolutePath)
      .check(Schema.isMaxLength(rootsMax))
      .annotate({ allowed: `an array of at most ${rootsMax} absolute paths` }),
    [],
    {
      description: "Folders whose sizes, and those of the folders in them, GET /disk/space may tell. Default: none.",
      live: true
    }
  ),
  timeout_seconds: key(integer(1, 600), 120, { description: "Counting a folder is ended after this.", live: true }),
  fresh_ms: key(integer(0, 3_600_000), 120_000, {
    description: "What was counted this long ago or later is shown again without counting.",
    live: true
  })
}).annotate({ description: "What uses the disks.", allowed: "a table" })

export type DiskSection = typeof DiskSection.Type
