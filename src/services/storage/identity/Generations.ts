/**
 * The count of transactions that changed what the view in memory shows, and what has been removed from the view. Called
 * within a transaction of IdentityTables; no Effect here.
 *
 * Bounds: the last `goneMax` removals are remembered; whoever has followed none for longer reads everything anew.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { numberOf, textOf } from "../columns.ts"
import type { ViewKind } from "./commands.ts"

/** More than days of logouts; reading everything anew takes milliseconds. */
const goneMax = 10_000

export class Generations {
  private readonly state: StatementSync
  private readonly step: StatementSync
  private readonly remove: StatementSync
  private readonly removals: StatementSync
  private readonly oldest: StatementSync
  private readonly forget: StatementSync
  private readonly forgotten: StatementSync
  private upcoming: number | undefined

  constructor(db: DatabaseSync) {
    this.state = db.prepare(`SELECT generation, forgotten FROM state`)
    this.step = db.prepare(`UPDATE state SET generation = ?`)
    this.remove = db.prepare(`INSERT INTO gone VALUES (?1, ?2, ?3)`)
    this.removals = db.prepare(`SELECT kind, id FROM gone WHERE generation > ?`)
    this.oldest = db.prepare(`SELECT generation FROM gone ORDER BY generation DESC LIMIT 1 OFFSET ${goneMax}`)
    this.forget = db.prepare(`DELETE FROM gone WHERE generation <= ?`)
    this.forgotten = db.prepare(`UPDATE state SET forgotten = ?`)
  }

  read(): { readonly generation: number; readonly forgotten: number } {
    const row = this.state.get()
    return { generation: numberOf(row?.["generation"]), forgotten: numberOf(row?.["forgotten"]) }
  }

  begin(): void {
    this.upcoming = undefined
  }

  /** That of the transaction in hand, for a row that the view shows. */
  next(): number {
    this.upcoming ??= this.read().generation + 1
    return this.upcoming
  }

  /** Before the transaction is committed. */
  end(): void {
    if (this.upcoming !== undefined) this.step.run(this.upcoming)
  }

  gone(kind: ViewKind, id: string): void {
    this.remove.run(this.next(), kind, id)
  }

  goneSince(generation: number): ReadonlyArray<readonly [ViewKind, string]> {
    return this.removals.all(generation).map((row) => [kindOf(textOf(row["kind"])), textOf(row["id"])])
  }

  /** Forgets the oldest removals beyond those it remembers. */
  prune(): void {
    const row = this.oldest.get()
    if (row === undefined) return
    const through = numberOf(row["generation"])
    this.forget.run(through)
    this.forgotten.run(through)
  }
}

const kinds: ReadonlyArray<ViewKind> = ["user", "token", "key", "session", "access", "approval"]

const kindOf = (text: string): ViewKind => {
  const kind = kinds.find((one) => one === text)
  if (kind === undefined) throw new Error(`the identity file names an unknown kind of thing, ${text}`)
  return kind
}
