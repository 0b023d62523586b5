/**
 * `[events]`, `[limits]` and `[telemetry]`: how much is kept, how much a client may take, and where measurements go.
 * The outer bounds here keep a slip of the keyboard from becoming a daemon that never times out or fills the memory.
 */
import * as Schema from "effect/Schema"
import { boolean, integer, key, secretFileOrNone, text, timerMsMax } from "./keys.ts"

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const gibibyte = 1024 * mebibyte
const day_s = 86_400

/** Shorter deadlines would cut off honest clients on a loaded machine. */
const deadlineMsMin = 100

const deadline = integer(deadlineMsMin, timerMsMax)

/** A line of a FIFO or a message over HTTP is held in memory as a whole. */
export const lineBytesMin = 64
export const lineBytesMax = mebibyte

/** A JSON document is parsed in one go, which holds up everything else: a second or so for this much. */
const documentBytesMax = 64 * mebibyte

export const Events = Schema.Struct({
  max_count: key(integer(0, Number.MAX_SAFE_INTEGER), 1_000_000, {
    description: "How many events are stored; older ones are removed. 0: no limit."
  }),
  max_age_s: key(integer(0, Number.MAX_SAFE_INTEGER), 90 * day_s, {
    description: "Events older than this many seconds are removed. 0: no limit."
  }),
  max_bytes: key(integer(0, Number.MAX_SAFE_INTEGER), gibibyte, {
    description: "How many bytes of events are stored; older ones are removed. 0: no limit."
  }),
  message_max_bytes: key(integer(kibibyte, 16 * mebibyte), mebibyte, {
    description: "Longest message of one event, in bytes."
  }),
  accept_given_time: key(boolean, false, {
    description: "Let those who write over HTTP state the time of an event, which they can forge."
  })
}).annotate({ description: "What the event log keeps and takes.", allowed: "a table" })

export type Events = typeof Events.Type

export const Limits = Schema.Struct({
  max_connections: key(integer(1, 100_000), 4096, {
    description: "Open connections per listener. When full, the one longest without a request makes room."
  }),
  header_timeout_ms: key(deadline, 10_000, { description: "A request's line and headers must have come by then." }),
  body_idle_timeout_ms: key(deadline, 30_000, {
    description: "A request's body may pause this long between two pieces."
  }),
  write_idle_timeout_ms: key(deadline, 60_000, {
    description: "A client may take nothing of its answer for this long."
  }),
  keep_alive_timeout_ms: key(deadline, 65_000, { description: "A connection without a request is closed after this." }),
  max_header_bytes: key(integer(8 * kibibyte, 16 * mebibyte), mebibyte, {
    description: "Size of a request's line and headers; more is answered 431."
  }),
  body_max_bytes: key(integer(kibibyte, documentBytesMax), 8 * mebibyte, {
    description: "Size of a JSON body, and of one line of NDJSON; more is answered 413. Uploads have their own.",
    live: true
  }),
  stop_timeout_ms: key(integer(0, 600_000), 10_000, {
    description: "How long work in hand may go on once the daemon is told to stop.",
    live: true
  })
}).annotate({ description: "What a client may take.", allowed: "a table" })

export type Limits = typeof Limits.Type

const urlOrNone = Schema.String.check(
  Schema.makeFilter((value: string) => value === "" || URL.canParse(value)),
  Schema.isPattern(/^(?:https?:\/\/.*)?$/u)
).annotate({ allowed: 'an http:// or https:// URL, or "" for none' })

export const Telemetry = Schema.Struct({
  otlp_url: key(urlOrNone, "", {
    description: 'Base URL of an OTLP/HTTP collector of traces, metrics and logs. "" for none.'
  }),
  otlp_headers_path: key(secretFileOrNone, "", {
    description: "File with one `Name: value` header per line for the collector; secrets belong there, not here."
  }),
  service_name: key(text(256), "systemapi", { description: "The service name the collector sees." })
}).annotate({ description: "Where measurements are sent.", allowed: "a table" })

export type Telemetry = typeof Telemetry.Type
