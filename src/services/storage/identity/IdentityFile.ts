/**
 * The identity file as this process has it open: opened at the first request, and opened anew when its connection can no
 * longer be trusted (a failed fsync) or another file has taken its place. Runs where IdentityTables does; no Effect here.
 *
 * Fails as SQLite does (sqliteFault); what failed to open is tried again with the next request, so that a disk that gets
 * room, or a lock that is given up, needs no restart. A file that was there and is gone is never made anew: nobody is to
 * find an empty list of users where there was a full one.
 */
import { statSync } from "node:fs"
import type { DatabaseSync } from "node:sqlite"
import { faultOf } from "../sqliteFault.ts"
import type { FileIdentity, IdentityAnswer, IdentityRequest } from "./commands.ts"
import { IdentityTables } from "./IdentityTables.ts"
import { inMemory, openIdentities } from "./openIdentities.ts"
import { readIndex } from "./WalIndex.ts"

interface Connection {
  readonly db: DatabaseSync
  readonly tables: IdentityTables
  readonly number: number
  readonly file: FileIdentity | undefined
  readonly alone: boolean
  settled: boolean
}

export class IdentityFile {
  private readonly path: string
  private connection: Connection | undefined
  private connections = 0
  private trusted = true

  constructor(path: string) {
    this.path = path
  }

  perform(request: IdentityRequest): IdentityAnswer {
    try {
      const connection = this.connected()
      if (request.command.tag !== "refresh" && request.command.tag !== "notes") settle(connection)
      const value = connection.tables.perform(request)
      // Read before the changes are: they are no older than it says.
      const { alone, file, number } = connection
      const { known } = request
      const header = known.index < 0 ? undefined : readIndex(known.index)
      const changes = connection.tables.since(known.connection === number ? known.generation : undefined)
      return { value, update: { changes, connection: number, file: alone ? undefined : file, index: header } }
    } catch (error) {
      if (faultOf(error).kind === "lost") this.trusted = false
      throw error
    }
  }

  close(): void {
    this.connection?.db.close()
    this.connection = undefined
  }

  private connected(): Connection {
    const { connection } = this
    if (connection !== undefined && this.trusted && this.isInPlace(connection)) return connection
    this.close()
    this.trusted = true
    const { alone, db } = openIdentities(this.path, this.connections === 0)
    try {
      const file = this.path === inMemory ? undefined : identityOf(this.path)
      const tables = new IdentityTables(db)
      this.connections += 1
      this.connection = { db, tables, number: this.connections, file, alone, settled: false }
      return this.connection
    } catch (error) {
      db.close()
      throw error
    }
  }

  private isInPlace({ file }: Connection): boolean {
    if (file === undefined) return true
    const now = statSync(this.path, { throwIfNoEntry: false })
    return now?.ino === file.ino && now.dev === file.dev
  }
}

const identityOf = (path: string): FileIdentity => {
  const { dev, ino } = statSync(path)
  return { dev, ino }
}

/**
 * What a failed fsync dropped of SQLite's log file is still shown by the kernel, until the power fails: what an earlier
 * connection left there goes into the file before the first write of this one, as far as no other process reads it now.
 */
const settle = (connection: Connection): void => {
  if (connection.settled) return
  try {
    connection.db.exec("PRAGMA wal_checkpoint(PASSIVE)")
  } catch (error) {
    // Without room nothing can be written behind it either.
    if (faultOf(error).kind !== "full") throw error
  }
  connection.settled = true
}
