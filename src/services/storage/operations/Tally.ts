/**
 * How much there is, kept so that nobody has to count: read when a transaction begins, changed by what is done in it,
 * written before it is committed. No Effect here.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { numberOf } from "../columns.ts"

export class Tally {
  pending = 0
  running = 0
  /** Operations of any status. */
  total = 0
  /** Operations that ever ended. */
  ended = 0
  /** Of kept output, as it is stored. */
  outputBytes = 0
  private readonly row: StatementSync
  private readonly update: StatementSync
  private before = ""

  constructor(db: DatabaseSync) {
    this.row = db.prepare(`SELECT pending, running, total, ended, output_bytes FROM tally`)
    this.update = db.prepare(`UPDATE tally SET pending = ?, running = ?, total = ?, ended = ?, output_bytes = ?`)
  }

  read(): void {
    const row = this.row.get()
    this.pending = numberOf(row?.["pending"])
    this.running = numberOf(row?.["running"])
    this.total = numberOf(row?.["total"])
    this.ended = numberOf(row?.["ended"])
    this.outputBytes = numberOf(row?.["output_bytes"])
    this.before = this.values().join()
  }

  write(): void {
    const values = this.values()
    if (values.join() !== this.before) this.update.run(...values)
  }

  private values(): ReadonlyArray<number> {
    return [this.pending, this.running, this.total, this.ended, this.outputBytes]
  }
}
