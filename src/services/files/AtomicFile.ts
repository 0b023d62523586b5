/**
 * The one way this daemon writes a file that must be whole: a temporary file in the same folder, synced, given its
 * owner and mode, renamed over the old one, and the folder synced. Whoever reads sees the old content or all of the
 * new; a failure or an interruption before the rename leaves the old file as it was and removes the temporary one.
 *
 * Needs the right to write in the folder. Hard links to the old file keep the old content, and its extended
 * attributes are not carried over. What a killed daemon left is removed by Leftovers.ts.
 */
import { randomBytes } from "node:crypto"
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import { Disk, DiskError, type OpenFile } from "./Disk.ts"
import { resolveTarget } from "./WriteTarget.ts"

/** Hidden, ours by name, and not to be guessed by whoever else may write in the folder. */
const temporaryName = (): string => `.systemapi-${randomBytes(16).toString("hex")}.tmp`

export const temporaryNamePattern = /^\.systemapi-[0-9a-f]{32}\.tmp$/u

export interface Replacement {
  /** The file itself, links resolved. */
  readonly path: string
  /** Set whatever the umask. */
  readonly mode: number
  /** -1 leaves the user or the group as the kernel chose it. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

/** Replaces the file by what `fill` writes, if `fill` succeeds. */
export const replaceFile = <A, E, R>(
  { path, mode, owner }: Replacement,
  fill: (file: Pick<OpenFile, "write">) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | DiskError, R | Disk> =>
  Effect.scoped(
    Effect.gen(function* () {
      const disk = yield* Disk
      const folder = dirname(path)
      const temporary = `${folder}/${temporaryName()}`
      let renamed = false

      const file = yield* Effect.acquireRelease(naming(path, disk.create(temporary)), () =>
        renamed ? Effect.void : Effect.ignore(disk.remove(temporary))
      )
      const result = yield* fill({ write: (bytes) => naming(path, file.write(bytes)) })
      // The owner first: changing it clears the set-user-id bits of the mode.
      if (owner !== undefined) yield* naming(path, file.chown(owner.uid, owner.gid))
      yield* naming(path, file.chmod(mode))
      yield* naming(path, file.sync)
      yield* Effect.uninterruptible(
        Effect.gen(function* () {
          yield* disk.rename(temporary, path)
          renamed = true
          yield* naming(path, disk.syncFolder(folder))
        })
      )
      return result
    })
  )

/** Writes a whole small file, for secrets and certificates. */
export const atomicWriteFile = Effect.fnUntraced(function* (
  path: string,
  bytes: Uint8Array,
  mode: number
): Effect.fn.Return<void, DiskError, Disk> {
  const target = yield* resolveTarget(path)
  if (target.kind !== "file") {
    const reason = `is a ${target.kind}, not a file`
    return yield* new DiskError({ operation: "open", path, code: "EINVAL", reason })
  }
  yield* replaceFile({ path: target.path, mode }, (file) => file.write(bytes))
})

/** The name of the temporary file means nothing to anybody: errors name the file that was to be written. */
const naming = <A, R>(path: string, effect: Effect.Effect<A, DiskError, R>): Effect.Effect<A, DiskError, R> =>
  Effect.mapError(effect, ({ operation, code, reason }) => new DiskError({ operation, path, code, reason }))
