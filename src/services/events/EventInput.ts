/**
 * Events as writers send them (JSON), checked and turned into runs. One wrong event never takes its neighbours along:
 * each is answered for itself.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describeSchemaError } from "../describeSchemaError.ts"
import { type EventRun, httpSource, levels, type SeqRange } from "./Event.ts"
import { isHidden } from "./EventQuery.ts"
import { RunJoiner } from "./RunJoiner.ts"
import { parseTime } from "./time.ts"

/** Audit entries are the daemon's own. */
const writtenLevels = levels.filter((level) => !isHidden(level))

const WrittenLevel = Schema.Literals(writtenLevels).annotate({ description: "Severity" })

/** What a client may send. The time is the daemon's unless `events.accept_given_time` is on. */
export const EventInput = Schema.Struct({
  message: Schema.String,
  level: Schema.optionalKey(WrittenLevel),
  // The values come from JSON.parse, so they are JSON.
  fields: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  received_at: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "EventInput" })

export interface InputRules {
  readonly messageMaxBytes: number
  readonly acceptGivenTime: boolean
}

export interface InputFailure {
  readonly code: 400 | 413
  readonly error: string
}

/** What the events of one request have in common. */
export interface Origin {
  readonly receivedAt: bigint
  readonly who: string | undefined
}

/** A run of one event. */
export type Checked = Result.Result<EventRun, InputFailure>

const decode = Schema.decodeUnknownResult(EventInput, { onExcessProperty: "error" })

const isLevel = (value: unknown): boolean => writtenLevels.some((level) => level === value)

/**
 * Whether this value of JSON.parse is an event beyond doubt; what is not, the schema decides about and says why. Taking
 * every event through the schema would be a third of all that is done for one.
 */
const isPlainly = (value: unknown): value is typeof EventInput.Type => {
  if (typeof value !== "object" || value === null) return false
  let message = false
  for (const [key, given] of Object.entries(value)) {
    switch (key) {
      case "message":
        message = typeof given === "string"
        if (!message) return false
        break
      case "level":
        if (!isLevel(given)) return false
        break
      case "fields":
        if (typeof given !== "object" || given === null || Array.isArray(given)) return false
        break
      case "received_at":
        if (typeof given !== "string") return false
        break
      default:
        return false
    }
  }
  return message
}

const isAudit = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "level" in value && value.level === "audit"

const auditIsOurs = "level: audit entries are the daemon's own; GET /v1/audit shows them"

export const parseJson = (text: string): Result.Result<unknown, InputFailure> => {
  try {
    const value: unknown = JSON.parse(text)
    return Result.succeed(value)
  } catch (error) {
    return Result.fail({ code: 400, error: `not JSON: ${error instanceof Error ? error.message : String(error)}` })
  }
}

export const checkInput = (
  value: unknown,
  { acceptGivenTime, messageMaxBytes }: InputRules,
  origin: Origin
): Checked => {
  const decoded = isPlainly(value) ? Result.succeed(value) : decode(value)
  if (Result.isFailure(decoded)) {
    if (isAudit(value)) return Result.fail({ code: 400, error: auditIsOurs })
    return Result.fail({ code: 400, error: `not an event: ${describeSchemaError(decoded.failure)}` })
  }
  const { fields, level = "info", message, received_at } = decoded.success
  const fieldsText = fields === undefined ? undefined : JSON.stringify(fields)
  const tooLong = overLimit(message, messageMaxBytes)
    ? "message"
    : overLimit(fieldsText, messageMaxBytes)
      ? "fields"
      : ""
  if (tooLong !== "")
    return Result.fail({ code: 413, error: `${tooLong}: larger than the ${messageMaxBytes} bytes allowed` })
  let receivedAt = origin.receivedAt
  if (received_at !== undefined) {
    const given = parseTime(received_at)
    if (!acceptGivenTime)
      return Result.fail({
        code: 400,
        error: "received_at: the daemon sets the time (events.accept_given_time is off)"
      })
    if (given === undefined)
      return Result.fail({ code: 400, error: "received_at: not a time; allowed: 2026-01-31T12:00:00Z or UNIX seconds" })
    receivedAt = given
  }
  return Result.succeed({
    receivedAt,
    source: httpSource,
    who: origin.who,
    level,
    fields: fieldsText?.toWellFormed(),
    messages: [message.toWellFormed()]
  })
}

/** Most texts are far from the limit: only those near it are measured. */
const overLimit = (text: string | undefined, maxBytes: number): boolean =>
  text !== undefined && text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes

/** Events in order as few runs as possible. */
export const toRuns = (inputs: ReadonlyArray<Checked>): ReadonlyArray<EventRun> => {
  const joiner = new RunJoiner()
  for (const input of inputs) if (Result.isSuccess(input)) joiner.add(input.success)
  return joiner.runs
}

export type InputResult =
  | { readonly seq: number }
  | { readonly line: number; readonly code: number; readonly error: string }

/** One result for each input, in order; `lineOf` numbers the inputs as their sender does. */
export const resultsOf = (
  inputs: ReadonlyArray<Checked>,
  stored: SeqRange | undefined,
  lineOf: (index: number) => number
): ReadonlyArray<InputResult> => {
  let seq = stored?.first ?? 0
  return inputs.map((input, i) => (Result.isFailure(input) ? { line: lineOf(i), ...input.failure } : { seq: seq++ }))
}
