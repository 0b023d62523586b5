/**
 * The regular file that was in the place of a FIFO, renamed aside until its lines are in the log: `.NAME.ingest` beside
 * the FIFO. It is removed only after that, so a daemon that dies in between finds it at its next start; its lines are
 * then recorded again rather than lost.
 *
 * Whoever may write in the folder could plant something under that name, so links are not followed and only a regular
 * file is read. A writer that keeps the file open for longer than its ingestion writes into a file without a name: what
 * it writes then is lost, and nothing can be done about it. Bound: one buffer of 64 KiB.
 */
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { hasErrno } from "../errno.ts"
import { attempt, FifoUnusable } from "./FifoUnusable.ts"

export interface AsideFile {
  /** The next bytes, valid until the next call; none at the (present) end of the file. */
  readonly read: Effect.Effect<Buffer, FifoUnusable>
  readonly remove: Effect.Effect<void, FifoUnusable>
}

const bufferBytes = 64 * 1024

export const asidePathOf = (path: string): string => join(dirname(path), `.${basename(path)}.ingest`)

/** The file put aside for this FIFO, if there is one. */
export const openAside = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<AsideFile | undefined, FifoUnusable, Scope.Scope> {
  const aside = asidePathOf(path)
  const handle = yield* Effect.acquireRelease(
    attempt(path, `open ${aside}`, () => openIfThere(aside)),
    (opened) => Effect.promise(() => opened?.close().catch(() => {}) ?? Promise.resolve())
  )
  if (handle === undefined) return undefined
  if (!(yield* attempt(path, `look at ${aside}`, () => handle.stat())).isFile())
    return yield* new FifoUnusable({ path, reason: `${aside} is not a regular file` })
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  let position = 0
  return {
    read: attempt(path, `read ${aside}`, async () => {
      const { bytesRead } = await handle.read(buffer, 0, bufferBytes, position)
      position += bytesRead
      return buffer.subarray(0, bytesRead)
    }),
    remove: attempt(path, `remove ${aside}`, () => fs.unlink(aside))
  }
})

/** O_NONBLOCK: a FIFO under that name would hold a thread of the pool until somebody writes into it. */
const openIfThere = async (path: string): Promise<fs.FileHandle | undefined> => {
  try {
    return await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch (cause) {
    if (hasErrno(cause, "ENOENT")) return undefined
    throw cause
  }
}
