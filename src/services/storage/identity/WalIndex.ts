/**
 * The WAL index: the file beside a SQLite database (`-shm`) whose first 48 bytes change with every commit of any process
 * (https://sqlite.org/walformat.html, "The WAL-Index Header"). Comparing them with those of before tells, at the price of
 * one read from the page cache, whether a database is what it was.
 *
 * Never: close the file while this process has the database open. POSIX locks belong to the process and not to the
 * descriptor, so closing any descriptor of the file gives up the locks that SQLite holds on it.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs"

const headerBytes = 48

export const indexPath = (path: string): string => `${path}-shm`

/** The header; undefined where it cannot be read. */
export const readIndex = (descriptor: number): Uint8Array | undefined => {
  const header = new Uint8Array(headerBytes)
  try {
    return readSync(descriptor, header, 0, headerBytes, 0) === headerBytes ? header : undefined
  } catch {
    return undefined
  }
}

export class WalIndex {
  readonly descriptor: number
  private readonly path: string
  private readonly bytes = new Uint8Array(headerBytes)
  private readonly words = new Int32Array(this.bytes.buffer)

  /** Throws where there is none. */
  constructor(database: string) {
    this.path = indexPath(database)
    this.descriptor = openSync(this.path, "r")
  }

  /** Whether the header is this one still. */
  is(header: Int32Array): boolean {
    try {
      if (readSync(this.descriptor, this.bytes, 0, headerBytes, 0) !== headerBytes) return false
    } catch {
      return false
    }
    for (let i = 0; i < header.length; i++) if (this.words[i] !== header[i]) return false
    return true
  }

  /** Whether the file at its path is this one still. */
  isInPlace(): boolean {
    const there = statSync(this.path, { throwIfNoEntry: false })
    const own = fstatSync(this.descriptor)
    return there?.ino === own.ino && there.dev === own.dev
  }

  /** Once this process has closed the database. */
  close(): void {
    closeSync(this.descriptor)
  }
}
