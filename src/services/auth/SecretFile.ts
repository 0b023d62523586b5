/**
 * The file of the stored secret: 0600, written whole or not at all, made empty when it is missing at start.
 *
 * Bounds: `storedBytesMax` are read. A file that is no stored secret fails with the shape of what was found, never with
 * its content; one that others may read is used and warned about.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { atomicWriteFile } from "../files/AtomicFile.ts"
import { Disk, type DiskError } from "../files/Disk.ts"
import { allowedForms, encodeStored, parseStored, storedBytesMax, type StoredSecret } from "./SecretFormat.ts"

export class SecretFileUnusable extends Schema.TaggedError<SecretFileUnusable>()("SecretFileUnusable", {
  path: Schema.String,
  found: Schema.String
}) {
  override get message() {
    return `basic auth secret file ${this.path}: found ${this.found}; allowed: ${allowedForms}`
  }
}

const secretMode = 0o600
const readableByOthers = 0o077

export const writeSecret = (path: string, stored: StoredSecret): Effect.Effect<void, DiskError, Disk> =>
  atomicWriteFile(path, Buffer.from(encodeStored(stored)), secretMode)

export const readSecret = Effect.fnUntraced(
  function* (path: string, whenMissing: "create" | "fail") {
    const disk = yield* Disk
    const entry = yield* disk.stat(path)
    if (entry === undefined) {
      if (whenMissing === "fail") return yield* new SecretFileUnusable({ path, found: "no file" })
      const none: StoredSecret = { _tag: "none" }
      yield* writeSecret(path, none)
      return none
    }
    if ((entry.mode & readableByOthers) !== 0) {
      const mode = entry.mode.toString(8).padStart(4, "0")
      yield* Effect.logWarning(`basic auth secret file ${path} is open to other users (mode ${mode}; 0600 is enough)`)
    }
    const parsed = parseStored(yield* disk.readFile(path, storedBytesMax))
    if (Result.isFailure(parsed)) return yield* new SecretFileUnusable({ path, found: parsed.failure })
    return parsed.success
  },
  (effect, path): Effect.Effect<StoredSecret, SecretFileUnusable, Disk> =>
    Effect.catchTag(effect, "DiskError", ({ operation, reason }) =>
      Effect.fail(new SecretFileUnusable({ path, found: `what ${operation} refuses (${reason})` }))
    )
)
