/**
 * The query parameters of the event endpoints. What is ours is read strictly, and a mistake is told by name; what the
 * original had (`format`, and parameters it did not know) is read as it did.
 */
import * as Result from "effect/Result"
import { type Level, levels } from "../../services/events/Event.ts"
import { type EventFilters, isHidden, noFilters } from "../../services/events/EventQuery.ts"
import { parseTime } from "../../services/events/time.ts"

/** One answer of events in memory; who wants more follows X-Next-After, or streams NDJSON. */
export const listLimitMax = 10_000
const listLimitDefault = 1000

/** Longer waits end in proxies. */
const waitSecondsMax = 60

/** Each is one more comparison per row; a sentence has fewer. */
const termsMax = 16
const termLengthMax = 256

export type EventFormat = "brief" | "json" | "ndjson" | "text"

export interface EventParams {
  readonly after: number | undefined
  readonly before: number | undefined
  readonly limit: number
  readonly limitGiven: boolean
  readonly tail: number | undefined
  readonly filters: EventFilters
  readonly format: EventFormat
  readonly waitSeconds: number
  /** Nothing but `format` was given: the answer the original gives. */
  readonly plain: boolean
}

const ours = ["after", "before", "limit", "tail", "since", "until", "source", "level", "q", "wait"] as const

export const parseEventParams = (query: URLSearchParams): Result.Result<EventParams, string> => {
  const given = (name: string) => query.get(name) ?? undefined
  const integer = (name: string, min: number, max: number): number | undefined => {
    const text = given(name)
    if (text === undefined) return undefined
    const value = /^\d{1,15}$/u.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new ParamError(name, text, `an integer from ${min} to ${max}`)
  }
  const time = (name: string): bigint | undefined => {
    const text = given(name)
    if (text === undefined) return undefined
    const value = parseTime(text)
    if (value !== undefined) return value
    throw new ParamError(name, text, "a time as 2026-01-31T12:00:00Z or in UNIX seconds")
  }
  const together = (name: string, others: ReadonlyArray<string>) => {
    const other = query.has(name) ? others.find((each) => query.has(each)) : undefined
    if (other !== undefined) throw new ParamError(name, given(name) ?? "", `not together with ${other}`)
  }
  try {
    const since = time("since")
    const until = time("until")
    const source = given("source")
    const levelNames = given("level")
    const q = given("q")
    const filtered = [since, until, source, levelNames, q].some((value) => value !== undefined)
    const params: EventParams = {
      after: integer("after", 0, Number.MAX_SAFE_INTEGER),
      before: integer("before", 1, Number.MAX_SAFE_INTEGER),
      limit: integer("limit", 1, listLimitMax) ?? listLimitDefault,
      limitGiven: query.has("limit"),
      tail: integer("tail", 0, listLimitMax),
      filters: filtered
        ? {
            ...(since === undefined ? {} : { since }),
            ...(until === undefined ? {} : { until }),
            ...(source === undefined ? {} : { source }),
            ...(levelNames === undefined ? {} : { levels: parseLevels(levelNames) }),
            ...(q === undefined ? {} : { terms: parseTerms(q) })
          }
        : noFilters,
      format: parseFormat(query),
      waitSeconds: integer("wait", 0, waitSecondsMax) ?? 0,
      plain: !ours.some((name) => query.has(name))
    }
    together("tail", ["limit", "wait"])
    together("wait", ["before"])
    if (query.has("wait") && !query.has("after"))
      throw new ParamError("wait", given("wait") ?? "", "together with after")
    return Result.succeed(params)
  } catch (error) {
    if (error instanceof ParamError) return Result.fail(error.message)
    throw error
  }
}

/** Carries a mistake out of the nested readers above; never leaves this file. */
class ParamError extends Error {
  constructor(name: string, found: string, allowed: string) {
    super(`${name}: found ${JSON.stringify(found.slice(0, 100))}, allowed: ${allowed}`)
  }
}

const parseFormat = (query: URLSearchParams): EventFormat => {
  switch (query.get("format")) {
    case "text":
      return "text"
    case "json":
      return "json"
    case "ndjson":
      return "ndjson"
    default:
      return "brief"
  }
}

const readable = levels.filter((level) => !isHidden(level))

const isLevel = (name: string): name is Level => readable.some((level) => level === name)

const parseLevels = (names: string): ReadonlyArray<Level> =>
  [...new Set(names.split(","))].map((name) => {
    if (isLevel(name)) return name
    throw new ParamError(
      "level",
      name,
      `${readable.join(", ")}${name === "audit" ? "; GET /v1/audit shows audit entries" : ""}`
    )
  })

/** Words, and `"words in quotes"` kept together. */
const parseTerms = (q: string): ReadonlyArray<string> => {
  const terms = [...q.matchAll(/"([^"]*)"|(\S+)/gu)].map(([, quoted, word]) => quoted ?? word ?? "").filter(Boolean)
  if (terms.length <= termsMax && terms.every((term) => term.length <= termLengthMax)) return terms
  throw new ParamError("q", q, `up to ${termsMax} words of up to ${termLengthMax} characters`)
}
