/** The query of a unit's logs: which entries, how many, from where, and in which form. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { StatusConfig } from "../../services/config/Config.ts"
import { isCursor } from "../../services/journal/journalArguments.ts"
import type { Call } from "../edge/Call.ts"
import type { HttpFailure } from "../edge/HttpFailure.ts"
import { invalidParameter } from "./failures.ts"
import { integerParam } from "./queryParams.ts"

export type LogFormat = "text" | "entries" | "ndjson" | "sse"

/** What both endpoints take. */
export interface LogParams {
  /** As it was asked for. */
  readonly requested: number | undefined
  /** At most as many as are shown. */
  readonly lines: number | undefined
  /** UNIX time in milliseconds. */
  readonly since: number | undefined
  readonly after: string | undefined
  readonly before: string | undefined
  readonly priority: number | undefined
  readonly grep: string | undefined
}

const names = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]

/** What some of them are called elsewhere is taken too. */
const priorities: ReadonlyMap<string, number> = new Map([
  ...names.map((name, n) => [name, n] as const),
  ...names.map((_, n) => [String(n), n] as const),
  ["panic", 0],
  ["critical", 2],
  ["error", 3],
  ["warn", 4]
])

const priorityAllowed = `0 to 7, or ${names.join(", ")}`

/** A longer pattern is no question about a line. */
const grepLengthMax = 256

export const logParams = (call: Call, status: StatusConfig): Effect.Effect<LogParams, HttpFailure> =>
  Effect.gen(function* () {
    const { query } = call
    const requested = query.has("lines")
      ? yield* integerParam(call, "lines", { least: 1, most: Number.MAX_SAFE_INTEGER, otherwise: 1 })
      : undefined
    const window = { least: 1, most: status.log_window_max_minutes, otherwise: 1 }
    const minutes = query.has("since_minutes") ? yield* integerParam(call, "since_minutes", window) : undefined
    const after = yield* cursorParam(query, "after")
    const before = yield* cursorParam(query, "before")
    if (after !== undefined && before !== undefined) return yield* wrong("before", "Input may not be given with after")
    return {
      requested,
      lines: requested === undefined ? undefined : Math.min(requested, status.log_lines_max),
      since: minutes === undefined ? undefined : (yield* Clock.currentTimeMillis) - minutes * 60_000,
      after,
      before,
      priority: yield* priorityParam(query),
      grep: yield* grepParam(query)
    }
  })

const wrong = (name: string, msg: string, type = "value_error") => Effect.fail(invalidParameter(name, msg, type))

const cursorParam = (query: URLSearchParams, name: string): Effect.Effect<string | undefined, HttpFailure> => {
  const text = query.get(name) ?? undefined
  return text === undefined || isCursor(text) ? Effect.succeed(text) : wrong(name, "Input should be a cursor")
}

const priorityParam = (query: URLSearchParams): Effect.Effect<number | undefined, HttpFailure> => {
  const text = query.get("priority")
  if (text === null) return Effect.undefined
  const priority = priorities.get(text.toLowerCase())
  return priority === undefined
    ? wrong("priority", `Input should be ${priorityAllowed}`, "enum")
    : Effect.succeed(priority)
}

const grepParam = (query: URLSearchParams): Effect.Effect<string | undefined, HttpFailure> => {
  const text = query.get("grep") ?? undefined
  if (text === undefined) return Effect.undefined
  const isOne = text !== "" && text.length <= grepLengthMax && !text.includes("\0")
  return isOne
    ? Effect.succeed(text)
    : wrong("grep", `Input should be a regular expression of 1 to ${grepLengthMax} characters`)
}

/** `format` wins over what is accepted. */
export const logFormat = (
  call: Call,
  formats: ReadonlyArray<LogFormat>,
  otherwise: LogFormat
): Effect.Effect<LogFormat, HttpFailure> => {
  const text = call.query.get("format")
  if (text !== null) {
    const format = formats.find((one) => one === text)
    return format === undefined
      ? wrong("format", `Input should be ${formats.join(", ")}`, "enum")
      : Effect.succeed(format)
  }
  const accept = call.header("accept") ?? ""
  if (formats.includes("sse") && accept.includes("text/event-stream")) return Effect.succeed("sse")
  return Effect.succeed(accept.includes("ndjson") ? "ndjson" : otherwise)
}

/** A browser that reconnects sends where it was; that wins over the query it sends again. */
export const resumedFrom = (call: Call): Effect.Effect<string | undefined, HttpFailure> => {
  const resumed = call.header("last-event-id")
  if (resumed === undefined || isCursor(resumed)) return Effect.succeed(resumed)
  return Effect.fail(invalidParameter("Last-Event-ID", "Input should be a cursor", "value_error"))
}
