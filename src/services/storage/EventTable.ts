/**
 * The event log as SQLite tables: appends in one transaction, bounded scans, retention. Runs in the storage worker; no
 * Effect here, so that the worker starts in milliseconds and stays small.
 *
 * `events` holds the log, `event_spans` the oldest and newest time of every block of 4096 events, so that a query by
 * time skips blocks instead of rows even though the clock may have stepped. `log_state` remembers what retention took.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite"
import { blockEvents, blockOf, EventInserts } from "./EventInserts.ts"
import { pageBytesMax, pageRowsMax } from "../events/EventQuery.ts"
import type { RetainLimits } from "../events/EventLog.ts"
import type { Appended, Retained, ScanRange, ScanResult, StoreState, WireAppend, WireRow } from "./protocol.ts"

/** Rows retention deletes in one request: about 10 ms of the store's thread, so that appends are not held up. */
const retainRowsMax = 5000

/** What one page of a search may read: some 20 ms of the store's thread. */
const searchedBytesMax = 16 * 1024 * 1024
const searchedRowsMin = 16

/** What the other columns and SQLite itself add to a row, about: it decides how much one slice of retention removes. */
const rowBytes = 64

export const eventTableSchema = `
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source TEXT NOT NULL, who TEXT,
    level INTEGER NOT NULL, message TEXT NOT NULL, fields TEXT
  ) STRICT;
  CREATE TABLE event_spans (block INTEGER PRIMARY KEY, oldest INTEGER NOT NULL, newest INTEGER NOT NULL) STRICT;
  CREATE TABLE log_state (one INTEGER PRIMARY KEY CHECK (one = 1), removed_through INTEGER NOT NULL) STRICT;
  INSERT INTO log_state VALUES (1, 0);
`

export class EventTable {
  private readonly db: DatabaseSync
  private readonly inserts: EventInserts
  private readonly blockAfter: StatementSync
  private readonly blockBefore: StatementSync
  private readonly firstYoung: StatementSync
  private readonly sizes: StatementSync
  private readonly scans = new Map<string, StatementSync>()
  private first: number
  private last: number
  private removedThrough: number

  constructor(db: DatabaseSync) {
    this.db = db
    this.inserts = new EventInserts(db)
    this.blockAfter = db.prepare(
      `SELECT block FROM event_spans WHERE block >= ?1 AND newest >= ?2 AND oldest < ?3 ORDER BY block LIMIT 1`
    )
    this.blockBefore = db.prepare(
      `SELECT block FROM event_spans WHERE block <= ?1 AND newest >= ?2 AND oldest < ?3 ORDER BY block DESC LIMIT 1`
    )
    this.firstYoung = db.prepare(`SELECT min(seq) AS seq FROM events WHERE seq BETWEEN ?1 AND ?2 AND received_at >= ?3`)
    this.sizes = db.prepare(
      `SELECT seq, octet_length(message) + coalesce(octet_length(fields), 0) + ${rowBytes} AS size
       FROM events WHERE seq >= ?1 ORDER BY seq LIMIT ?2`
    )
    this.removedThrough = Number(db.prepare(`SELECT removed_through FROM log_state`).get()?.["removed_through"] ?? 0)
    // Asked for together they would be looked for in every row.
    const seqs = db
      .prepare(`SELECT (SELECT min(seq) FROM events) AS first, (SELECT max(seq) FROM events) AS last`)
      .get()
    this.last = Number(seqs?.["last"] ?? this.removedThrough)
    this.first = Number(seqs?.["first"] ?? this.last + 1)
  }

  append(appends: ReadonlyArray<WireAppend>): Appended {
    const first = this.last + 1
    let next = first
    this.db.exec("BEGIN IMMEDIATE")
    try {
      for (const events of appends) {
        this.inserts.insert(events, next)
        next += events.count
      }
      this.db.exec("COMMIT")
    } catch (error) {
      this.rollback()
      throw error
    }
    this.last = next - 1
    return { tag: "appended", range: { first, last: this.last } }
  }

  scan(range: ScanRange): ScanResult {
    const low = Math.max(range.from, this.first)
    const high = Math.min(range.to, this.last)
    const start = this.startOf(range, low, high)
    if (start === undefined) return { tag: "scanned", rows: [], through: range.newestFirst ? low : high, done: true }
    const filtered = range.since !== null || range.until !== null || hasFilters(range)
    const span = filtered ? this.searchedRows() : Math.min(pageRowsMax, range.limit)
    const from = range.newestFirst ? Math.max(low, start - span + 1) : start
    const to = range.newestFirst ? start : Math.min(high, start + span - 1)
    const rows: Array<WireRow> = []
    let bytes = 0
    for (const row of this.select(range, from, to)) {
      rows.push(row)
      bytes += row[6].length + (row[7]?.length ?? 0)
      if (rows.length === range.limit || bytes >= pageBytesMax) {
        return { tag: "scanned", rows, through: row[0], done: row[0] === (range.newestFirst ? low : high) }
      }
    }
    return range.newestFirst
      ? { tag: "scanned", rows, through: from, done: from <= low }
      : { tag: "scanned", rows, through: to, done: to >= high }
  }

  retain(limits: RetainLimits): Retained {
    let through = this.removedThrough
    const surplus = (seq: number) => {
      through = Math.max(through, Math.min(seq, this.last))
    }
    if (limits.maxCount > 0) surplus(this.last - limits.maxCount)
    if (limits.maxBytes > 0) surplus(this.lastOfOldest(this.bytes() - limits.maxBytes))
    if (limits.receivedBefore !== null) {
      surplus(this.lastBefore(limits.receivedBefore))
    }
    const target = Math.min(through, this.first + retainRowsMax - 1)
    if (target < this.first) return { ...this.state(), tag: "retained", removed: null, more: false }
    const removed = { first: this.first, last: target }
    this.db.exec("BEGIN IMMEDIATE")
    try {
      this.db.prepare(`DELETE FROM events WHERE seq <= ?`).run(target)
      this.db.prepare(`DELETE FROM event_spans WHERE block < ?`).run(blockOf(target + 1))
      this.db.prepare(`UPDATE log_state SET removed_through = ?`).run(target)
      this.db.exec("COMMIT")
    } catch (error) {
      this.rollback()
      throw error
    }
    this.first = target + 1
    this.removedThrough = target
    return { ...this.state(), tag: "retained", removed, more: target < through || this.overweight(limits) }
  }

  state(): StoreState {
    return {
      tag: "state",
      first: this.first,
      last: this.last,
      removedThrough: this.removedThrough,
      bytes: this.bytes()
    }
  }

  /** The newest event of the old end whose successors only are young enough; the clock may have stepped in between. */
  private lastBefore(cutoff: bigint): number {
    const block = this.blockAfter.get(0, cutoff, latest)?.["block"]
    if (block === undefined) return this.last
    const from = Number(block) * blockEvents
    const young = this.firstYoung.get(from, from + blockEvents - 1, cutoff)?.["seq"]
    return typeof young === "number" ? young - 1 : from - 1
  }

  /** The last of the oldest events that together take about this many bytes, a slice of them at the most. */
  private lastOfOldest(bytes: number): number {
    let left = bytes
    let seq = this.first - 1
    if (left <= 0) return seq
    for (const row of this.sizes.iterate(this.first, retainRowsMax)) {
      seq = Number(row["seq"])
      left -= Number(row["size"])
      if (left <= 0) break
    }
    return seq
  }

  /** How many rows a search may look at: fewer where they are large, by what they weigh on average. */
  private searchedRows(): number {
    const average = this.bytes() / Math.max(1, this.last - this.first + 1)
    return Math.max(searchedRowsMin, Math.min(pageRowsMax, Math.floor(searchedBytesMax / average)))
  }

  private overweight(limits: RetainLimits): boolean {
    return limits.maxBytes > 0 && this.first <= this.last && this.bytes() > limits.maxBytes
  }

  private bytes(): number {
    const pragma = (name: string) => Number(Object.values(this.db.prepare(`PRAGMA ${name}`).get() ?? { v: 0 })[0])
    return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
  }

  /** Where a scan begins: at its end of the range, or at the first block whose times overlap the ones asked for. */
  private startOf(range: ScanRange, low: number, high: number): number | undefined {
    if (low > high) return undefined
    const edge = range.newestFirst ? high : low
    if (range.since === null && range.until === null) return edge
    const lookup = range.newestFirst ? this.blockBefore : this.blockAfter
    const found = lookup.get(blockOf(edge), range.since ?? earliest, range.until ?? latest)?.["block"]
    if (found === undefined) return undefined
    const block = Number(found)
    const start = range.newestFirst ? Math.min(high, (block + 1) * blockEvents - 1) : Math.max(low, block * blockEvents)
    return start < low || start > high ? undefined : start
  }

  private *select(range: ScanRange, from: number, to: number): Generator<WireRow> {
    const conditions = ["seq BETWEEN ? AND ?"]
    const values: Array<string | number | bigint> = [from, to]
    const where = (condition: string, ...given: ReadonlyArray<string | number | bigint>) => {
      conditions.push(condition)
      values.push(...given)
    }
    if (range.since !== null) where("received_at >= ?", range.since)
    if (range.until !== null) where("received_at < ?", range.until)
    if (range.source !== null) where("source = ?", range.source)
    if (range.levels !== null) where(`level IN (${range.levels.map(() => "?").join()})`, ...range.levels)
    // Not LIKE: it ends at the first NUL of a message.
    for (const term of range.terms) where(`instr(lower(message), ?) > 0`, term)
    const sql = `SELECT seq, received_at / 1000000000 AS s, received_at % 1000000000 AS ns, source, who, level, message, fields
      FROM events WHERE ${conditions.join(" AND ")} ORDER BY seq ${range.newestFirst ? "DESC" : "ASC"} LIMIT ?`
    for (const row of this.prepared(sql).iterate(...values, range.limit)) yield toRow(row)
  }

  /** One statement for each combination of filters: up to five levels and sixteen terms, each with or without the rest. */
  private prepared(sql: string): StatementSync {
    let statement = this.scans.get(sql)
    if (statement === undefined) {
      statement = this.db.prepare(sql)
      // Rows without names: a third of what reading one costs.
      statement.setReturnArrays(true)
      this.scans.set(sql, statement)
    }
    return statement
  }

  private rollback(): void {
    // SQLite has rolled back by itself after a full disk or an I/O error; a second ROLLBACK would hide the first error.
    if (this.db.isTransaction) this.db.exec("ROLLBACK")
  }
}

/** The columns of `select`, in its order. */
const toRow = (row: Record<number, SQLOutputValue>): WireRow => [
  Number(row[0]),
  Number(row[1]),
  Number(row[2]),
  String(row[3]),
  textOrNull(row[4]),
  Number(row[5]),
  String(row[6]),
  textOrNull(row[7])
]

const textOrNull = (value: SQLOutputValue | undefined): string | null => (typeof value === "string" ? value : null)

const hasFilters = (range: ScanRange): boolean =>
  range.source !== null || range.levels !== null || range.terms.length > 0

const earliest = -(2n ** 63n)
const latest = 2n ** 63n - 1n
