/**
 * The marks of the event store (events/Mark.ts), beside the events. Runs in the storage worker; no Effect here.
 *
 * Moved inside of the transaction that EventTable began. Bounds: `most` marks; beyond it those that were moved the longest
 * ago go, by the seq that the log had then, which no clock can disturb.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { WireMark } from "./protocol.ts"

export const marksSchema = `
  CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL, moved_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

export class EventMarks {
  private readonly most: number
  private readonly set: StatementSync
  private readonly trim: StatementSync
  private readonly all: StatementSync

  constructor(db: DatabaseSync, most: number) {
    this.most = most
    this.set = db.prepare(
      `INSERT INTO marks VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET value = ?2, moved_at = ?3`
    )
    this.trim = db.prepare(
      `DELETE FROM marks WHERE name IN
       (SELECT name FROM marks ORDER BY moved_at DESC, name LIMIT -1 OFFSET ?1)`
    )
    this.all = db.prepare(`SELECT name, value FROM marks`)
  }

  /** `last`: the newest seq of the log, with what is appended beside them. */
  move(marks: ReadonlyArray<WireMark>, last: number): void {
    for (const [name, value] of marks) this.set.run(name, value, last)
    this.trim.run(this.most)
  }

  list(): ReadonlyArray<WireMark> {
    return this.all.all().map((row): WireMark => [String(row["name"]), String(row["value"])])
  }
}
