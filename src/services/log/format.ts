/**
 * Log lines: text for people, JSON for machines, and text with a priority prefix for the journal (sd-daemon(3)).
 * One line each, whatever the values hold.
 */
import type * as LogLevel from "effect/LogLevel"
import type { Environment } from "../config/environment.ts"
import { escapeControls } from "../events/render.ts"

export type LogFormat = "text" | "json" | "journal"

export interface LogEntry {
  readonly at: Date
  readonly level: LogLevel.LogLevel
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** sd-daemon(3): the journal takes `<N>` at the start of a line as the priority, and adds the time itself. */
const priorities: Readonly<Partial<Record<LogLevel.LogLevel, number>>> = {
  Fatal: 2,
  Error: 3,
  Warn: 4,
  Info: 6,
  Debug: 7,
  Trace: 7
}

export const priorityOf = (level: LogLevel.LogLevel): number => priorities[level] ?? 6

/** A request's line, the one of which there are thousands a second. */
export interface RequestEntry {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly durationMs: number
  /** Empty where there is none. */
  readonly address: string
  readonly who: string | undefined
  readonly id: string
}

/** As `formatLine` would, without building fields to take them apart again. */
export const formatRequest = (format: LogFormat, atMs: number, entry: RequestEntry): string => {
  if (format === "json") {
    const { address, id, method, path, status, who } = entry
    const what = `${method} ${path} ${status}`
    const ms = roundedText(entry.durationMs)
    return (
      `{"time":"${isoTime(atMs)}","level":"info","message":${JSON.stringify(what)},"ms":${ms}` +
      `${address === "" ? "" : `,"address":"${address}"`}${who === undefined ? "" : `,"who":${JSON.stringify(who)}`},"request_id":"${id}"}\n`
    )
  }
  return `${format === "journal" ? "<6>" : `${isoTime(atMs)} INFO  `}${plainRequest(entry)}\n`
}

/** One line without its end, time and level. */
export const plainRequest = ({ address, durationMs, id, method, path, status, who }: RequestEntry): string =>
  `${escapeControls(`${method} ${path} ${status}`)} ms=${roundedText(durationMs)}` +
  `${address === "" ? "" : ` address=${address}`}${who === undefined ? "" : ` who=${fieldText(who)}`} request_id=${id}`

let lastMs = Number.NaN
let lastTime = ""

const isoTime = (ms: number): string => {
  if (ms !== lastMs) {
    lastMs = ms
    lastTime = new Date(ms).toISOString()
  }
  return lastTime
}

/** Below this, in hundredths of a millisecond, the text of a duration is remembered: most requests take less. */
const rememberedBelow = 1000

const remembered: Array<string> = []

/** Milliseconds with two digits. To write a fraction costs a fifth of the whole line. */
const roundedText = (ms: number): string => {
  const hundredths = Math.round(ms * 100)
  if (hundredths >= rememberedBelow) return String(hundredths / 100)
  return (remembered[hundredths] ??= String(hundredths / 100))
}

export const formatLine = (format: LogFormat, entry: LogEntry): string => {
  const level = entry.level.toUpperCase()
  switch (format) {
    case "json":
      return `{"time":"${entry.at.toISOString()}","level":"${entry.level.toLowerCase()}","message":${JSON.stringify(entry.message)}${jsonFields(entry.fields)}}\n`
    case "text":
      return `${entry.at.toISOString()} ${level.padEnd(5)} ${plainText(entry)}\n`
    case "journal":
      return `<${priorityOf(entry.level)}>${plainText(entry)}\n`
  }
}

/** As `plainRequest`, of any entry. */
export const plainText = ({ fields, message }: LogEntry): string => `${escapeControls(message)}${textFields(fields)}`

const jsonFields = (fields: Readonly<Record<string, unknown>>): string => {
  let text = ""
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += `,${JSON.stringify(name)}:${jsonText(value)}`
  }
  return text
}

const textFields = (fields: Readonly<Record<string, unknown>>): string => {
  let text = ""
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${fieldText(value)}`
  }
  return text
}

const fieldText = (value: unknown): string => {
  const text = typeof value === "string" ? value : jsonText(value)
  return /^[\w./:@+,-]+$/u.test(text) ? text : JSON.stringify(escapeControls(text))
}

/** What JSON cannot hold is told as text: no log line may fail the fiber that writes it. */
export const jsonText = (value: unknown): string => {
  try {
    const text = JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? String(part) : part))
    if (text !== undefined) return text
  } catch {
    // It refers to itself, or its own toJSON failed.
  }
  return JSON.stringify(String(value))
}

/** The journal says which file it reads our standard error from (systemd.exec(5), JOURNAL_STREAM). */
export const isJournal = (env: Environment, stderr: { readonly dev: number; readonly ino: number }): boolean =>
  env["JOURNAL_STREAM"] === `${stderr.dev}:${stderr.ino}`
