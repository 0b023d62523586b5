/**
 * What goes of operations that have ended, and when, within a transaction of OperationsTables; no Effect here. The order is that
 * of their ends. One that has not ended stays, and so does what it has asked for: it may yet look at how that ended.
 *
 * Bounds: `prunedMax` operations and as many outputs in one request, `prunedBytesMax` of output.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { OperationRetention } from "../../operations/OperationStore.ts"
import { numberOf } from "../columns.ts"
import type { OutputTable } from "./OutputTable.ts"
import { unfinishedNumbers } from "./rows.ts"
import type { Tally } from "./Tally.ts"

/** About 10 ms of the store's thread, so that what waits behind is not held up. */
const prunedMax = 500

/** Looked at meanwhile: what a running one has asked for is passed over. */
const lookedMax = 2 * prunedMax

/** SQLite visits each page of what it removes. */
const prunedBytesMax = 32 * 1024 * 1024

export class OperationPruning {
  private readonly tally: Tally
  private readonly outputs: OutputTable
  private readonly oldest: StatementSync
  private readonly remove: StatementSync

  constructor(db: DatabaseSync, tally: Tally, outputs: OutputTable) {
    this.tally = tally
    this.outputs = outputs
    this.oldest = db.prepare(
      `SELECT seq, ended_at,
         EXISTS (SELECT 1 FROM operations AS p WHERE p.id = o.parent AND p.status IN (${unfinishedNumbers})) AS held
       FROM operations AS o WHERE ended IS NOT NULL ORDER BY ended LIMIT ${lookedMax}`
    )
    this.remove = db.prepare(`DELETE FROM operations WHERE seq = ?`)
  }

  /** Whether there is more to remove. */
  prune(limits: OperationRetention, now: number): boolean {
    const operations = this.pruneOperations(limits, now)
    return this.pruneOutputs(limits.maxBytes) || operations
  }

  private pruneOperations({ maxAgeMs, maxCount }: OperationRetention, now: number): boolean {
    const { tally } = this
    let surplus = tally.total - tally.pending - tally.running - maxCount
    const going: Array<number> = []
    for (const row of this.oldest.iterate()) {
      if (surplus <= 0 && numberOf(row["ended_at"]) >= now - maxAgeMs) break
      if (numberOf(row["held"]) === 1) continue
      going.push(numberOf(row["seq"]))
      surplus -= 1
      if (going.length === prunedMax) break
    }
    for (const seq of going) {
      this.outputs.remove(seq)
      this.remove.run(seq)
    }
    tally.total -= going.length
    return going.length === prunedMax
  }

  private pruneOutputs(maxBytes: number): boolean {
    const before = this.tally.outputBytes
    if (before <= maxBytes) return false
    const oldest = this.outputs.first(prunedMax)
    for (const seq of oldest) {
      this.outputs.remove(seq)
      if (this.tally.outputBytes <= maxBytes) return false
      if (before - this.tally.outputBytes >= prunedBytesMax) return true
    }
    return oldest.length === prunedMax
  }
}
