/**
 * The query parameters of `GET /v1/audit`. All are read strictly, those that are not known are refused too: an auditor who
 * mistypes a filter must not be shown more, or less, than was asked for.
 */
import * as Result from "effect/Result"
import type { EventFilters, EventQuery, FieldFilter } from "../../services/events/EventQuery.ts"
import { daemonSource } from "../../services/events/Event.ts"
import { parseTime } from "../../services/events/time.ts"

/** One answer in memory, some megabytes; who wants all of it exports it. */
const limitMax = 10_000
const limitDefault = 1000

/** No field of an entry is longer. */
const textMax = 1024

export const outcomes = ["granted", "refused", "succeeded", "failed"] as const
export const kinds = ["basic", "user", "token", "certificate", "socket", "anonymous"] as const
export const auditFormats = ["json", "ndjson", "csv"] as const
export type AuditFormat = (typeof auditFormats)[number]

export interface AuditParams {
  readonly query: EventQuery
  readonly format: AuditFormat
}

const known = [
  "who",
  "kind",
  "action",
  "outcome",
  "on",
  "address",
  "request_id",
  "since",
  "until",
  "after",
  "before",
  "limit",
  "order",
  "format"
]

/** Carries a mistake out of the readers below; never leaves this file. */
class ParamError extends Error {
  constructor(name: string, found: string, allowed: string) {
    super(`${name}: found ${JSON.stringify(found.slice(0, 100))}, allowed: ${allowed}`)
  }
}

export const parseAuditParams = (query: URLSearchParams): Result.Result<AuditParams, string> => {
  const text = (name: string): string | undefined => {
    const [value, second] = query.getAll(name)
    if (second !== undefined) throw new ParamError(name, second, "given once")
    if (value !== undefined && value.length > textMax) throw new ParamError(name, value, `${textMax} characters`)
    return value
  }
  const oneOf = <A extends string>(name: string, all: ReadonlyArray<A>): A | undefined => {
    const given = text(name)
    const found = all.find((one) => one === given)
    if (given !== undefined && found === undefined) throw new ParamError(name, given, all.join(", "))
    return found
  }
  const integer = (name: string, min: number, max: number): number | undefined => {
    const given = text(name)
    if (given === undefined) return undefined
    const value = /^\d{1,15}$/u.test(given) ? Number(given) : Number.NaN
    if (value >= min && value <= max) return value
    throw new ParamError(name, given, `an integer from ${min} to ${max}`)
  }
  const time = (name: string): bigint | undefined => {
    const given = text(name)
    const value = given === undefined ? undefined : parseTime(given)
    if (given !== undefined && value === undefined) {
      throw new ParamError(name, given, "a time as 2026-01-31T12:00:00Z or in UNIX seconds")
    }
    return value
  }
  const field = (name: string, value: string | undefined, isPrefix = false): ReadonlyArray<FieldFilter> =>
    value === undefined ? [] : [{ name, text: value, isPrefix }]
  try {
    for (const name of query.keys()) {
      if (!known.includes(name)) throw new ParamError("parameter", name, known.join(", "))
    }
    const who = text("who")
    const since = time("since")
    const until = time("until")
    const filters: EventFilters = {
      levels: ["audit"],
      // Clients could once write this level too.
      source: daemonSource,
      ...(who === undefined ? {} : { who }),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
      // What few entries have is looked for first: the rest of them need no second look.
      fields: [
        ...field("request_id", text("request_id")),
        ...field("address", text("address")),
        ...field("action", text("action")),
        ...field("on", text("on"), true),
        ...field("outcome", oneOf("outcome", outcomes)),
        ...field("kind", oneOf("kind", kinds))
      ]
    }
    const format = oneOf("format", auditFormats) ?? "json"
    const order = oneOf("order", ["newest", "oldest"]) ?? (format === "json" ? "newest" : "oldest")
    return Result.succeed({
      format,
      query: {
        after: integer("after", 0, Number.MAX_SAFE_INTEGER) ?? 0,
        before: integer("before", 1, Number.MAX_SAFE_INTEGER) ?? Number.MAX_SAFE_INTEGER,
        order: order === "newest" ? "newest-first" : "oldest-first",
        // An export is all there is, unless it is told otherwise.
        limit: integer("limit", 1, limitMax) ?? (format === "json" ? limitDefault : Number.MAX_SAFE_INTEGER),
        filters
      }
    })
  } catch (error) {
    if (error instanceof ParamError) return Result.fail(error.message)
    throw error
  }
}
