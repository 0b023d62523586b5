/**
 * Log lines: text for people, JSON for machines, and text with a priority prefix for the journal (sd-daemon(3)).
 * One line each, whatever the values hold.
 */
import type * as LogLevel from "effect/LogLevel"
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

export const formatLine = (format: LogFormat, entry: LogEntry): string => {
  const level = entry.level.toUpperCase()
  switch (format) {
    case "json":
      return `${JSON.stringify({ time: entry.at.toISOString(), level: entry.level.toLowerCase(), message: entry.message, ...entry.fields })}\n`
    case "text":
      return `${entry.at.toISOString()} ${level.padEnd(5)} ${escapeControls(entry.message)}${textFields(entry.fields)}\n`
    case "journal":
      return `<${priorities[entry.level] ?? 6}>${escapeControls(entry.message)}${textFields(entry.fields)}\n`
  }
}

const textFields = (fields: Readonly<Record<string, unknown>>): string => {
  let text = ""
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${fieldText(value)}`
  }
  return text
}

const fieldText = (value: unknown): string => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "")
  return /^[\w./:@+,-]+$/u.test(text) ? text : JSON.stringify(escapeControls(text))
}

/** The journal says which file it reads our standard error from (systemd.exec(5), JOURNAL_STREAM). */
export const isJournal = (env: NodeJS.ProcessEnv, stderr: { readonly dev: number; readonly ino: number }): boolean =>
  env["JOURNAL_STREAM"] === `${stderr.dev}:${stderr.ino}`
