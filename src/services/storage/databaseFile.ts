/**
 * A SQLite file of a format of ours, opened for writing. Runs in the storage worker, in commands at the console and in
 * tests; no Effect here.
 *
 * WAL with synchronous=FULL: a commit is one fsync of the log file, and readers of other processes are never in the way.
 * A damaged or foreign file is refused, never repaired or deleted: what it holds may be all that is left of a machine.
 */
import { existsSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

export interface FileFormat {
  /** Tells `file(1)` and us what the file is. */
  readonly applicationId: number
  /** One step for each format; a file carries how many it has seen in `user_version`. Steps are never edited. */
  readonly migrations: ReadonlyArray<string>
  /** Pages of SQLite's log between checkpoints, each of which costs two fsyncs. */
  readonly checkpointPages: number
  /** Reads some of it, and fails where it is damaged there. */
  readonly inspect: (db: DatabaseSync) => void
}

/** Never a file: gone with the connection. */
export const inMemory = ":memory:"

/** Another process that has the file open holds the lock for one fsync. */
const busyMs = 1000

export interface OpenDatabase {
  readonly db: DatabaseSync
  /** Nobody else can open it. */
  readonly alone: boolean
}

/**
 * A full disk may have no room even for the index that SQLite shares with other processes. Such a file is opened for this
 * process alone, with the index in its memory: a machine whose disk is full must come up all the same, or nobody could
 * make room.
 */
export const openDatabase = (path: string, format: FileFormat): OpenDatabase => {
  if (path === inMemory) return { db: open(path, format, "NORMAL"), alone: true }
  try {
    return { db: open(path, format, "NORMAL"), alone: false }
  } catch (error) {
    if (!isNoRoomForIndex(error)) throw error
    return { db: open(path, format, "EXCLUSIVE"), alone: true }
  }
}

export class ForeignStore extends Error {}

const open = (path: string, format: FileFormat, locking: "NORMAL" | "EXCLUSIVE"): DatabaseSync => {
  if (locking === "NORMAL" && existsSync(`${path}-wal`)) inspect(path, format)
  const db = new DatabaseSync(path, { timeout: busyMs })
  try {
    db.exec(`PRAGMA locking_mode = ${locking}`)
    versionOf(db, format)
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${format.checkpointPages}`
    )
    migrate(db, format)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * A killed process leaves its log file, which a connection that may write puts into the file when it is closed. What is
 * refused is left as it is, so it is looked at first by one that may not.
 */
const inspect = (path: string, format: FileFormat): void => {
  const db = new DatabaseSync(path, { readOnly: true, timeout: busyMs })
  try {
    if (versionOf(db, format) > 0) format.inspect(db)
  } finally {
    db.close()
  }
}

/** How many migrations it has seen; throws where it is no file of this format. */
const versionOf = (db: DatabaseSync, { applicationId, migrations }: FileFormat): number => {
  const identity = Number(db.prepare("PRAGMA application_id").get()?.["application_id"])
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"])
  const tables = Number(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"])
  if (identity !== applicationId && tables > 0) throw new ForeignStore("it is a database of another program")
  if (version > migrations.length) {
    throw new ForeignStore(`its format is ${version}, this systemapi knows formats up to ${migrations.length}`)
  }
  return version
}

const migrate = (db: DatabaseSync, format: FileFormat): void => {
  const { applicationId, migrations } = format
  if (versionOf(db, format) === migrations.length) return
  db.exec("BEGIN IMMEDIATE")
  try {
    // Another process may have done it while this one waited for the lock.
    for (let next = versionOf(db, format); next < migrations.length; next++) db.exec(migrations[next] ?? "")
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}; COMMIT`)
  } finally {
    if (db.isTransaction) db.exec("ROLLBACK")
  }
}

/** No room for the index that is shared (`-shm`). */
const SQLITE_IOERR_SHMSIZE = 4874

const isNoRoomForIndex = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && error.errcode === SQLITE_IOERR_SHMSIZE
