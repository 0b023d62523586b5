/** What a failure of SQLite means for us, by its result code (https://sqlite.org/rescode.html). */
import { errnoCode } from "../errno.ts"
import { ForeignStore } from "./databaseFile.ts"
import { StoreRemoved } from "./openStore.ts"
import type { StorageFaultKind } from "./protocol.ts"

export interface StorageFault {
  readonly kind: StorageFaultKind
  readonly reason: string
}

/** Of making a file, which SQLite has no part in. */
const noRoom: ReadonlySet<string | undefined> = new Set(["ENOSPC", "EDQUOT", "EROFS"])

const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26
const SQLITE_IOERR_WRITE = 778
const SQLITE_IOERR_FSYNC = 1034
const SQLITE_IOERR_TRUNCATE = 1546

export const faultOf = (error: unknown): StorageFault => {
  const reason = error instanceof Error ? error.message : String(error)
  if (error instanceof ForeignStore) return { kind: "corrupt", reason }
  if (error instanceof StoreRemoved) return { kind: "full", reason }
  if (noRoom.has(errnoCode(error))) return { kind: "full", reason }
  const code = resultCode(error)
  if (code === SQLITE_IOERR_WRITE || code === SQLITE_IOERR_TRUNCATE)
    return { kind: "full", reason: "the disk refuses writes" }
  // After a failed fsync the kernel may have dropped the dirty pages: only a reopened store tells what is really there.
  if (code === SQLITE_IOERR_FSYNC) return { kind: "lost", reason: "fsync failed" }
  switch (code & 0xff) {
    case SQLITE_BUSY:
      return { kind: "busy", reason }
    case SQLITE_FULL:
      return { kind: "full", reason: "no space left on device" }
    case SQLITE_READONLY:
      return { kind: "full", reason: "the store is read-only" }
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return { kind: "corrupt", reason }
    case SQLITE_IOERR:
      return { kind: "lost", reason }
    default:
      return { kind: "failed", reason }
  }
}

const resultCode = (error: unknown): number =>
  typeof error === "object" && error !== null && "errcode" in error ? Number(error.errcode) : 0
