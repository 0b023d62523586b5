/**
 * Audit entries as JSON and as CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an
 * apostrophe instead: what stands in it may have been chosen by whoever was refused.
 */
import type { Event } from "../../services/events/Event.ts"
import { rfc3339Nanos } from "../../services/events/render.ts"

/** An entry with its place in the log; its fields go out as they were recorded. */
export const entryJson = ({ fields = "{}", receivedAt, seq }: Event): string => {
  const members = fields.slice(1)
  return `{"seq":${seq},"received_at":"${rfc3339Nanos(receivedAt)}"${members === "}" ? "" : ","}${members}`
}

const fieldNames = [
  "action",
  "outcome",
  "who",
  "kind",
  "address",
  "listener",
  "request_id",
  "on",
  "method",
  "path",
  "status",
  "duration_ms",
  "justification",
  "detail",
  "credential",
  "count",
  "first_at",
  "last_at"
] as const

export const csvHead = `${["seq", "received_at", ...fieldNames].join(",")}\r\n`

/** What spreadsheets begin a formula with, and the spaces that some of them step over before it. */
const formula = /^[\t\r\n ]*[=+\-@＝＋－＠]/u

const needsQuotes = /[",\r\n]/u

const cell = (value: unknown): string => {
  if (value === undefined || value === null) return ""
  const text = String(value)
  const guarded = formula.test(text) ? `'${text}` : text
  return needsQuotes.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded
}

export const entryCsv = ({ fields = "{}", receivedAt, seq }: Event): string => {
  const members: unknown = JSON.parse(fields)
  const values = new Map(typeof members === "object" && members !== null ? Object.entries(members) : [])
  const cells = fieldNames.map((name) => cell(values.get(name)))
  return `${[String(seq), rfc3339Nanos(receivedAt), ...cells].join(",")}\r\n`
}
