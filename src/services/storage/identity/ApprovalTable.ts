/**
 * Requests that wait for a second person, within a transaction of IdentityTables; no Effect here. One that has been
 * decided, used or has expired is kept for `decidedKeptMs` after its time, for whoever asks what became of it.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite"
import { approvalsMax } from "../../identity/bounds.ts"
import type { Approval } from "../../identity/IdentityStore.ts"
import { numberOf, numberOrNone, textOf, textOrNone } from "../columns.ts"
import type { Generations } from "./Generations.ts"

const decidedKeptMs = 86_400_000

const columns = `id, permission, method, target, body_hash, requester, requester_owner, justification, state,
  decided_by, decided_at, created_at, expires_at`

export class ApprovalTable {
  private readonly generations: Generations
  private readonly count: StatementSync
  private readonly insert: StatementSync
  private readonly decided: StatementSync
  private readonly used: StatementSync
  private readonly changed: StatementSync
  private readonly expired: StatementSync
  private readonly pruned: StatementSync
  private readonly settled: StatementSync

  constructor(db: DatabaseSync, generations: Generations) {
    this.generations = generations
    this.count = db.prepare(`SELECT count(*) AS n FROM approvals`)
    this.insert = db.prepare(
      `INSERT INTO approvals (${columns}, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)`
    )
    this.decided = db.prepare(
      `UPDATE approvals SET state = ?2, decided_by = ?3, decided_at = ?4, generation = ?5
       WHERE id = ?1 AND state = 'pending' AND expires_at > ?4 RETURNING ${columns}`
    )
    this.used = db.prepare(
      `UPDATE approvals SET state = 'used', generation = ?3 WHERE id = ?1 AND state = 'approved' AND expires_at > ?2`
    )
    this.changed = db.prepare(`SELECT ${columns} FROM approvals WHERE generation > ?`)
    this.expired = db.prepare(
      `UPDATE approvals SET state = 'expired', generation = ?2 WHERE state IN ('pending', 'approved') AND expires_at <= ?1`
    )
    this.pruned = db.prepare(`DELETE FROM approvals WHERE expires_at < ?1 RETURNING id`)
    this.settled = db.prepare(
      `DELETE FROM approvals WHERE state NOT IN ('pending', 'approved') OR expires_at <= ?1 RETURNING id`
    )
  }

  create(approval: Approval): "many" | null {
    // What is settled makes room before anybody is turned away.
    if (this.isFull()) this.tell(this.settled.all(approval.createdAt))
    if (this.isFull()) return "many"
    this.insert.run(
      approval.id,
      approval.permission,
      approval.method,
      approval.target,
      approval.bodyHash,
      approval.requester,
      approval.requesterOwner,
      approval.justification ?? null,
      approval.state,
      approval.decidedBy ?? null,
      approval.decidedAt ?? null,
      approval.createdAt,
      approval.expiresAt,
      this.generations.next()
    )
    return null
  }

  decide(id: string, state: "approved" | "denied", by: string, now: number): Approval | null {
    const row = this.decided.get(id, state, by, now, this.generations.next())
    return row === undefined ? null : toApproval(row)
  }

  use(id: string, now: number): boolean {
    return this.used.run(id, now, this.generations.next()).changes > 0
  }

  since(generation: number): ReadonlyArray<Approval> {
    return this.changed.all(generation).map(toApproval)
  }

  prune(now: number): void {
    this.expired.run(now, this.generations.next())
    this.tell(this.pruned.all(now - decidedKeptMs))
  }

  private isFull(): boolean {
    return numberOf(this.count.get()?.["n"]) >= approvalsMax
  }

  private tell(removed: ReadonlyArray<Record<string, SQLOutputValue>>): void {
    for (const { id } of removed) this.generations.gone("approval", textOf(id))
  }
}

const toApproval = (row: Record<string, SQLOutputValue>): Approval => ({
  id: textOf(row["id"]),
  permission: textOf(row["permission"]),
  method: textOf(row["method"]),
  target: textOf(row["target"]),
  bodyHash: textOf(row["body_hash"]),
  requester: textOf(row["requester"]),
  requesterOwner: textOf(row["requester_owner"]),
  justification: textOrNone(row["justification"]),
  state: stateOf(textOf(row["state"])),
  decidedBy: textOrNone(row["decided_by"]),
  decidedAt: numberOrNone(row["decided_at"]),
  createdAt: numberOf(row["created_at"]),
  expiresAt: numberOf(row["expires_at"])
})

const states: ReadonlyArray<Approval["state"]> = ["pending", "approved", "denied", "used", "expired"]

const stateOf = (text: string): Approval["state"] => {
  const state = states.find((one) => one === text)
  if (state === undefined) throw new Error(`the identity file has an approval in an unknown state, ${text}`)
  return state
}
