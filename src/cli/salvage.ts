/**
 * Reads a store that may be damaged, as far as it can be read: a page of events that cannot be is stepped over, and the
 * seqs it held are told. Nothing is changed. Bounds: one page at a time; a damage costs some dozens of reads, however
 * large it is. What ends a read for any other reason than damage is thrown.
 */
import type { EventPage } from "../services/events/EventQuery.ts"
import { levels, type SeqRange } from "../services/events/Event.ts"
import type { EventTable } from "../services/storage/EventTable.ts"
import { faultOf } from "../services/storage/sqliteFault.ts"
import { toPage, toScanRange } from "../services/storage/wire.ts"

export type Piece = { readonly page: EventPage } | { readonly lost: SeqRange }

/** The events after this one, as many as can be read and at most `limit`; or those that cannot. */
export const readPast = (table: EventTable, after: number, limit: number): Piece => {
  for (let few = limit; few >= 1; few = Math.floor(few / 2)) {
    const page = read(table, after, few)
    if (page !== undefined) return { page }
  }
  const { last } = table.state()
  // Twice as far until something can be read, then back to where that begins.
  let bad = after
  let step = 1
  while (bad + step <= last && read(table, bad + step, 1) === undefined) {
    bad += step
    step *= 2
  }
  let good = Math.min(bad + step, last)
  while (good - bad > 1) {
    const middle = Math.floor((bad + good) / 2)
    if (read(table, middle, 1) === undefined) bad = middle
    else good = middle
  }
  return { lost: { first: after + 1, last: good } }
}

/** Undefined where the store is damaged. */
const read = (table: EventTable, after: number, limit: number): EventPage | undefined => {
  // Of every level: audit entries are part of the log.
  const query = { after, before: Number.MAX_SAFE_INTEGER, order: "oldest-first", limit, filters: { levels } } as const
  try {
    return toPage(table.scan(toScanRange(query)))
  } catch (error) {
    if (faultOf(error).kind !== "corrupt") throw error
    return undefined
  }
}
