/**
 * An entry of the journal from a line of `journalctl --output=json`. A field is text; an array of bytes where it is not
 * UTF-8 or has control characters; null where it was too long for journalctl; an array of these where an entry has it more
 * than once, of which the first counts.
 *
 * Of a line that was cut the short fields are found by their names: quotes within values are escaped, so that no message
 * can look like a field. What is no entry is undefined.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import type { JournalEntry } from "./Journal.ts"
import type { JournalLine } from "./JournalLines.ts"
import { scanFields } from "./scanFields.ts"

const Single = Schema.Union([Schema.String, Schema.Null, Schema.Array(Schema.Int)])
const Field = Schema.optional(Schema.Union([Single, Schema.Array(Single)]))

const timePattern = /^\d{1,16}$/u

const Fields = Schema.Struct({
  __CURSOR: Schema.String,
  __REALTIME_TIMESTAMP: Schema.String.check(Schema.isPattern(timePattern)),
  MESSAGE: Field,
  PRIORITY: Field,
  SYSLOG_IDENTIFIER: Field,
  SYSLOG_PID: Field,
  _COMM: Field,
  _PID: Field,
  _UID: Field,
  _HOSTNAME: Field,
  _SYSTEMD_UNIT: Field,
  UNIT: Field,
  COREDUMP_UNIT: Field,
  OBJECT_SYSTEMD_UNIT: Field
})

type Fields = typeof Fields.Type

/** Written out, so that V8 gives all that are made of it one shape. */
const empty: Readonly<Record<keyof typeof Fields.fields, undefined>> = {
  __CURSOR: undefined,
  __REALTIME_TIMESTAMP: undefined,
  MESSAGE: undefined,
  PRIORITY: undefined,
  SYSLOG_IDENTIFIER: undefined,
  SYSLOG_PID: undefined,
  _COMM: undefined,
  _PID: undefined,
  _UID: undefined,
  _HOSTNAME: undefined,
  _SYSTEMD_UNIT: undefined,
  UNIT: undefined,
  COREDUMP_UNIT: undefined,
  OBJECT_SYSTEMD_UNIT: undefined
}

const names = Struct.keys(empty)

const byName = new Map<string, (typeof names)[number]>(names.map((name) => [name, name]))

const decodeFields = Schema.decodeUnknownOption(Fields)

/** Nearly every entry has nothing but texts, which this sees in a fifth of the time that the schema takes. */
const isPlain = (value: unknown): value is Fields => {
  if (!isRecord(value)) return false
  const { __CURSOR: cursor, __REALTIME_TIMESTAMP: time } = value
  if (typeof cursor !== "string" || typeof time !== "string" || !timePattern.test(time)) return false
  for (const name of names) {
    const field = value[name]
    if (typeof field !== "string" && field !== undefined) return false
  }
  return true
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const decodeLine = (line: string): Fields | undefined => {
  // journalctl says in words, too, that there is nothing.
  if (!line.startsWith("{")) return undefined
  const value = parse(line)
  return isPlain(value) ? value : Option.getOrUndefined(decodeFields(value))
}

const parse = (line: string): unknown => {
  const found = scanFields(line, byName, empty)
  if (found !== undefined) return found
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** `units` are those that were asked for: an entry that is about several of them is told of the first. */
export const decodeEntry = (line: JournalLine, units: ReadonlyArray<string>): JournalEntry | undefined => {
  const fields = typeof line === "string" ? decodeLine(line) : fieldsOfCut(line)
  if (fields === undefined) return undefined
  const priority = textOf(fields.PRIORITY) ?? ""
  return {
    cursor: fields.__CURSOR,
    realtimeUs: Number(fields.__REALTIME_TIMESTAMP),
    priority: /^[0-7]$/u.test(priority) ? Number(priority) : null,
    identifier: textOf(fields.SYSLOG_IDENTIFIER) ?? textOf(fields._COMM),
    pid: pidOf(textOf(fields._PID) ?? textOf(fields.SYSLOG_PID)),
    unit: unitOf(fields, units),
    hostname: textOf(fields._HOSTNAME),
    message: textOf(fields.MESSAGE) ?? ""
  }
}

const textOf = (field: Fields["MESSAGE"]): string | null => {
  if (typeof field === "string") return field
  if (field === undefined || field === null) return null
  const [first] = field
  if (first === undefined || first === null) return null
  if (typeof first === "string") return first
  return Buffer.from(typeof first === "number" ? field.filter((one) => typeof one === "number") : first).toString()
}

const pidOf = (text: string | null): number | null => (text !== null && /^\d{1,10}$/u.test(text) ? Number(text) : null)

/**
 * What a unit is said about counts only from who may say it, as journalctl's own `--unit` has it: systemd, and processes of
 * root.
 */
const unitOf = (fields: Fields, asked: ReadonlyArray<string>): string | null => {
  const own = textOf(fields._SYSTEMD_UNIT)
  const about = [
    textOf(fields._PID) === "1" ? textOf(fields.UNIT) : null,
    ...(textOf(fields._UID) === "0" ? [textOf(fields.COREDUMP_UNIT), textOf(fields.OBJECT_SYSTEMD_UNIT)] : []),
    own
  ]
  return about.find((unit) => unit !== null && asked.includes(unit)) ?? own
}

const shortField = (text: string, name: string): string | undefined =>
  new RegExp(`[{,]"${name}":"([^"\\\\]{0,1024})"`, "u").exec(text)?.[1]

const fieldsOfCut = ({ bytes, text }: Exclude<JournalLine, string>): Fields | undefined => {
  const cursor = shortField(text, "__CURSOR")
  const time = shortField(text, "__REALTIME_TIMESTAMP")
  if (cursor === undefined || time === undefined) return undefined
  const found = names.flatMap((name) => {
    const value = shortField(text, name)
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(found),
    __CURSOR: cursor,
    __REALTIME_TIMESTAMP: time,
    MESSAGE: `[a message of ${bytes} bytes is not shown]`
  }
}
