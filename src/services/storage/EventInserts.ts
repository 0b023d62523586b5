/**
 * How events become rows, inside of the transaction that EventTable began. Runs in the storage worker; no Effect here.
 *
 * A run is one statement: SQLite unpacks its JSON itself, which costs half of an insert for each event. Times that differ
 * within a run come from a function of ours, events that differ in more than that are inserted one by one. Every block
 * of events learns its oldest and newest time here.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { WireAppend } from "./protocol.ts"

/** A block is what one page may look at, halved: a page spans at most three. Part of the file format. */
export const blockEvents = 4096

/** A seq may need more than the 32 bits that shifts work on. */
export const blockOf = (seq: number): number => Math.floor(seq / blockEvents)

export class EventInserts {
  private readonly run: StatementSync
  private readonly timedRun: StatementSync
  private readonly row: StatementSync
  private readonly span: StatementSync
  /** Those of the run that `timedRun` stores. */
  private offsets: Float64Array = noOffsets

  constructor(db: DatabaseSync) {
    // Numbers come as REAL to SQLite, which has not the digits for a time: they are added as INTEGER.
    db.function("offset_at", { directOnly: true }, (index) => this.offsets[Number(index)] ?? 0)
    const prepareRun = (time: string) =>
      db.prepare(`INSERT INTO events SELECT ?1 + key, ${time}, ?3, ?4, ?5, value, ?6 FROM json_each(?7)`)
    this.run = prepareRun("?2")
    this.timedRun = prepareRun("?2 + CAST(offset_at(key) AS INTEGER)")
    this.row = db.prepare(`INSERT INTO events VALUES (?1, ?2 + CAST(?3 AS INTEGER), ?4, ?5, ?6, ?7, ?8)`)
    this.span = db.prepare(
      `INSERT INTO event_spans VALUES (?1, ?2, ?3) ON CONFLICT (block) DO UPDATE
       SET oldest = min(oldest, excluded.oldest), newest = max(newest, excluded.newest)`
    )
  }

  /** Stores the events under the seqs from `first` on. */
  insert(events: WireAppend, first: number): void {
    this.insertRows(events, first)
    const end = first + events.count
    for (let from = first; from < end;) {
      const block = blockOf(from)
      const to = Math.min(end, (block + 1) * blockEvents)
      const { greatest, least } = extent(events.offsets, from - first, to - first)
      this.span.run(block, events.receivedAt + BigInt(least), events.receivedAt + BigInt(greatest))
      from = to
    }
  }

  private insertRows(events: WireAppend, first: number): void {
    const { offsets, receivedAt, source, who } = events
    if (events.tag === "run") {
      this.offsets = offsets ?? noOffsets
      const statement = offsets === null ? this.run : this.timedRun
      statement.run(first, receivedAt, source, who, events.level, events.fields, events.messages)
      return
    }
    for (const [i, message] of events.messages.entries()) {
      const level = events.levels[i] ?? 0
      this.row.run(first + i, receivedAt, offsets?.[i] ?? 0, source, who, level, message, events.fields[i] ?? null)
    }
  }
}

const noOffsets = new Float64Array()

/** The least and the greatest of the offsets from one index to before another. */
const extent = (offsets: Float64Array | null, from: number, to: number) => {
  if (offsets === null) return { least: 0, greatest: 0 }
  let least = offsets[from] ?? 0
  let greatest = least
  for (let i = from + 1; i < to; i++) {
    const offset = offsets[i] ?? 0
    if (offset < least) least = offset
    else if (offset > greatest) greatest = offset
  }
  return { least, greatest }
}
