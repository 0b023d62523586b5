/**
 * Opens the store directory for the one process that may write it. Runs in the storage worker, and in the commands that
 * work on a store whose daemon is stopped; no Effect here.
 */
import { accessSync, constants, existsSync, mkdirSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type FileFormat, openDatabase } from "./databaseFile.ts"
import { marksSchema } from "./EventMarks.ts"
import { auditIndexSchema, EventTable, eventTableSchema } from "./EventTable.ts"

const format: FileFormat = {
  // "sysa"
  applicationId: 0x73797361,
  migrations: [eventTableSchema, auditIndexSchema, marksSchema],
  // 16 MiB of log: at full ingest one checkpoint every 200,000 events or so, and the log stays small beside the store.
  checkpointPages: 4000,
  inspect: (db) => void new EventTable(db).state()
}

export const storeFile = (directory: string): string => join(directory, "store.sqlite")

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

export const openStore = (directory: string): DatabaseSync => openDatabase(storeFile(directory), format).db

/** For readers beside a running daemon: never writes, sees what is committed. */
export const openStoreReadOnly = (directory: string): DatabaseSync =>
  new DatabaseSync(storeFile(directory), { readOnly: true, timeout: 1000 })
