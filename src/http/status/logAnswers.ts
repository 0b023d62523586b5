/**
 * A page of a unit's journal as an answer. Of more than `maxBytes` the newest entries are kept whole, or the oldest behind a
 * cursor, so that the next page goes on where this one ends; of an entry that is longer by itself, its newest whole lines;
 * of such a line, its beginning.
 */
import type { UnitConfig } from "../../services/config/Config.ts"
import type { JournalEntry, JournalPage } from "../../services/journal/Journal.ts"
import type { LogEntriesAnswer, LogsAnswer } from "../api/status/Logs.ts"
import { linesOf, recordOf } from "./logText.ts"

export interface PageAsked {
  readonly unit: UnitConfig
  /** As it was asked for. */
  readonly requested: number
  readonly maxBytes: number
  readonly after: string | undefined
  readonly before: string | undefined
}

/** An entry, and all that is shown of it. */
interface Shown<A> {
  readonly entry: JournalEntry
  readonly parts: ReadonlyArray<A>
}

interface Cut<A> {
  /** Oldest first. */
  readonly shown: ReadonlyArray<Shown<A>>
  readonly truncated: boolean
}

export const linesAnswer = (page: JournalPage, asked: PageAsked): typeof LogsAnswer.Type => {
  const { maxBytes } = asked
  const cut = fit(page, asked, (entry) => {
    const parts = linesOf(entry)
    return { parts, bytes: bytesOf(parts) }
  })
  const shown = cut.shown.map(({ entry, parts }) => ({ entry, parts: newestWithin(parts, maxBytes) }))
  const shortened = shown.some(({ parts }, n) => bytesOf(parts) < bytesOf(cut.shown[n]?.parts ?? []))
  const logs = shown.flatMap(({ parts }) => parts)
  const truncated = cut.truncated || shortened
  return { ...headOf(truncated, asked, logs.length), logs, ...cursorsOf(shown, asked) }
}

export const entriesAnswer = (page: JournalPage, asked: PageAsked): typeof LogEntriesAnswer.Type => {
  const cut = fit(page, asked, (entry) => {
    const record = recordOf(entry)
    return { parts: [record], bytes: Buffer.byteLength(JSON.stringify(record)) }
  })
  const entries = cut.shown.flatMap(({ parts }) => parts)
  return { ...headOf(cut.truncated, asked, entries.length), entries, ...cursorsOf(cut.shown, asked) }
}

const headOf = (truncated: boolean, { requested, unit }: PageAsked, returned: number) => ({
  service: { id: unit.id, unit: unit.unit },
  requested_lines: requested,
  returned_lines: returned,
  stdout_truncated: truncated
})

const cursorsOf = (shown: ReadonlyArray<Shown<unknown>>, { after, before }: PageAsked) => ({
  next: shown.at(-1)?.entry.cursor ?? after ?? before ?? null,
  previous: shown[0]?.entry.cursor ?? null
})

const fit = <A>(
  { entries, truncated }: JournalPage,
  { after, maxBytes }: PageAsked,
  show: (entry: JournalEntry) => { readonly parts: ReadonlyArray<A>; readonly bytes: number }
): Cut<A> => {
  const forward = after !== undefined
  const shown: Array<Shown<A>> = []
  let left = maxBytes
  for (const entry of forward ? entries : entries.toReversed()) {
    const { bytes, parts } = show(entry)
    left -= bytes
    if (left < 0 && shown.length > 0) return { shown: forward ? shown : shown.toReversed(), truncated: true }
    shown.push({ entry, parts })
  }
  return { shown: forward ? shown : shown.toReversed(), truncated }
}

/** With their newlines. */
const bytesOf = (lines: ReadonlyArray<string>): number =>
  lines.reduce((bytes, line) => bytes + Buffer.byteLength(line) + 1, 0)

const newestWithin = (lines: ReadonlyArray<string>, maxBytes: number): ReadonlyArray<string> => {
  let start = lines.length
  for (let bytes = 0; start > 0; start--) {
    bytes += Buffer.byteLength(lines[start - 1] ?? "") + 1
    if (bytes > maxBytes) break
  }
  const last = lines.at(-1)
  return start < lines.length || last === undefined ? lines.slice(start) : [beginningOf(last, maxBytes)]
}

/** Whole characters. */
const beginningOf = (line: string, maxBytes: number): string => {
  const bytes = Buffer.from(line)
  let end = Math.min(bytes.length, maxBytes - 1)
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString("utf8", 0, end)
}
