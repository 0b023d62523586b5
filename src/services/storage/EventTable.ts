/**
 * The event log as SQLite tables: appends in one transaction, bounded scans, retention. Runs in the storage worker; no
 * Effect here, so that the worker starts in milliseconds and stays small.
 *
 * `events` holds the log, `event_spans` the oldest and newest time of every block of 4096 events, so that a query by
 * time skips blocks instead of rows even though the clock may have stepped. `log_state` remembers what retention took
 * (EventRetention) and how many of the seqs after that are of audit entries, which few queries ask for: those have an
 * index, and everyone else steps over them. `marks` says how far sources were read that feed the log (EventMarks).
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { blockEvents, blockOf, EventInserts } from "./EventInserts.ts"
import { EventMarks } from "./EventMarks.ts"
import { EventRetention, type LogState } from "./EventRetention.ts"
import { auditLevel, earliest, EventSelects, hasFilters, isAuditOnly, latest, shown } from "./eventSql.ts"
import { rollback } from "./rollback.ts"
import { pageBytesMax, pageRowsMax, type SeekQuery } from "../events/EventQuery.ts"
import { marksMax } from "../events/markBounds.ts"
import type { RetainLimits } from "../events/EventLog.ts"
import type {
  Appended,
  Retained,
  ScanRange,
  ScanResult,
  Sought,
  StoreState,
  WireAppend,
  WireMark,
  WireRow
} from "./protocol.ts"

/** What one page of a search may read: some 20 ms of the store's thread. */
const searchedBytesMax = 16 * 1024 * 1024
const searchedRowsMin = 16

/** Audit entries one page may look at: each is looked up, and its fields are JSON. */
const auditRowsMax = 1024

export const eventTableSchema = `
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source TEXT NOT NULL, who TEXT,
    level INTEGER NOT NULL, message TEXT NOT NULL, fields TEXT
  ) STRICT;
  CREATE TABLE event_spans (block INTEGER PRIMARY KEY, oldest INTEGER NOT NULL, newest INTEGER NOT NULL) STRICT;
  CREATE TABLE log_state (one INTEGER PRIMARY KEY CHECK (one = 1), removed_through INTEGER NOT NULL) STRICT;
  INSERT INTO log_state VALUES (1, 0);
`

/** Audit entries are found without the rest, and counted. */
export const auditIndexSchema = `
  CREATE INDEX events_audit ON events (seq) WHERE level = ${auditLevel};
  ALTER TABLE log_state ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
  UPDATE log_state SET hidden = (SELECT count(*) FROM events WHERE level = ${auditLevel});
`

export class EventTable {
  private readonly db: DatabaseSync
  private readonly inserts: EventInserts
  private readonly selects: EventSelects
  private readonly retention: EventRetention
  private readonly blockAfter: StatementSync
  private readonly blockBefore: StatementSync
  private readonly firstYoung: StatementSync
  private readonly next: StatementSync
  private readonly log: LogState
  /** Prepared at their first use: a store that was not opened for writing may be of a format that has none. */
  private markTable: EventMarks | undefined

  constructor(db: DatabaseSync) {
    this.db = db
    this.inserts = new EventInserts(db)
    this.selects = new EventSelects(db)
    this.blockAfter = db.prepare(
      `SELECT block FROM event_spans WHERE block >= ?1 AND newest >= ?2 AND oldest < ?3 ORDER BY block LIMIT 1`
    )
    this.blockBefore = db.prepare(
      `SELECT block FROM event_spans WHERE block <= ?1 AND newest >= ?2 AND oldest < ?3 ORDER BY block DESC LIMIT 1`
    )
    this.firstYoung = db.prepare(
      `SELECT min(seq) AS seq FROM events WHERE seq BETWEEN ?1 AND ?2 AND received_at >= ?3 AND ${shown}`
    )
    this.next = db.prepare(`SELECT seq FROM events WHERE seq >= ? ORDER BY seq LIMIT 1`)
    // A store that was not opened for writing may be of the format before, which does not count audit entries.
    const state = db.prepare(`SELECT * FROM log_state`).get()
    const removedThrough = Number(state?.["removed_through"] ?? 0)
    const newest = Number(db.prepare(`SELECT max(seq) AS last FROM events`).get()?.["last"] ?? 0)
    const last = Math.max(newest, removedThrough)
    this.log = { last, removedThrough, first: last + 1, hidden: Number(state?.["hidden"] ?? 0) }
    this.log.first = Math.min(last + 1, this.nextFrom(removedThrough + 1) ?? last + 1)
    this.retention = new EventRetention(db, this.log)
  }

  append(appends: ReadonlyArray<WireAppend>, marks: ReadonlyArray<WireMark> = []): Appended {
    const first = this.log.last + 1
    let next = first
    let audits = 0
    this.db.exec("BEGIN IMMEDIATE")
    try {
      for (const events of appends) {
        this.inserts.insert(events, next)
        next += events.count
        audits += auditsIn(events)
      }
      // Only where there are some: it is one more page to write.
      if (audits > 0) this.db.prepare(`UPDATE log_state SET hidden = hidden + ?`).run(audits)
      if (marks.length > 0) this.marks.move(marks, next - 1)
      this.db.exec("COMMIT")
    } catch (error) {
      rollback(this.db)
      throw error
    }
    this.log.last = next - 1
    this.log.hidden += audits
    this.retention.added(audits)
    return { tag: "appended", range: { first, last: this.log.last } }
  }

  get marks(): EventMarks {
    this.markTable ??= new EventMarks(this.db, marksMax)
    return this.markTable
  }

  scan(range: ScanRange): ScanResult {
    const low = this.lowest(range)
    const high = Math.min(range.to, this.log.last)
    const start = this.startOf(range, low, high)
    if (start === undefined) return { tag: "scanned", rows: [], through: range.newestFirst ? low : high, done: true }
    const [from, to] = this.slice(range, start, low, high)
    const rows: Array<WireRow> = []
    let bytes = 0
    for (const row of this.selects.rows(range, from, to)) {
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

  seek({ after, before, count, order }: SeekQuery): Sought {
    const newestFirst = order === "newest-first"
    const low = Math.max(after + 1, this.log.first)
    const high = Math.min(before - 1, this.log.last)
    if (low > high || count === 0)
      return { tag: "sought", through: newestFirst ? high + 1 : low - 1, found: 0, done: true }
    const from = newestFirst ? Math.max(low, high - pageRowsMax + 1) : low
    const to = newestFirst ? high : Math.min(high, low + pageRowsMax - 1)
    const within = `FROM events WHERE seq BETWEEN ? AND ? AND ${shown}`
    const nth = this.db
      .prepare(`SELECT seq ${within} ORDER BY seq ${newestFirst ? "DESC" : "ASC"} LIMIT 1 OFFSET ?`)
      .get(from, to, count - 1)
    if (nth !== undefined) return { tag: "sought", through: Number(nth["seq"]), found: count, done: true }
    const found = Number(this.db.prepare(`SELECT count(*) AS n ${within}`).get(from, to)?.["n"])
    return { tag: "sought", through: newestFirst ? from : to, found, done: newestFirst ? from === low : to === high }
  }

  retain(limits: RetainLimits): Retained {
    const { auditRemoved, more, removed } = this.retention.retain(limits, (cutoff) => this.lastBefore(cutoff))
    return { ...this.state(), tag: "retained", removed, auditRemoved, more }
  }

  state(): StoreState {
    return { tag: "state", ...this.log, bytes: this.retention.bytes() }
  }

  /** The newest event of the old end whose successors only are young enough; the clock may have stepped in between. */
  private lastBefore(cutoff: bigint): number {
    for (let from = this.log.first; ;) {
      const block = this.blockAfter.get(blockOf(from), cutoff, latest)?.["block"]
      if (block === undefined) return this.log.last
      from = Math.max(from, Number(block) * blockEvents)
      const end = (Number(block) + 1) * blockEvents
      const young = this.firstYoung.get(from, end - 1, cutoff)?.["seq"]
      if (typeof young === "number") return young - 1
      // Nothing but audit entries is young in it.
      from = end
    }
  }

  /** Seq of the first event from here on. */
  private nextFrom(seq: number): number | undefined {
    const found = this.next.get(seq)?.["seq"]
    return typeof found === "number" ? found : undefined
  }

  /** Where the range begins that has something: audit entries may be older than whatever else is left. */
  private lowest(range: ScanRange): number {
    if (range.from >= this.log.first || range.levels?.includes(auditLevel) !== true) {
      return Math.max(range.from, this.log.first)
    }
    return this.nextFrom(range.from) ?? this.log.last + 1
  }

  /** What one page looks at, from `start` on. */
  private slice(range: ScanRange, start: number, low: number, high: number): readonly [from: number, to: number] {
    if (isAuditOnly(range)) {
      const across = range.newestFirst ? `seq <= ? ORDER BY seq DESC` : `seq >= ? ORDER BY seq`
      const end = this.db
        .prepare(
          `SELECT seq FROM events INDEXED BY events_audit WHERE level = ${auditLevel} AND ${across} LIMIT 1 OFFSET ?`
        )
        .get(start, auditRowsMax - 1)?.["seq"]
      return range.newestFirst
        ? [Math.max(low, typeof end === "number" ? end : low), start]
        : [start, Math.min(high, typeof end === "number" ? end : high)]
    }
    const span = hasFilters(range) || this.log.hidden > 0 ? this.searchedRows() : Math.min(pageRowsMax, range.limit)
    return range.newestFirst ? [Math.max(low, start - span + 1), start] : [start, Math.min(high, start + span - 1)]
  }

  /** How many rows a search may look at: fewer where they are large, by what they weigh on average. */
  private searchedRows(): number {
    const average = this.retention.bytes() / Math.max(1, this.log.last - this.log.first + 1)
    return Math.max(searchedRowsMin, Math.min(pageRowsMax, Math.floor(searchedBytesMax / average)))
  }

  /** Where a scan begins: at its end of the range, or at the first block whose times overlap the ones asked for. */
  private startOf(range: ScanRange, low: number, high: number): number | undefined {
    if (low > high) return undefined
    const edge = range.newestFirst ? high : low
    // Blocks are forgotten with what retention takes, and audit entries are not.
    if ((range.since === null && range.until === null) || range.levels?.includes(auditLevel) === true) return edge
    const lookup = range.newestFirst ? this.blockBefore : this.blockAfter
    const found = lookup.get(blockOf(edge), range.since ?? earliest, range.until ?? latest)?.["block"]
    if (found === undefined) return undefined
    const block = Number(found)
    const start = range.newestFirst ? Math.min(high, (block + 1) * blockEvents - 1) : Math.max(low, block * blockEvents)
    return start < low || start > high ? undefined : start
  }
}

const auditsIn = (events: WireAppend): number => {
  if (events.tag === "run") return events.level === auditLevel ? events.count : 0
  let audits = 0
  for (const level of events.levels) if (level === auditLevel) audits += 1
  return audits
}
