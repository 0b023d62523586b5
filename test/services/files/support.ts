/** Real folders and bodies for tests of what touches the disk. */
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Disk, DiskError, type OpenFile } from "../../../src/services/files/Disk.ts"

export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "systemapi-test-"))),
  (folder) => Effect.promise(() => fs.rm(folder, { recursive: true, force: true }))
)

export const text = (path: string) => Effect.promise(() => fs.readFile(path, "utf8"))
export const put = (path: string, content: string | Uint8Array, mode = 0o644) =>
  Effect.promise(async () => {
    await fs.writeFile(path, content)
    await fs.chmod(path, mode)
  })
export const modeOf = (path: string) => Effect.promise(async () => (await fs.stat(path)).mode & 0o7777)
export const names = (folder: string) => Effect.promise(async () => (await fs.readdir(folder)).sort())

/** Every process-wide umask is put back with the scope. */
export const umask = (mask: number) =>
  Effect.acquireRelease(
    Effect.sync(() => process.umask(mask)),
    (before) => Effect.sync(() => process.umask(before))
  )

/** The real disk with some operations replaced. */
export const diskWith = (replace: (real: Disk["Service"]) => Partial<Disk["Service"]>) =>
  Layer.effect(
    Disk,
    Effect.map(Disk, (real) => Disk.of({ ...real, ...replace(real) }))
  ).pipe(Layer.provide(Disk.layer))

/** The real disk, whose new files fail as told. */
export const diskWhoseFiles = (replace: (path: string, real: OpenFile) => Partial<OpenFile>) =>
  diskWith((real) => ({
    create: (path) => Effect.map(real.create(path), (file) => ({ ...file, ...replace(path, file) }))
  }))

export const diskFull = (path: string) =>
  new DiskError({ operation: "write", path, code: "ENOSPC", reason: "no space left on device" })
