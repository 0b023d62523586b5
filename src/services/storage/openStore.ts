/**
 * Opens the store directory for the one process that may write it. Runs in the storage worker, and in the commands that
 * work on a store whose daemon is stopped; no Effect here.
 *
 * WAL with synchronous=FULL: a commit is one fsync of the log file, and readers of other processes are never in the way.
 * A damaged or foreign file is refused, never repaired or deleted: what it holds may be all that is left of a machine.
 */
import { accessSync, constants, existsSync, mkdirSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { auditIndexSchema, EventTable, eventTableSchema } from "./EventTable.ts"

/** "sysa": tells `file(1)` and us that this SQLite file is a systemapi store. */
const applicationId = 0x73797361

/** One step for each format; a store carries how many it has seen in `user_version`. Steps are never edited. */
const migrations: ReadonlyArray<string> = [eventTableSchema, auditIndexSchema]

/**
 * Pages between checkpoints: 16 MiB of log. A checkpoint costs two fsyncs, so at full ingest one every 200,000 events or
 * so is a small price, and the log file stays small beside the store.
 */
const checkpointPages = 4000

export const storeFile = (directory: string): string => join(directory, "store.sqlite")

export class ForeignStore extends Error {}

export class StoreRemoved extends Error {}

/** Holds until the process ends, however it ends: the lock is the kernel's. */
export const lockStore = (directory: string): DatabaseSync => {
  const lock = new DatabaseSync(join(directory, "lock.sqlite"), { timeout: 0 })
  lock.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
  return lock
}

/** Fails with the reason that SQLite would not tell: "read-only file system" where that is it. */
export const makeStoreDirectory = (directory: string): void => {
  let nearest = resolve(directory)
  while (!existsSync(nearest)) nearest = dirname(nearest)
  accessSync(nearest, constants.W_OK)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
}

/**
 * A full disk may have no room even for the index that SQLite shares with readers of other processes. Such a store is
 * opened for this process alone, with the index in its memory: a machine whose disk is full must come up all the same,
 * or nobody could make room.
 */
export const openStore = (directory: string): DatabaseSync => {
  try {
    return open(directory, "NORMAL")
  } catch (error) {
    if (!isNoRoomForIndex(error)) throw error
    return open(directory, "EXCLUSIVE")
  }
}

const open = (directory: string, locking: "NORMAL" | "EXCLUSIVE"): DatabaseSync => {
  const file = storeFile(directory)
  if (locking === "NORMAL" && existsSync(`${file}-wal`)) inspect(file)
  const db = new DatabaseSync(file, { timeout: 1000 })
  try {
    db.exec(`PRAGMA locking_mode = ${locking}`)
    const version = versionOf(db)
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${checkpointPages}`)
    migrate(db, version)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * A killed daemon leaves its log file, which a connection that may write puts into the store when it is closed. What is
 * refused is left as it is, so it is looked at first by one that may not.
 */
const inspect = (file: string): void => {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 1000 })
  try {
    if (versionOf(db) > 0) new EventTable(db).state()
  } finally {
    db.close()
  }
}

/** How many migrations it has seen; throws where it is no store of ours. */
const versionOf = (db: DatabaseSync): number => {
  const identity = Number(db.prepare("PRAGMA application_id").get()?.["application_id"])
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"])
  const tables = Number(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"])
  if (identity !== applicationId && tables > 0) throw new ForeignStore("it is a database of another program")
  if (version > migrations.length) {
    throw new ForeignStore(`its format is ${version}, this systemapi knows formats up to ${migrations.length}`)
  }
  return version
}

/** No room for the index that is shared (`store.sqlite-shm`). */
const SQLITE_IOERR_SHMSIZE = 4874

export const isNoRoomForIndex = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && error.errcode === SQLITE_IOERR_SHMSIZE

/** For readers beside a running daemon: never writes, sees what is committed. */
export const openStoreReadOnly = (directory: string): DatabaseSync =>
  new DatabaseSync(storeFile(directory), { readOnly: true, timeout: 1000 })

const migrate = (db: DatabaseSync, version: number): void => {
  for (let next = version; next < migrations.length; next++) {
    db.exec("BEGIN IMMEDIATE")
    db.exec(migrations[next] ?? "")
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${next + 1}; COMMIT`)
  }
}
