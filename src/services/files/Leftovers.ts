/**
 * Removes the temporary files that a killed daemon left beside the files it was writing. Run once at start.
 *
 * Only regular files whose name is exactly of our making and which were last written before this process began: a
 * write in hand is never touched. Bounds: `removedMax` per folder. A folder that cannot be read is logged and passed
 * over; nothing here keeps the daemon from starting.
 */
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import { temporaryNamePattern } from "./AtomicFile.ts"
import { Disk } from "./Disk.ts"
import { resolveTarget } from "./WriteTarget.ts"

/** One file per write that was in hand at a kill; the next start goes on where this one stopped. */
const removedMax = 1000

/** When this process began, as UNIX time in milliseconds. */
const processStartedMs = performance.timeOrigin

/** Cleans the folders of these files; the number of files removed. */
export const cleanLeftovers = Effect.fn("cleanLeftovers")(function* (
  paths: ReadonlyArray<string>
): Effect.fn.Return<number, never, Disk> {
  const folders = new Set<string>()
  for (const path of paths) {
    const target = yield* Effect.option(resolveTarget(path))
    if (target._tag === "Some" && target.value.kind === "file") folders.add(dirname(target.value.path))
  }
  let removed = 0
  for (const folder of folders) {
    removed += yield* cleanFolder(folder).pipe(
      Effect.catchTag("DiskError", (error) =>
        error.code === "ENOENT"
          ? Effect.succeed(0)
          : Effect.as(Effect.logWarning(`left-over upload files not cleaned: ${error.message}`), 0)
      )
    )
  }
  return removed
})

const cleanFolder = Effect.fnUntraced(function* (folder: string) {
  const disk = yield* Disk
  let removed = 0
  for (const name of yield* disk.names(folder, temporaryNamePattern, removedMax)) {
    const path = `${folder}/${name}`
    const entry = yield* disk.lstat(path)
    if (entry?.kind !== "file" || entry.modifiedMs >= processStartedMs) continue
    yield* disk.remove(path)
    removed += 1
    yield* Effect.logInfo(`removed ${path}: left by a daemon that was killed while it wrote`)
  }
  return removed
})
