/**
 * What the runs of operations have begun and how that ended, within a transaction of OperationsTables; no Effect here.
 * Entries are of operations that have not ended, and go with their end.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { ProcessMark } from "../../operations/OperationStore.ts"
import { numberOf, numberOrNone, textOf, textOrNone } from "../columns.ts"
import type { StoredEntry } from "./commands.ts"
import type { Row } from "./rows.ts"

export class JournalTable {
  private readonly upsert: StatementSync
  private readonly all: StatementSync
  private readonly clear: StatementSync

  constructor(db: DatabaseSync) {
    this.upsert = db.prepare(
      `INSERT INTO journal (operation, key, begun_at, exit, pid, start_ticks, boot_id) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (operation, key) DO UPDATE SET begun_at = excluded.begun_at, exit = excluded.exit,
         pid = excluded.pid, start_ticks = excluded.start_ticks, boot_id = excluded.boot_id`
    )
    this.all = db.prepare(
      `SELECT key, begun_at, exit, pid, start_ticks, boot_id
       FROM journal WHERE operation = (SELECT seq FROM operations WHERE id = ?) ORDER BY number`
    )
    this.clear = db.prepare(`DELETE FROM journal WHERE operation = ?`)
  }

  note(seq: number, { begunAt, exit, key, process }: StoredEntry): void {
    const { bootId = null, pid = null, startTicks = null } = process ?? {}
    this.upsert.run(seq, key, begunAt, exit, pid, startTicks, bootId)
  }

  /** In the order in which they were begun. */
  of(operation: string): ReadonlyArray<StoredEntry> {
    return this.all.all(operation).map((row) => ({
      operation,
      key: textOf(row["key"]),
      begunAt: numberOf(row["begun_at"]),
      exit: textOrNone(row["exit"]) ?? null,
      process: markOf(row)
    }))
  }

  remove(seq: number): void {
    this.clear.run(seq)
  }
}

const markOf = (row: Row): ProcessMark | null => {
  const pid = numberOrNone(row["pid"])
  if (pid === undefined) return null
  return { pid, startTicks: textOf(row["start_ticks"]), bootId: textOf(row["boot_id"]) }
}
