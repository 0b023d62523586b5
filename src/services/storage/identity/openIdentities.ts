/**
 * Opens the identity file, for a process of several that may have it open. Runs in the storage worker and in commands at
 * the console; no Effect here.
 *
 * WAL with synchronous=FULL: a commit is one fsync of the log file, and readers are never in the way. The file is for its
 * owner alone (0600), and so are those that SQLite puts beside it. A damaged or foreign file is refused, never repaired
 * or deleted.
 */
import { chmodSync, chownSync, closeSync, existsSync, openSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { ForeignStore, isNoRoomForIndex, makeStoreDirectory } from "../openStore.ts"
import { IdentityTables } from "./IdentityTables.ts"
import { identitySchema } from "./IdentitySchema.ts"

/** "sysi": tells `file(1)` and us what this SQLite file is. */
const applicationId = 0x73797369

/** Another process holds the lock for one fsync; events of this one wait behind it in the same thread. */
const busyMs = 1000

/** 4 MiB of log file. */
const checkpointPages = 1000

export const inMemory = ":memory:"

export interface OpenIdentities {
  readonly db: DatabaseSync
  /** Nobody else can open it. */
  readonly alone: boolean
}

/** A file that is missing is made where `mayMake` says so. */
export const openIdentities = (path: string, mayMake: boolean): OpenIdentities => {
  if (path === inMemory) return { db: configure(new DatabaseSync(path), "NORMAL"), alone: true }
  if (!existsSync(path)) {
    if (!mayMake)
      throw new IdentityFileGone("it was removed; put it back, or restart the daemon to begin without users")
    makeFile(path)
  } else if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
  try {
    return { db: open(path, "NORMAL"), alone: false }
  } catch (error) {
    // Without room for the index that is shared it is kept in memory, and the file is this process's alone.
    if (!isNoRoomForIndex(error)) throw error
    return { db: open(path, "EXCLUSIVE"), alone: true }
  }
}

export class IdentityFileGone extends Error {}

/** Made by root at the console, it belongs to whoever the folder belongs to, as the daemon that is to open it may. */
const makeFile = (path: string): void => {
  const folder = dirname(resolve(path))
  makeStoreDirectory(folder)
  closeSync(openSync(path, "ax", 0o600))
  const { gid, uid } = statSync(folder)
  if (process.geteuid?.() === 0 && uid !== 0) chownSync(path, uid, gid)
}

const open = (path: string, locking: "NORMAL" | "EXCLUSIVE"): DatabaseSync => {
  if (locking === "NORMAL" && existsSync(`${path}-wal`)) inspect(path)
  const db = new DatabaseSync(path, { timeout: busyMs })
  try {
    return configure(db, locking)
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * A killed process leaves its log file, which a connection that may write puts into the file when it is closed. What is
 * refused is left as it is, so it is looked at first by one that may not.
 */
const inspect = (path: string): void => {
  const db = new DatabaseSync(path, { readOnly: true, timeout: busyMs })
  try {
    if (versionOf(db) > 0) new IdentityTables(db).since(undefined)
  } finally {
    db.close()
  }
}

const configure = (db: DatabaseSync, locking: "NORMAL" | "EXCLUSIVE"): DatabaseSync => {
  db.exec(`PRAGMA locking_mode = ${locking}`)
  versionOf(db)
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${checkpointPages}`)
  migrate(db)
  return db
}

/** How many migrations it has seen; throws where it is no identity file of ours. */
const versionOf = (db: DatabaseSync): number => {
  const identity = Number(db.prepare("PRAGMA application_id").get()?.["application_id"])
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"])
  const tables = Number(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"])
  if (identity !== applicationId && tables > 0) throw new ForeignStore("it is a database of another program")
  if (version > identitySchema.length) {
    throw new ForeignStore(`its format is ${version}, this systemapi knows formats up to ${identitySchema.length}`)
  }
  return version
}

const migrate = (db: DatabaseSync): void => {
  if (versionOf(db) === identitySchema.length) return
  db.exec("BEGIN IMMEDIATE")
  try {
    // Another process may have done it while this one waited for the lock.
    for (let next = versionOf(db); next < identitySchema.length; next++) db.exec(identitySchema[next] ?? "")
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${identitySchema.length}; COMMIT`)
  } finally {
    if (db.isTransaction) db.exec("ROLLBACK")
  }
}
