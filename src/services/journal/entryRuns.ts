/**
 * Entries of a unit's journal as events. An event's time is its entry's own, so that the log is searched by when things
 * happened and not by when the daemon came to read of them; entries of one process that follow each other are one run.
 *
 * Bounds: a message that is longer than events may be is kept cut, at a code point boundary, with its true size in the
 * fields.
 */
import type { EventRun, Level } from "../events/Event.ts"
import { RunJoiner } from "../events/RunJoiner.ts"
import type { JournalEntry } from "./Journal.ts"

export interface Recording {
  readonly source: string
  /** Name of the unit. */
  readonly unit: string
  readonly messageMaxBytes: number
}

/** `messages` are those of the entries as they may be shown, one for each. */
export const entryRuns = (
  entries: ReadonlyArray<JournalEntry>,
  messages: ReadonlyArray<string>,
  { messageMaxBytes, source, unit }: Recording
): ReadonlyArray<EventRun> => {
  const joiner = new RunJoiner()
  const fieldsOf = makeFields(unit)
  for (const [i, entry] of entries.entries()) {
    const message = messages[i] ?? ""
    const cut = cutTo(message, messageMaxBytes)
    joiner.add({
      receivedAt: BigInt(entry.realtimeUs) * 1000n,
      source,
      who: undefined,
      level: levelOf(entry.priority),
      fields: fieldsOf(entry, cut?.bytes),
      messages: [cut?.kept ?? message]
    })
  }
  return joiner.runs
}

/** syslog(3) has eight of them. */
const levelOf = (priority: number | null): Level => {
  if (priority === null) return "info"
  if (priority <= 3) return "error"
  if (priority === 4) return "warning"
  return priority === 7 ? "debug" : "info"
}

/** As text; neighbours mostly have the same, which is then written once. */
const makeFields = (unit: string) => {
  let last: Pick<JournalEntry, "identifier" | "pid" | "priority"> | undefined
  let text = ""
  return (entry: JournalEntry, cutBytes: number | undefined): string => {
    const { identifier, pid, priority } = entry
    if (cutBytes !== undefined) return fieldsText({ unit, identifier, pid, priority, truncated: true, bytes: cutBytes })
    if (last?.identifier === identifier && last.pid === pid && last.priority === priority) return text
    last = entry
    text = fieldsText({ unit, identifier, pid, priority })
    return text
  }
}

/** Without those that the entry has not. */
const fieldsText = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify(fields, (_, value: unknown) => value ?? undefined).toWellFormed()

/** Undefined: it is short enough. */
const cutTo = (message: string, maxBytes: number): { readonly kept: string; readonly bytes: number } | undefined => {
  // Only texts near the limit are measured.
  if (message.length * 3 <= maxBytes) return undefined
  const bytes = Buffer.from(message)
  if (bytes.length <= maxBytes) return undefined
  let end = maxBytes
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return { kept: bytes.toString("utf8", 0, end), bytes: bytes.length }
}
