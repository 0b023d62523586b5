/**
 * How the host's files are looked at: what is not there or may not be read is undefined, and no read is longer than its
 * bound. A service of its own shape, so that a test is another machine.
 *
 * Never: sync fs, a FIFO that is waited for.
 */
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as Effect from "effect/Effect"

/** Of a file system, as statfs(2) has it. */
export interface Space {
  readonly blockSize: number
  readonly blocks: number
  readonly free: number
  /** To those who are not root. */
  readonly available: number
  readonly inodes: number
  readonly inodesFree: number
}

export interface HostFiles {
  /** The first bytes of a file, as UTF-8. */
  readonly text: (path: string, maxBytes?: number) => Effect.Effect<string | undefined>
  /** Up to `max` names in a folder; none where it cannot be read. */
  readonly names: (folder: string, max: number) => Effect.Effect<ReadonlyArray<string>>
  readonly exists: (path: string) => Effect.Effect<boolean>
  /** Undefined: it cannot be told. May take for ever. */
  readonly space: (path: string) => Effect.Effect<Space | undefined>
}

/** Most of what the kernel writes fits into a page. */
const textBytesMax = 64 * 1024

const orElse = <A>(work: () => Promise<A>, otherwise: A): Effect.Effect<A> =>
  Effect.promise(() => work().catch(() => otherwise))

export const hostFiles: HostFiles = {
  text: (path, maxBytes = textBytesMax) => orElse(() => readStart(path, maxBytes), undefined),
  names: (folder, max) => orElse(() => firstNames(folder, max), []),
  exists: (path) =>
    orElse(async () => {
      await fs.access(path)
      return true
    }, false),
  space: (path) =>
    orElse(async () => {
      const { bavail, bfree, blocks, bsize, ffree, files } = await fs.statfs(path)
      return { blockSize: bsize, blocks, free: bfree, available: bavail, inodes: files, inodesFree: ffree }
    }, undefined)
}

const readStart = async (path: string, maxBytes: number): Promise<string> => {
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const buffer = Buffer.allocUnsafe(maxBytes)
    let length = 0
    while (length < maxBytes) {
      const { bytesRead } = await handle.read(buffer, length, maxBytes - length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return buffer.toString("utf8", 0, length)
  } finally {
    await handle.close()
  }
}

const firstNames = async (folder: string, max: number): Promise<ReadonlyArray<string>> => {
  const names: Array<string> = []
  for await (const { name } of await fs.opendir(folder)) {
    if (names.push(name) >= max) break
  }
  return names
}
