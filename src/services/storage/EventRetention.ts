/**
 * What goes from the event store, and when: a slice of the oldest events at a time, so that appends are not held up.
 * Runs in the storage worker; no Effect here.
 *
 * Audit entries go by limits of their own: a flood of other events must not push them out, nor they the others. So
 * `removed_through` says of the others alone that nothing is left up to there, and it is always the seq of one of them:
 * whoever is told that events up to it were removed is told the truth. The newest event of all stays, whatever it is,
 * because the next one is counted from it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { blockOf } from "./EventInserts.ts"
import { auditLevel, earliest } from "./eventSql.ts"
import { rollback } from "./rollback.ts"
import type { RetainLimits, RetainResult } from "../events/EventLog.ts"

/** Rows retention deletes in one request: about 10 ms of the store's thread, so that appends are not held up. */
const retainRowsMax = 5000

/** Rows it looks at meanwhile: audit entries, which stay, are passed over. */
const lookedRowsMax = 3 * retainRowsMax

/** What the other columns and SQLite itself add to a row, about: it decides how much one slice of retention removes. */
const rowBytes = 64

/** What the table knows of itself, and changes with every append and removal. */
export interface LogState {
  /** Nothing that readers are shown is before it. */
  first: number
  last: number
  removedThrough: number
  /** Seqs after `removedThrough` that are of audit entries, stored or removed. */
  hidden: number
}

type Removal = Pick<RetainResult, "removed" | "auditRemoved" | "more">

export class EventRetention {
  private readonly db: DatabaseSync
  private readonly log: LogState
  private readonly oldest: StatementSync
  /** Audit entries stored; counted when it is first asked for. */
  private audits: number | undefined

  constructor(db: DatabaseSync, log: LogState) {
    this.db = db
    this.log = log
    this.oldest = db.prepare(
      `SELECT seq, level, octet_length(message) + coalesce(octet_length(fields), 0) + ${rowBytes} AS size
       FROM events WHERE seq >= ?1 ORDER BY seq LIMIT ${lookedRowsMax}`
    )
  }

  /** So many audit entries were appended. */
  added(audits: number): void {
    if (this.audits !== undefined) this.audits += audits
  }

  retain(limits: RetainLimits, lastBefore: (cutoff: bigint) => number): Removal {
    const others = this.retainOthers(limits, lastBefore)
    const audit = limits.audit === undefined ? { removed: 0, more: false } : this.retainAudit(limits.audit)
    return { removed: others.removed, auditRemoved: audit.removed, more: others.more || audit.more }
  }

  /** Bytes in use in the store file. */
  bytes(): number {
    const pragma = (name: string) => Number(Object.values(this.db.prepare(`PRAGMA ${name}`).get() ?? { v: 0 })[0])
    return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
  }

  private retainOthers(
    { maxBytes, maxCount, receivedBefore }: RetainLimits,
    lastBefore: (cutoff: bigint) => number
  ): Pick<Removal, "removed" | "more"> {
    const { log } = this
    const { removedThrough } = log
    let count = maxCount > 0 ? log.last - removedThrough - log.hidden - maxCount : 0
    let bytes = maxBytes > 0 ? this.bytes() - maxBytes : 0
    const tooOld = receivedBefore === null ? 0 : lastBefore(receivedBefore)
    const goes = (seq: number) => count > 0 || bytes > 0 || seq <= tooOld
    const first = log.first
    let through = removedThrough
    if (first > log.last || !goes(first)) return { removed: null, more: false }
    let looked = log.last
    let removed = 0
    for (const row of this.oldest.iterate(first)) {
      const seq = Number(row["seq"])
      if (Number(row["level"]) !== auditLevel) {
        if (!goes(seq)) {
          looked = seq - 1
          break
        }
        through = seq
        removed += 1
        count -= 1
        bytes -= Number(row["size"])
      }
      looked = seq
      if (removed === retainRowsMax) break
    }
    if (removed > 0) this.remove(through, removed)
    log.first = looked + 1
    const isOver = count > 0 || (maxBytes > 0 && this.bytes() > maxBytes) || looked < tooOld
    return { removed: removed === 0 ? null : { first, last: through }, more: isOver && looked < log.last }
  }

  /** Everything up to this seq but the audit entries, of which there are that many fewer to step over. */
  private remove(through: number, removed: number): void {
    const { log } = this
    const hidden = log.hidden - (through - log.removedThrough - removed)
    this.inTransaction(() => {
      this.db.prepare(`DELETE FROM events WHERE seq BETWEEN ? AND ? AND level <> ?`).run(log.first, through, auditLevel)
      this.db.prepare(`DELETE FROM event_spans WHERE block < ?`).run(blockOf(through + 1))
      this.db.prepare(`UPDATE log_state SET removed_through = ?, hidden = ?`).run(through, hidden)
    })
    log.removedThrough = through
    log.hidden = hidden
  }

  private retainAudit({ maxCount, receivedBefore }: NonNullable<RetainLimits["audit"]>): {
    readonly removed: number
    readonly more: boolean
  } {
    const within = `FROM events INDEXED BY events_audit WHERE level = ${auditLevel}`
    this.audits ??= Number(this.db.prepare(`SELECT count(*) AS n ${within}`).get()?.["n"])
    const surplus = maxCount > 0 ? this.audits - maxCount : 0
    if (this.audits === 0 || (surplus <= 0 && receivedBefore === null)) return { removed: 0, more: false }
    const oldest = this.db.prepare(
      `SELECT seq, received_at < ?1 AS old ${within} AND seq < ?2 ORDER BY seq LIMIT ${retainRowsMax}`
    )
    let through = 0
    let removed = 0
    for (const row of oldest.iterate(receivedBefore ?? earliest, this.log.last)) {
      if (removed >= surplus && Number(row["old"]) === 0) break
      through = Number(row["seq"])
      removed += 1
    }
    if (removed === 0) return { removed, more: false }
    this.inTransaction(() => {
      this.db.prepare(`DELETE ${within} AND seq <= ?`).run(through)
    })
    this.audits -= removed
    return { removed, more: removed === retainRowsMax }
  }

  private inTransaction(change: () => void): void {
    this.db.exec("BEGIN IMMEDIATE")
    try {
      change()
      this.db.exec("COMMIT")
    } catch (error) {
      rollback(this.db)
      throw error
    }
  }
}
