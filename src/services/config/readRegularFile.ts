/**
 * A small file as a whole. Opening never hangs on a FIFO; what is no regular file, or larger than allowed, is refused in
 * words that follow the file's name.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { errnoText, hasErrno } from "../errno.ts"

/** `reason` goes on where the path ends: `does not exist`. */
export class UnreadableFile extends Schema.TaggedError<UnreadableFile>()("UnreadableFile", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} ${this.reason}`
  }
}

export interface RegularFile {
  readonly bytes: Buffer
  readonly mode: number
}

/** More than most configurations have. */
const chunkBytes = 16_384

class Refused extends Error {}

export const readRegularFile = (path: string, bytesMax: number): Effect.Effect<RegularFile, UnreadableFile> =>
  Effect.tryPromise({
    try: () => readBounded(path, bytesMax),
    catch: (cause) => new UnreadableFile({ path, reason: reasonOf(cause) })
  })

const readBounded = async (path: string, bytesMax: number): Promise<RegularFile> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new Refused(stat.isDirectory() ? "is a directory, not a file" : "is not a regular file")
    // To its end, wherever that is: the size of stat may be outdated by now.
    const chunks: Array<Uint8Array> = []
    for (let length = 0; length <= bytesMax;) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(chunkBytes, bytesMax + 1)))
      if (bytesRead === 0) return { bytes: Buffer.concat(chunks), mode: stat.mode }
      chunks.push(buffer.subarray(0, bytesRead))
      length += bytesRead
    }
    throw new Refused(`is larger than ${bytesMax} bytes`)
  } finally {
    await file.close()
  }
}

const reasonOf = (cause: unknown): string => {
  if (cause instanceof Refused) return cause.message
  if (hasErrno(cause, "ENOENT")) return "does not exist"
  if (hasErrno(cause, "EACCES") || hasErrno(cause, "EPERM")) return "may not be read by this user"
  return `cannot be read: ${errnoText(cause)}`
}
