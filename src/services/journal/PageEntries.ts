/**
 * The entries of a page, taken as journalctl writes them: newest first, or oldest first behind a cursor.
 *
 * Bounds: as many as were asked for, and as many bytes of messages, but one entry whatever its length.
 */
import type { JournalEntry, JournalQuery } from "./Journal.ts"
import { timeOfCursor } from "./journalArguments.ts"

export type PageQuery = JournalQuery & { readonly lines: number; readonly maxBytes: number }

/** Takes entries in the order in which they come until it has what was asked for. */
export class PageEntries {
  readonly entries: Array<JournalEntry> = []
  truncated = false
  done = false
  readonly #query: PageQuery
  readonly #sinceUs: number
  readonly #untilUs: number
  #bytes = 0

  constructor(query: PageQuery) {
    this.#query = query
    this.#sinceUs = (query.since ?? 0) * 1000
    this.#untilUs = query.before === undefined ? Number.POSITIVE_INFINITY : timeOfCursor(query.before)
    this.done = query.lines < 1
  }

  offer(entry: JournalEntry): void {
    if (this.done) return
    const { after, before, lines, maxBytes } = this.#query
    // Beside a cursor journalctl takes no time and no other cursor.
    if (entry.realtimeUs < this.#sinceUs) {
      this.done = after === undefined
      return
    }
    if (after !== undefined && (entry.cursor === before || entry.realtimeUs > this.#untilUs)) {
      this.done = true
      return
    }
    this.#bytes += Buffer.byteLength(entry.message)
    if (this.#bytes > maxBytes && this.entries.length > 0) {
      this.truncated = true
      this.done = true
      return
    }
    this.entries.push(entry)
    this.done = this.entries.length >= lines
  }
}
