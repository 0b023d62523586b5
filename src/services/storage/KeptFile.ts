/**
 * A private SQLite file as this process has it open: opened at the first use, and opened anew when its connection can no
 * longer be trusted (a failed fsync) or another file has taken its place. It is for its owner alone (0600), and so are
 * those that SQLite puts beside it. No Effect here.
 *
 * Fails as SQLite does (sqliteFault); what failed to open is tried again with the next use, so that a disk that gets
 * room, or a lock that is given up, needs no restart. A file that was there and is gone is never made anew: nobody is to
 * find nothing where there was something.
 */
import { chmodSync, chownSync, closeSync, existsSync, openSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import type { DatabaseSync } from "node:sqlite"
import { type FileFormat, inMemory, openDatabase } from "./databaseFile.ts"
import { makeStoreDirectory } from "./openStore.ts"
import { faultOf } from "./sqliteFault.ts"

/** Which file a connection has open; another one at the same path makes the connection worthless. */
export interface FileIdentity {
  readonly dev: number
  readonly ino: number
}

export interface Connection<T> {
  readonly tables: T
  /** Counts the connections, from 1. */
  readonly number: number
  /** Undefined: it is in memory. */
  readonly file: FileIdentity | undefined
  /** Nobody else can open it. */
  readonly alone: boolean
}

interface Held<T> extends Connection<T> {
  readonly db: DatabaseSync
  settled: boolean
}

export interface KeptFormat<T> extends FileFormat {
  readonly tables: (db: DatabaseSync) => T
  /** Of a file that was removed under the daemon: what to do. */
  readonly whenGone: string
}

export class FileGone extends Error {}

export class KeptFile<T> {
  readonly path: string
  private readonly format: KeptFormat<T>
  private held: Held<T> | undefined
  private connections = 0
  private trusted = true

  constructor(path: string, format: KeptFormat<T>) {
    this.path = path
    this.format = format
  }

  /** Within a connection; `writes`: it may change the file. */
  use<A>(writes: boolean, work: (connection: Connection<T>) => A): A {
    try {
      const connection = this.connected()
      if (writes) settle(connection)
      return work(connection)
    } catch (error) {
      if (faultOf(error).kind === "lost") this.trusted = false
      throw error
    }
  }

  /** Whether nothing was ever put there: it is missing, or empty, as a full disk or a crash leaves it when it is made. */
  isBlank(): boolean {
    if (this.connections > 0 || this.path === inMemory) return false
    return (statSync(this.path, { throwIfNoEntry: false })?.size ?? 0) === 0
  }

  close(): void {
    this.held?.db.close()
    this.held = undefined
  }

  private connected(): Held<T> {
    const { format, held, path } = this
    if (held !== undefined && this.trusted && isInPlace(path, held)) return held
    this.close()
    this.trusted = true
    if (path !== inMemory) prepare(path, this.connections === 0, format.whenGone)
    const { alone, db } = openDatabase(path, format)
    try {
      const file = path === inMemory ? undefined : identityOf(path)
      const tables = format.tables(db)
      this.connections += 1
      this.held = { db, tables, number: this.connections, file, alone, settled: false }
      return this.held
    } catch (error) {
      db.close()
      throw error
    }
  }
}

/** A file that is missing is made where `mayMake` says so. */
const prepare = (path: string, mayMake: boolean, whenGone: string): void => {
  if (existsSync(path)) {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
    return
  }
  if (!mayMake) throw new FileGone(whenGone)
  // Made by root at the console, it belongs to whoever the folder belongs to, as the daemon that is to open it may.
  const folder = dirname(resolve(path))
  makeStoreDirectory(folder)
  closeSync(openSync(path, "ax", 0o600))
  const { gid, uid } = statSync(folder)
  if (process.geteuid?.() === 0 && uid !== 0) chownSync(path, uid, gid)
}

const isInPlace = (path: string, { file }: Connection<unknown>): boolean => {
  if (file === undefined) return true
  const now = statSync(path, { throwIfNoEntry: false })
  return now?.ino === file.ino && now.dev === file.dev
}

const identityOf = (path: string): FileIdentity => {
  const { dev, ino } = statSync(path)
  return { dev, ino }
}

/**
 * What a failed fsync dropped of SQLite's log file is still shown by the kernel, until the power fails: what an earlier
 * connection left there goes into the file before the first write of this one, as far as no other process reads it now.
 */
const settle = (held: Held<unknown>): void => {
  if (held.settled) return
  try {
    held.db.exec("PRAGMA wal_checkpoint(PASSIVE)")
  } catch (error) {
    // Without room nothing can be written behind it either.
    if (faultOf(error).kind !== "full") throw error
  }
  held.settled = true
}
