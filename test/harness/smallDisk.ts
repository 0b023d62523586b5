/**
 * A disk of a few hundred kilobytes (tmpfs), to be filled and emptied, and a folder that is read-only to everybody, root
 * included (a bind mount). Mounting takes root, or a namespace where one is root: without it a test fails and says so,
 * for a fault that is not tested is not survived.
 */
import { execFile } from "node:child_process"
import { type FileHandle, open, rm } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const run = (command: string, ...args: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.promise(async () => {
    try {
      await promisify(execFile)(command, args)
    } catch (cause) {
      const how = "this test mounts a file system: run it as root, or under `unshare -rm`"
      throw new Error(`${command} ${args.join(" ")} failed; ${how}`, { cause })
    }
  })

/** Lazily: a daemon that is just being killed may hold a file for a moment. */
const unmount = (place: string) => run("umount", "--lazy", place)

export interface SmallDisk {
  /** Takes all the room there is, but for this many KiB. */
  readonly fill: (leave?: number) => Effect.Effect<void>
  /** Gives back what `fill` took. */
  readonly free: Effect.Effect<void>
}

/** Mounts a disk of this many KiB on the folder, until the scope closes. */
export const smallDisk = (folder: string, kibibytes: number): Effect.Effect<SmallDisk, never, Scope.Scope> =>
  Effect.as(
    Effect.acquireRelease(
      run("mount", "-t", "tmpfs", "-o", `size=${kibibytes}k,mode=0755`, "systemapi-test", folder),
      () => unmount(folder)
    ),
    {
      fill: (leave = 0) => Effect.promise(() => fill(join(folder, "ballast"), leave * 1024)),
      free: Effect.promise(() => rm(join(folder, "ballast")))
    }
  )

const fill = async (path: string, leave: number): Promise<void> => {
  const file = await open(path, "a")
  try {
    // Large pieces first: what is left at the end is less than one page.
    for (let piece = Buffer.alloc(1024 * 1024, 1); piece.length >= 4096;) {
      if ((await writeSome(file, piece)) < piece.length) piece = piece.subarray(0, piece.length / 4)
    }
    await file.truncate((await file.stat()).size - leave)
  } finally {
    await file.close()
  }
}

const writeSome = async (file: FileHandle, piece: Uint8Array): Promise<number> => {
  try {
    return (await file.write(piece)).bytesWritten
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOSPC") return 0
    throw cause
  }
}

/** Makes the folder, with what it holds by then, read-only until the scope closes. */
export const readOnly = (folder: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.andThen(
    Effect.acquireRelease(run("mount", "--bind", folder, folder), () => unmount(folder)),
    run("mount", "-o", "remount,bind,ro", folder)
  )
