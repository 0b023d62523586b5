/**
 * What is kept of the output of operations, within a transaction of OperationsTables; no Effect here. How much one may
 * have is up to whoever keeps it; how much all of them may have, to retention.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { bytesOf, numberOf, textOf } from "../columns.ts"
import type { StoredOutput } from "./commands.ts"
import type { Tally } from "./Tally.ts"

export class OutputTable {
  private readonly tally: Tally
  private readonly insert: StatementSync
  private readonly removed: StatementSync
  private readonly mark: StatementSync
  private readonly one: StatementSync
  private readonly oldest: StatementSync

  constructor(db: DatabaseSync, tally: Tally) {
    this.tally = tally
    this.insert = db.prepare(`INSERT INTO outputs VALUES (?, ?, ?, ?, ?, ?, NULL, ?)`)
    this.removed = db.prepare(`DELETE FROM outputs WHERE operation = ? RETURNING size`)
    this.mark = db.prepare(`UPDATE outputs SET ended = ?2 WHERE operation = ?1`)
    this.one = db.prepare(
      `SELECT bytes, stdout_bytes, stderr_bytes, sha256, segments
       FROM outputs WHERE operation = (SELECT seq FROM operations WHERE id = ?)`
    )
    this.oldest = db.prepare(`SELECT operation FROM outputs WHERE ended IS NOT NULL ORDER BY ended LIMIT ?`)
  }

  /** In the place of what was kept before. */
  keep(seq: number, { bytes, segments, sha256, stderrBytes, stdoutBytes }: StoredOutput): void {
    this.remove(seq)
    this.insert.run(seq, bytes, stdoutBytes, stderrBytes, sha256, segments.length, segments)
    this.tally.outputBytes += segments.length
  }

  /** That of an operation which has ended now. */
  ended(seq: number, ended: number): void {
    this.mark.run(seq, ended)
  }

  of(id: string): StoredOutput | null {
    const row = this.one.get(id)
    if (row === undefined) return null
    return {
      bytes: numberOf(row["bytes"]),
      stdoutBytes: numberOf(row["stdout_bytes"]),
      stderrBytes: numberOf(row["stderr_bytes"]),
      sha256: textOf(row["sha256"]),
      segments: bytesOf(row["segments"])
    }
  }

  remove(seq: number): void {
    const row = this.removed.get(seq)
    if (row !== undefined) this.tally.outputBytes -= numberOf(row["size"])
  }

  /** Of operations that have ended, in the order of their ends. */
  first(max: number): ReadonlyArray<number> {
    return this.oldest.all(max).map((row) => numberOf(row["operation"]))
  }
}
