/**
 * Decides what a path to be written leads to. A regular file, or nothing yet, is replaced at the end of its links, so
 * that a link stays a link; a FIFO or a character device is written in place, for it has no content to replace.
 *
 * Bounds: as many links in a row as the kernel follows. Fails on what cannot be written as a file: folders, sockets,
 * block devices.
 */
import { dirname, isAbsolute } from "node:path"
import * as Effect from "effect/Effect"
import { Disk, DiskError, type Entry, type EntryKind } from "./Disk.ts"

export type WriteTarget =
  | {
      readonly kind: "file"
      /** Free of links in its last part. */
      readonly path: string
      readonly existing: Entry | undefined
    }
  | { readonly kind: "fifo" | "character device"; readonly path: string }

/** MAXSYMLINKS of Linux. */
const linksMax = 40

export const resolveTarget = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<WriteTarget, DiskError, Disk> {
  const disk = yield* Disk
  // Asked first because links under /proc/self/fd (/dev/stdout) name pipes that no path leads to.
  const atEnd = yield* disk.stat(path)
  if (atEnd?.kind === "fifo" || atEnd?.kind === "character device") return { kind: atEnd.kind, path }

  let current = path
  for (let links = 0; links <= linksMax; links++) {
    const entry = yield* disk.lstat(current)
    if (entry === undefined || entry.kind === "file") return { kind: "file", path: current, existing: entry }
    if (entry.kind !== "symlink") return yield* refused(path, entry.kind)
    const link = yield* disk.readLink(current)
    // Not normalised: "a/../b" is the kernel's to resolve, for "a" may itself be a link.
    current = isAbsolute(link) ? link : `${dirname(current)}/${link}`
  }
  return yield* new DiskError({ operation: "open", path, code: "ELOOP", reason: "too many symbolic links" })
})

const refused = (path: string, kind: EntryKind) =>
  new DiskError({
    operation: "open",
    path,
    code: kind === "folder" ? "EISDIR" : "ENXIO",
    reason: kind === "folder" ? "is a folder, not a file" : `is a ${kind}, not a file`
  })
