/**
 * What commands at the console did, until a daemon has it in its audit log: only the daemon writes the log, and the
 * console must work while there is none. Within a transaction of IdentityTables; no Effect here.
 *
 * Bounds: `notesMax`; nothing more can be changed at the console then, for what is done there would leave no trace.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { ConsoleNote } from "../../identity/ConsoleNotes.ts"
import { numberOf, textOf } from "../columns.ts"

/** Some megabytes: more than anybody does by hand while no daemon runs. */
const notesMax = 10_000

/** Taken at a time. */
const pageNotes = 100

export class NotesFull extends Error {}

export class NoteTable {
  private readonly count: StatementSync
  private readonly insert: StatementSync
  private readonly page: StatementSync
  private readonly remove: StatementSync

  constructor(db: DatabaseSync) {
    this.count = db.prepare(`SELECT count(*) AS n FROM notes`)
    this.insert = db.prepare(`INSERT INTO notes (text) VALUES (?)`)
    this.page = db.prepare(`SELECT id, text FROM notes ORDER BY id LIMIT ${pageNotes}`)
    this.remove = db.prepare(`DELETE FROM notes WHERE id <= ?`)
  }

  add(text: string): void {
    if (numberOf(this.count.get()?.["n"]) >= notesMax) {
      throw new NotesFull(`${notesMax} changes wait for a daemon to take them into its audit log; start one`)
    }
    this.insert.run(text)
  }

  /** The oldest. */
  read(): ReadonlyArray<ConsoleNote> {
    return this.page.all().map((row) => ({ id: numberOf(row["id"]), text: textOf(row["text"]) }))
  }

  forget(through: number): void {
    this.remove.run(through)
  }
}
