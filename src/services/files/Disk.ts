/**
 * The few file operations the daemon's own files need (uploads, the secret, certificates), as a service, so that a
 * test can make any of them fail. The adapter is node:fs/promises: nothing blocks the event loop.
 *
 * An operation that has begun is always waited for, even when its fiber is interrupted: the kernel cannot take it
 * back, and a finalizer must not run beside it. Bounds: `readFile` and `names` take theirs from the caller.
 * Every failure is a `DiskError` that names operation, path and reason. Never: sync fs, following a link at the place
 * of a new file.
 */
import type { BigIntStats } from "node:fs"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { errnoCode, errnoText } from "../errno.ts"
import { openFifo } from "./FifoWriter.ts"

export class DiskError extends Schema.TaggedError<DiskError>()("DiskError", {
  operation: Schema.String,
  path: Schema.String,
  /** As in errno(3): `ENOSPC`, `EACCES`. */
  code: Schema.String,
  /** The code in words: `no space left on device`. */
  reason: Schema.String
}) {
  override get message() {
    return `${this.operation} ${this.path}: ${this.reason}`
  }
}

export type EntryKind = "file" | "folder" | "symlink" | "fifo" | "character device" | "block device" | "socket"

export interface Entry {
  readonly kind: EntryKind
  /** Permission bits only. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly modifiedMs: number
  /** Differs whenever the file was replaced or written to; says nothing else. */
  readonly stamp: string
}

/** A file open for writing; closed with the scope it was opened in. */
export interface OpenFile {
  /** Writes all of the bytes. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, DiskError>
  readonly chown: (uid: number, gid: number) => Effect.Effect<void, DiskError>
  readonly chmod: (mode: number) => Effect.Effect<void, DiskError>
  /** Returns once the bytes are on the medium. */
  readonly sync: Effect.Effect<void, DiskError>
}

export class Disk extends Context.Service<
  Disk,
  {
    /** Makes a file that only the daemon's user may read or write; fails when anything has that name already. */
    readonly create: (path: string) => Effect.Effect<OpenFile, DiskError, Scope.Scope>
    /** Opens a character device as it is: neither created nor truncated. */
    readonly openDevice: (path: string) => Effect.Effect<Pick<OpenFile, "write">, DiskError, Scope.Scope>
    /** Opens a FIFO that somebody reads; fails at once when nobody does. A write waits for the reader to read. */
    readonly openFifo: (path: string) => Effect.Effect<Pick<OpenFile, "write">, DiskError, Scope.Scope>
    /** The content of a regular file of at most `maxBytes`. */
    readonly readFile: (path: string, maxBytes: number) => Effect.Effect<Uint8Array, DiskError>
    /** What is at the end of all links; `undefined` when nothing is. */
    readonly stat: (path: string) => Effect.Effect<Entry | undefined, DiskError>
    /** What is at the path itself; `undefined` when nothing is. */
    readonly lstat: (path: string) => Effect.Effect<Entry | undefined, DiskError>
    readonly readLink: (path: string) => Effect.Effect<string, DiskError>
    readonly rename: (from: string, to: string) => Effect.Effect<void, DiskError>
    readonly remove: (path: string) => Effect.Effect<void, DiskError>
    /** Up to `max` names in the folder that match. */
    readonly names: (folder: string, match: RegExp, max: number) => Effect.Effect<ReadonlyArray<string>, DiskError>
    /** Returns once names added to and taken from the folder are on the medium. */
    readonly syncFolder: (folder: string) => Effect.Effect<void, DiskError>
  }
>()("systemapi/services/files/Disk") {
  static readonly layer = Layer.sync(Disk, () =>
    Disk.of({
      create: (path) =>
        open("create", path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW),
      // Without O_NOCTTY a daemon without a terminal that opens one would be killed by its hang-up.
      openDevice: (path) => open("open", path, constants.O_WRONLY | constants.O_NOCTTY),
      openFifo: (path) => openFifo(path, (operation, cause) => diskError(operation, path, cause)),
      readFile,
      stat: (path) => inspect("stat", path, () => fs.stat(path, { bigint: true })),
      lstat: (path) => inspect("stat", path, () => fs.lstat(path, { bigint: true })),
      readLink: (path) => run("readlink", path, () => fs.readlink(path)),
      rename: (from, to) => run("rename", to, () => fs.rename(from, to)),
      remove: (path) => run("remove", path, () => fs.unlink(path)),
      names: (folder, match, max) => run("list", folder, () => matchingNames(folder, match, max)),
      syncFolder: (folder) => run("sync", folder, () => syncFolder(folder))
    })
  )
}

const diskError = (operation: string, path: string, cause: unknown): DiskError =>
  new DiskError({ operation, path, code: errnoCode(cause) ?? "UNKNOWN", reason: errnoText(cause) })

const run = <A>(operation: string, path: string, work: () => Promise<A>): Effect.Effect<A, DiskError> =>
  Effect.uninterruptible(Effect.tryPromise({ try: work, catch: (cause) => diskError(operation, path, cause) }))

/** New files start closed to everybody else; who may read them is decided when they are complete. */
const newFileMode = 0o600

const open = (operation: string, path: string, flags: number): Effect.Effect<OpenFile, DiskError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      run(operation, path, () => fs.open(path, flags, newFileMode)),
      // What close could still report was reported by sync; devices have nothing to report.
      (handle) => Effect.ignore(run("close", path, () => handle.close()))
    ),
    (handle) => ({
      write: (bytes) => run("write", path, () => writeAll(handle, bytes)),
      chown: (uid, gid) => run("chown", path, () => handle.chown(uid, gid)),
      chmod: (mode) => run("chmod", path, () => handle.chmod(mode)),
      sync: run("sync", path, () => handle.sync())
    })
  )

const writeAll = async (handle: fs.FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let offset = 0; offset < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.length - offset)
    offset += bytesWritten
  }
}

const readFile = Effect.fnUntraced(function* (path: string, maxBytes: number) {
  const content = yield* Effect.acquireUseRelease(
    // O_NONBLOCK: a FIFO in the place of the file must not hold one of the few threads of the pool for ever.
    run("open", path, () => fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK)),
    (handle) => run("read", path, () => readUpTo(handle, maxBytes + 1)),
    (handle) => Effect.ignore(run("close", path, () => handle.close()))
  )
  const unfit = (code: string, reason: string) => new DiskError({ operation: "read", path, code, reason })
  if (content === undefined) return yield* unfit("EINVAL", "is not a regular file")
  if (content.length > maxBytes) return yield* unfit("EFBIG", `is larger than ${maxBytes} bytes`)
  return content
})

/** Nothing for what is not a regular file. */
const readUpTo = async (handle: fs.FileHandle, bytes: number): Promise<Uint8Array | undefined> => {
  const stats = await handle.stat()
  if (!stats.isFile()) return undefined
  const buffer = Buffer.alloc(bytes)
  let length = 0
  while (length < bytes) {
    const { bytesRead } = await handle.read(buffer, length, bytes - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

const isMissing = (error: DiskError): boolean => error.code === "ENOENT"

const inspect = (operation: string, path: string, work: () => Promise<BigIntStats>) =>
  run(operation, path, work).pipe(
    Effect.map((stats): Entry | undefined => entryOf(stats)),
    Effect.catchIf(isMissing, () => Effect.undefined)
  )

const entryOf = (stats: BigIntStats): Entry => ({
  kind: kindOf(stats),
  mode: Number(stats.mode) & 0o7777,
  uid: Number(stats.uid),
  gid: Number(stats.gid),
  modifiedMs: Number(stats.mtimeMs),
  stamp: [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(":")
})

const kindOf = (stats: BigIntStats): EntryKind => {
  if (stats.isFile()) return "file"
  if (stats.isDirectory()) return "folder"
  if (stats.isSymbolicLink()) return "symlink"
  if (stats.isFIFO()) return "fifo"
  if (stats.isSocket()) return "socket"
  return stats.isCharacterDevice() ? "character device" : "block device"
}

const matchingNames = async (folder: string, match: RegExp, max: number): Promise<ReadonlyArray<string>> => {
  const names: Array<string> = []
  for await (const entry of await fs.opendir(folder)) {
    if (match.test(entry.name) && names.push(entry.name) >= max) break
  }
  return names
}

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await fs.open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } catch (cause) {
    // Some filesystems (FUSE, 9p) refuse to sync folders; there is no other way to ask them.
    if (!(cause instanceof Error && "code" in cause && (cause.code === "EINVAL" || cause.code === "ENOTSUP")))
      throw cause
  } finally {
    await handle.close()
  }
}
