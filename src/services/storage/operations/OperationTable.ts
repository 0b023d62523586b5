/**
 * Operations and what becomes of them, within a transaction of OperationsTables; no Effect here. Each change compares
 * the status with what it must be: who comes too late changes nothing and is told so.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { FinalStatus, Idempotency } from "../../operations/Operation.ts"
import { numberOf } from "../columns.ts"
import type { StoredOperation, StoredRequest } from "./commands.ts"
import {
  numberOfStatus,
  operationColumns,
  pendingNumber,
  runningNumber,
  toOperation,
  unfinishedNumbers
} from "./rows.ts"
import type { Tally } from "./Tally.ts"

export interface Unfinished {
  readonly seq: number
  readonly isPending: boolean
}

export interface FinalState {
  readonly status: FinalStatus
  readonly result: string
  readonly error: string | null
}

/** A second submit of the same id is the first one, whose answer was lost. */
export type Insertion = { readonly operation: StoredOperation; readonly replayed: boolean }

export class OperationTable {
  private readonly tally: Tally
  private readonly insert: StatementSync
  private readonly one: StatementSync
  private readonly keyed: StatementSync
  private readonly unfinishedOne: StatementSync
  private readonly begun: StatementSync
  private readonly progressed: StatementSync
  private readonly finish: StatementSync
  private readonly wish: StatementSync

  constructor(db: DatabaseSync, tally: Tally) {
    this.tally = tally
    this.insert = db.prepare(
      `INSERT INTO operations (id, kind, name, input, who, why, parent, owner, idempotency_key, fingerprint, status,
         result, created_at, updated_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ${pendingNumber}, 'null', ?11, ?11) ON CONFLICT (id) DO NOTHING`
    )
    this.one = db.prepare(`SELECT ${operationColumns} FROM operations WHERE id = ?`)
    this.keyed = db.prepare(`SELECT ${operationColumns} FROM operations WHERE owner = ? AND idempotency_key = ?`)
    this.unfinishedOne = db.prepare(
      `SELECT seq, status FROM operations WHERE id = ? AND status IN (${unfinishedNumbers})`
    )
    this.begun = db.prepare(
      `UPDATE operations SET status = ${runningNumber}, started_at = ?2, updated_at = ?2
       WHERE id = ?1 AND status = ${pendingNumber}`
    )
    this.progressed = db.prepare(
      `UPDATE operations SET progress = ?2, progress_text = ?3, updated_at = ?4
       WHERE id = ?1 AND status IN (${unfinishedNumbers})`
    )
    this.finish = db.prepare(
      `UPDATE operations SET status = ?2, result = ?3, error = ?4, ended_at = ?5, updated_at = ?5, ended = ?6 WHERE seq = ?1`
    )
    this.wish = db.prepare(
      `UPDATE operations SET cancel_requested_by = ?2, cancel_requested_at = ?3, updated_at = ?3
       WHERE seq = ?1 AND cancel_requested_at IS NULL`
    )
  }

  get(id: string): StoredOperation | null {
    const row = this.one.get(id)
    return row === undefined ? null : toOperation(row)
  }

  /** That which this key has asked for before. */
  keptFor({ key, owner }: Idempotency): StoredOperation | undefined {
    const row = this.keyed.get(owner, key)
    return row === undefined ? undefined : toOperation(row)
  }

  /** Undefined: there is none, or it has ended. */
  unfinished(id: string): Unfinished | undefined {
    const row = this.unfinishedOne.get(id)
    if (row === undefined) return undefined
    return { seq: numberOf(row["seq"]), isPending: numberOf(row["status"]) === pendingNumber }
  }

  add(asked: StoredRequest, now: number): Insertion {
    const { id, idempotency, input, kind, name, parent, who, why } = asked
    const { fingerprint = null, key = null, owner = null } = idempotency ?? {}
    const idempotent = [owner, key, fingerprint]
    const { changes, lastInsertRowid } = this.insert.run(id, kind, name, input, who, why, parent, ...idempotent, now)
    if (changes === 0) return { operation: toOperation(this.one.get(id) ?? {}), replayed: true }
    this.tally.pending += 1
    this.tally.total += 1
    return { operation: waiting(asked, Number(lastInsertRowid), now), replayed: false }
  }

  begin(id: string, now: number): boolean {
    const isBegun = this.begun.run(id, now).changes > 0
    if (isBegun) {
      this.tally.pending -= 1
      this.tally.running += 1
    }
    return isBegun
  }

  progress(id: string, fraction: number | null, text: string | null, now: number): boolean {
    return this.progressed.run(id, fraction, text, now).changes > 0
  }

  /** The first wish is the one that counts. */
  wishCancelled({ seq }: Unfinished, who: string, now: number): void {
    this.wish.run(seq, who, now)
  }

  /** The number of its end. */
  end({ isPending, seq }: Unfinished, { error, result, status }: FinalState, now: number): number {
    const { tally } = this
    tally.ended += 1
    if (isPending) tally.pending -= 1
    else tally.running -= 1
    this.finish.run(seq, numberOfStatus(status), result, error, now, tally.ended)
    return tally.ended
  }
}

const waiting = (asked: StoredRequest, seq: number, now: number): StoredOperation => ({
  ...asked,
  seq,
  status: "pending",
  progress: null,
  progressText: null,
  result: "null",
  error: null,
  createdAt: now,
  updatedAt: now,
  startedAt: null,
  endedAt: null,
  cancelRequestedAt: null,
  cancelRequestedBy: null
})
