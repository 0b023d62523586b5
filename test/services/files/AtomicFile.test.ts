import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { atomicWriteFile } from "../../../src/services/files/AtomicFile.ts"
import { Disk } from "../../../src/services/files/Disk.ts"
import { cleanLeftovers } from "../../../src/services/files/Leftovers.ts"
import { diskFull, diskWhoseFiles, diskWith, modeOf, names, put, temporaryFolder, text, umask } from "./support.ts"

const utf8 = (value: string) => new TextEncoder().encode(value)

describe("atomicWriteFile", () => {
  it.live("gives the file the mode asked for, whatever it had and whatever the umask", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* umask(0o077)
      yield* put(`${folder}/secret`, "old", 0o666)
      yield* atomicWriteFile(`${folder}/secret`, utf8("new"), 0o600)
      yield* atomicWriteFile(`${folder}/certificate`, utf8("public"), 0o644)
      assert.strictEqual(yield* text(`${folder}/secret`), "new")
      assert.strictEqual(yield* modeOf(`${folder}/secret`), 0o600)
      assert.strictEqual(yield* modeOf(`${folder}/certificate`), 0o644)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("is readable by nobody else at any time before it is complete", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* umask(0o000)
      const seen: Array<number> = []
      const watching = diskWhoseFiles((temporary, real) => ({
        write: (bytes) =>
          Effect.andThen(
            real.write(bytes),
            Effect.map(modeOf(temporary), (mode) => void seen.push(mode))
          )
      }))
      yield* Effect.provide(atomicWriteFile(`${folder}/secret`, utf8("new"), 0o600), watching)
      assert.deepStrictEqual(seen, [0o600])
    })
  )

  it.live("syncs the file before the rename and the folder after it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const steps: Array<string> = []
      const step = (name: string) => Effect.sync(() => void steps.push(name))
      const noting = diskWith((real) => ({
        create: (path) =>
          Effect.map(real.create(path), (file) => ({ ...file, sync: Effect.andThen(step("sync"), file.sync) })),
        rename: (from, to) => Effect.andThen(step("rename"), real.rename(from, to)),
        syncFolder: (path) => Effect.andThen(step("sync folder"), real.syncFolder(path))
      }))
      yield* Effect.provide(atomicWriteFile(`${folder}/f`, utf8("x"), 0o600), noting)
      assert.deepStrictEqual(steps, ["sync", "rename", "sync folder"])
    })
  )

  it.live("finishes the rename and the sync of the folder when interrupted between them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const renaming = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      let synced = false
      const slow = diskWith((real) => ({
        rename: (from, to) =>
          Effect.andThen(Deferred.succeed(renaming, undefined), Deferred.await(goOn)).pipe(
            Effect.andThen(real.rename(from, to))
          ),
        syncFolder: (path) =>
          Effect.andThen(
            real.syncFolder(path),
            Effect.sync(() => void (synced = true))
          )
      }))
      const writing = yield* Effect.forkChild(
        Effect.provide(atomicWriteFile(`${folder}/f`, utf8("whole"), 0o600), slow)
      )
      yield* Deferred.await(renaming)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(writing), { startImmediately: true })
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(interrupting)
      assert.isTrue(synced)
      assert.strictEqual(yield* text(`${folder}/f`), "whole")
      assert.deepStrictEqual(yield* names(folder), ["f"])
    })
  )

  it.live("does not write into a FIFO or a folder", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [`${folder}/fifo`]))
      const fifo = yield* Effect.flip(atomicWriteFile(`${folder}/fifo`, utf8("x"), 0o600))
      assert.strictEqual(fifo.message, `open ${folder}/fifo: is a fifo, not a file`)
      const itself = yield* Effect.flip(atomicWriteFile(folder, utf8("x"), 0o600))
      assert.strictEqual(itself.code, "EISDIR")
    }).pipe(Effect.provide(Disk.layer))
  )
})

describe("cleanLeftovers", () => {
  const leftover = (letter: string) => `.systemapi-${letter.repeat(32)}.tmp`
  const longAgo = (path: string) => Effect.promise(() => fs.utimes(path, 1_000_000_000, 1_000_000_000))

  it.live("removes what a killed daemon left and nothing else", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const other = yield* temporaryFolder
      const kept = [".systemapi-abc.tmp", `${leftover("a")}x`, ".other.tmp", "systemapi", leftover("A")]
      for (const name of [leftover("a"), leftover("b"), ...kept]) {
        yield* put(`${folder}/${name}`, "half")
        yield* longAgo(`${folder}/${name}`)
      }
      yield* put(`${folder}/${leftover("c")}`, "being written")
      yield* Effect.promise(() => fs.symlink("/etc/passwd", `${folder}/${leftover("d")}`))
      yield* Effect.promise(() => fs.symlink(`${other}/file`, `${folder}/link`))
      yield* put(`${other}/${leftover("e")}`, "half")
      yield* longAgo(`${other}/${leftover("e")}`)

      const paths = [`${folder}/file`, `${folder}/another`, `${folder}/link`, `${folder}/none/file`, "/dev/null"]
      assert.strictEqual(yield* cleanLeftovers(paths), 3)
      assert.deepStrictEqual(yield* names(folder), [...kept, leftover("c"), leftover("d"), "link"].sort())
      assert.deepStrictEqual(yield* names(other), [])
      assert.strictEqual(yield* cleanLeftovers(paths), 0)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("goes on with the other folders when one fails", () =>
    Effect.gen(function* () {
      const folders = [yield* temporaryFolder, yield* temporaryFolder]
      for (const folder of folders) {
        yield* put(`${folder}/${leftover("a")}`, "half")
        yield* longAgo(`${folder}/${leftover("a")}`)
      }
      const broken = diskWith((real) => ({
        remove: (path) => (path.startsWith(`${folders[0]}/`) ? Effect.fail(diskFull(path)) : real.remove(path))
      }))
      const paths = folders.map((folder) => `${folder}/file`)
      assert.strictEqual(yield* Effect.provide(cleanLeftovers(paths), broken), 1)
    })
  )
})

describe("Disk.readFile", () => {
  it.live("reads up to the bound, and only regular files", () =>
    Effect.gen(function* () {
      const disk = yield* Disk
      const folder = yield* temporaryFolder
      yield* put(`${folder}/file`, "12345")
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [`${folder}/fifo`]))
      assert.deepStrictEqual([...(yield* disk.readFile(`${folder}/file`, 5))], [...utf8("12345")])
      const codes: Array<string> = []
      for (const [name, max] of [
        ["file", 4],
        ["fifo", 4],
        ["none", 4],
        [".", 4]
      ] as const) {
        codes.push((yield* Effect.flip(disk.readFile(`${folder}/${name}`, max))).code)
      }
      assert.deepStrictEqual(codes, ["EFBIG", "EINVAL", "ENOENT", "EINVAL"])
    }).pipe(Effect.provide(Disk.layer))
  )
})
