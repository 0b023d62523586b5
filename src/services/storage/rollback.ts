/** Ends a transaction that failed. */
import type { DatabaseSync } from "node:sqlite"

/** SQLite has rolled back by itself after a full disk or an I/O error; a second ROLLBACK would hide the first error. */
export const rollback = (db: DatabaseSync): void => {
  if (db.isTransaction) db.exec("ROLLBACK")
}
