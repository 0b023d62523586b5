import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { constants, open } from "node:fs"
import * as fs from "node:fs/promises"
import { createServer, Socket } from "node:net"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Disk, DiskError } from "../../../src/services/files/Disk.ts"
import { type Upload, Uploads } from "../../../src/services/files/Uploads.ts"
import { diskFull, diskWhoseFiles, diskWith, modeOf, names, put, temporaryFolder, text, umask } from "./support.ts"

const layer = Uploads.layer.pipe(Layer.provideMerge(Disk.layer))
const utf8 = (value: string) => new TextEncoder().encode(value)
const sha256 = (...parts: ReadonlyArray<Uint8Array | string>) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex")

const upload = <E = never>(given: Partial<Upload<E>> & { readonly path: string }) =>
  Uploads.use((uploads) => uploads.write({ maxBytes: 1_000_000, body: Stream.make(utf8("new")), ...given }))

/** A body that stops after its first part until it is told to go on. */
const heldBody = (first: string, second: string) =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const goOn = yield* Deferred.make<void>()
    const body = Stream.concat(
      Stream.make(utf8(first)),
      Stream.fromEffect(
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(goOn), utf8(second)))
      )
    )
    return { body, begun: Deferred.await(begun), goOn: Deferred.succeed(goOn, undefined) }
  })

describe("Uploads to regular files", () => {
  it.live.each([0o022, 0o077, 0o000])("makes a new file 0644 under umask %o", (mask) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* umask(mask)
      const path = `${folder}/new.conf`
      const result = yield* upload({ path, body: Stream.make(utf8("hello "), utf8("world")) })
      assert.deepStrictEqual(result, { bytes: 11, sha256: sha256("hello world") })
      assert.strictEqual(yield* text(path), "hello world")
      assert.strictEqual(yield* modeOf(path), 0o644)
      assert.deepStrictEqual(yield* names(folder), ["new.conf"])
    }).pipe(Effect.provide(layer))
  )

  it.live("keeps mode and owner of an existing file, unless told otherwise", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = `${folder}/kept.conf`
      yield* put(path, "old", 0o4750)
      // Another owner can only be given by root; others see that their own is kept.
      const owner = process.getuid?.() === 0 ? { uid: 12_345, gid: 23_456 } : { uid: -1, gid: -1 }
      yield* Effect.promise(() => fs.chown(path, owner.uid, owner.gid))
      yield* Effect.promise(() => fs.chmod(path, 0o4750))
      const before = yield* Effect.promise(() => fs.stat(path))

      yield* upload({ path })
      const after = yield* Effect.promise(() => fs.stat(path))
      assert.deepStrictEqual([after.mode, after.uid, after.gid], [before.mode, before.uid, before.gid])
      assert.notStrictEqual(after.ino, before.ino)

      yield* upload({ path, mode: 0o600, uid: before.uid })
      const told = yield* Effect.promise(() => fs.stat(path))
      assert.deepStrictEqual([told.mode & 0o7777, told.uid, told.gid], [0o600, before.uid, before.gid])
    }).pipe(Effect.provide(layer))
  )

  it.live("writes an empty body as an empty file", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/empty`
      assert.deepStrictEqual(yield* upload({ path, body: Stream.empty }), { bytes: 0, sha256: sha256("") })
      assert.strictEqual(yield* text(path), "")
    }).pipe(Effect.provide(layer))
  )

  it.live("replaces what a link leads to and leaves the link", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(async () => {
        await fs.mkdir(`${folder}/real`)
        await fs.symlink("real", `${folder}/alias`)
        await fs.symlink("../real/file", `${folder}/real/second`)
        await fs.symlink("alias/second", `${folder}/first`)
        await fs.symlink("real/not-yet", `${folder}/dangling`)
      })
      yield* put(`${folder}/real/file`, "old", 0o640)
      yield* upload({ path: `${folder}/first` })
      yield* upload({ path: `${folder}/dangling` })
      assert.strictEqual(yield* text(`${folder}/real/file`), "new")
      assert.strictEqual(yield* modeOf(`${folder}/real/file`), 0o640)
      assert.strictEqual(yield* text(`${folder}/real/not-yet`), "new")
      assert.strictEqual(yield* Effect.promise(() => fs.readlink(`${folder}/first`)), "alias/second")
      assert.strictEqual(yield* Effect.promise(() => fs.readlink(`${folder}/dangling`)), "real/not-yet")
      assert.deepStrictEqual(yield* names(`${folder}/real`), ["file", "not-yet", "second"])
    }).pipe(Effect.provide(layer))
  )

  it.live("leaves the old file when the body is interrupted in the middle", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = `${folder}/file`
      yield* put(path, "old")
      const { begun, body } = yield* heldBody("half", "never")
      const fiber = yield* Effect.forkChild(upload({ path, body }))
      yield* begun
      assert.strictEqual((yield* names(folder)).length, 2)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* text(path), "old")
      assert.deepStrictEqual(yield* names(folder), ["file"])
    }).pipe(Effect.provide(layer))
  )

  it.live("leaves the old file when the body fails, and says why", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = `${folder}/file`
      yield* put(path, "old")
      const body = Stream.concat(Stream.make(utf8("half")), Stream.fail(new Error("aborted")))
      const error = yield* Effect.flip(upload({ path, body }))
      assert.strictEqual(error._tag, "UploadReadFailed")
      assert.strictEqual(error.message, `read the body for ${path}: aborted`)
      assert.strictEqual(yield* text(path), "old")
      assert.deepStrictEqual(yield* names(folder), ["file"])
    }).pipe(Effect.provide(layer))
  )

  it.live("takes exactly the limit and refuses one byte more without reading on", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = `${folder}/file`
      assert.strictEqual((yield* upload({ path, maxBytes: 3 })).bytes, 3)
      const asked: Array<number> = []
      const body = Stream.fromIterable([1, 2, 3, 4, 5]).pipe(
        Stream.rechunk(1),
        Stream.map((n) => (asked.push(n), utf8("ab")))
      )
      const error = yield* Effect.flip(upload({ path, maxBytes: 5, body }))
      assert.strictEqual(error._tag, "UploadTooLarge")
      assert.strictEqual(error.message, `upload to ${path} refused: larger than the 5 bytes allowed`)
      assert.deepStrictEqual(asked, [1, 2, 3])
      assert.strictEqual(yield* text(path), "new")
      assert.deepStrictEqual(yield* names(folder), ["file"])
    }).pipe(Effect.provide(layer))
  )

  it.live("shows one whole upload when several write at a time, and the last to end wins", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = `${folder}/file`
      const first = yield* heldBody("1".repeat(50_000), "1".repeat(50_000))
      const second = yield* heldBody("2".repeat(70_000), "2".repeat(70_000))
      const one = yield* Effect.forkChild(upload({ path, body: first.body }))
      const two = yield* Effect.forkChild(upload({ path, body: second.body }))
      yield* first.begun
      yield* second.begun
      yield* second.goOn
      yield* Fiber.join(two)
      assert.strictEqual(yield* text(path), "2".repeat(140_000))
      yield* first.goOn
      yield* Fiber.join(one)
      assert.strictEqual(yield* text(path), "1".repeat(100_000))
      assert.deepStrictEqual(yield* names(folder), ["file"])
    }).pipe(Effect.provide(layer))
  )

  it.effect.prop(
    "writes what the body holds, however it is cut",
    [Schema.Array(Schema.Uint8Array).check(Schema.isMaxLength(12))],
    ([parts]) =>
      Effect.gen(function* () {
        const path = `${yield* temporaryFolder}/file`
        const whole = Buffer.concat(parts)
        const result = yield* upload({ path, body: Stream.fromIterable(parts) })
        assert.deepStrictEqual(result, { bytes: whole.length, sha256: sha256(whole) })
        assert.isTrue(whole.equals(yield* Effect.promise(() => fs.readFile(path))))
      }).pipe(Effect.scoped, Effect.provide(layer)),
    { arbitrary: { runs: 40 } }
  )
})

describe("Uploads that cannot be written", () => {
  it.live("names folder, missing folder and socket", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const server = createServer()
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(`${folder}/socket`, () => resume(Effect.void))),
        () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      yield* Effect.promise(() => fs.symlink("loop", `${folder}/loop`))
      const failure = (path: string) =>
        Effect.map(Effect.flip(upload({ path })), (error) => [
          error._tag === "UploadWriteFailed" ? error.code : error._tag,
          error.message
        ])
      assert.deepStrictEqual(yield* failure(folder), ["EISDIR", `open ${folder}: is a folder, not a file`])
      assert.deepStrictEqual(yield* failure(`${folder}/socket`), [
        "ENXIO",
        `open ${folder}/socket: is a socket, not a file`
      ])
      assert.deepStrictEqual(yield* failure(`${folder}/no/file`), [
        "ENOENT",
        `create ${folder}/no/file: no such file or directory`
      ])
      assert.strictEqual((yield* failure(`${folder}/loop`))[0], "ELOOP")
      assert.strictEqual((yield* failure(`${folder}/socket/file`))[0], "ENOTDIR")
      assert.strictEqual((yield* failure("nul\0byte"))[0], "ERR_INVALID_ARG_VALUE")
      assert.deepStrictEqual(yield* names(folder), ["loop", "socket"])
    }).pipe(Effect.provide(layer))
  )

  it.live.each(["write", "sync", "chmod"] as const)("leaves the old file when %s fails", (operation) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = `${folder}/file`
      yield* put(path, "old")
      const broken = diskWhoseFiles((temporary) => {
        const error = Effect.fail(diskFull(temporary))
        return operation === "sync" ? { sync: error } : { [operation]: () => error }
      })
      const error = yield* Effect.flip(upload({ path })).pipe(Effect.provide(Uploads.layer.pipe(Layer.provide(broken))))
      assert.strictEqual(error.message, `write ${path}: no space left on device`)
      assert.strictEqual(yield* text(path), "old")
      assert.deepStrictEqual(yield* names(folder), ["file"])
    })
  )

  it.live("leaves the old file when the rename is refused, and fails when the folder cannot be synced", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = `${folder}/file`
      yield* put(path, "old")
      const fail = (operation: string) => (given: string) =>
        Effect.fail(new DiskError({ operation, path: given, code: "EROFS", reason: "read-only file system" }))
      const withDisk = (replaced: Partial<Disk["Service"]>) =>
        Effect.flip(upload({ path })).pipe(Effect.provide(Uploads.layer.pipe(Layer.provide(diskWith(() => replaced)))))
      const renaming = yield* withDisk({ rename: (_from, to) => fail("rename")(to) })
      assert.strictEqual(renaming.message, `rename ${path}: read-only file system`)
      assert.strictEqual(yield* text(path), "old")
      const syncing = yield* withDisk({ syncFolder: fail("sync") })
      assert.strictEqual(syncing.message, `sync ${path}: read-only file system`)
      assert.strictEqual(yield* text(path), "new")
      assert.deepStrictEqual(yield* names(folder), ["file"])
    })
  )

  it.live("survives a disk that is really full", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      // A mount of its own needs the right to make one; where that is missing, /dev/full is the full disk.
      const script = `
        import * as Effect from "effect/Effect"; import * as Layer from "effect/Layer"; import * as Stream from "effect/Stream"
        import { readdirSync, writeFileSync, readFileSync } from "node:fs"
        import { Disk } from "${process.cwd()}/src/services/files/Disk.ts"
        import { Uploads } from "${process.cwd()}/src/services/files/Uploads.ts"
        writeFileSync("${folder}/file", "old")
        const body = Stream.fromIterable(Array.from({ length: 64 }, () => new Uint8Array(65536)))
        const layer = Uploads.layer.pipe(Layer.provide(Disk.layer))
        const error = await Effect.runPromise(Effect.flip(Uploads.use((u) => u.write({ path: "${folder}/file", maxBytes: 1e9, body }))).pipe(Effect.provide(layer)))
        console.log(JSON.stringify([error.message, readFileSync("${folder}/file", "utf8"), readdirSync("${folder}")]))
      `
      const command = `mount -t tmpfs -o size=1m tmpfs '${folder}' || exit 77; exec "$0" --input-type=module -e "$1"`
      const run = yield* Effect.promise(() =>
        promisify(execFile)("unshare", ["-rm", "sh", "-c", command, process.execPath, script], {
          cwd: process.cwd()
        }).then(
          ({ stdout }) => ({ code: 0, stdout, stderr: "" }),
          (cause: { readonly code: unknown; readonly stdout: string; readonly stderr: string }) => cause
        )
      )
      if (run.code === 0) {
        const seen: unknown = JSON.parse(run.stdout)
        assert.deepStrictEqual(seen, [`write ${folder}/file: no space left on device`, "old", ["file"]])
      } else {
        assert.include([1, 77, "ENOENT"], run.code, run.stderr)
        const error = yield* Effect.flip(upload({ path: "/dev/full" }))
        assert.strictEqual(error.message, "write /dev/full: no space left on device")
      }
    }).pipe(Effect.provide(layer))
  )
})

describe("Uploads written in place", () => {
  it.live("writes to character devices", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* upload({ path: "/dev/null" }), { bytes: 3, sha256: sha256("new") })
      const error = yield* Effect.flip(upload({ path: "/dev/full" }))
      assert.strictEqual(error.message, "write /dev/full: no space left on device")
      const device = yield* Effect.promise(() => fs.stat("/dev/null"))
      assert.isTrue(device.isCharacterDevice())
    }).pipe(Effect.provide(layer))
  )

  it.live("fails at once on a FIFO that nobody reads", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/fifo`
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [path]))
      const error = yield* Effect.flip(upload({ path }))
      assert.strictEqual(error.message, `open ${path}: no process reads this FIFO`)
    }).pipe(Effect.provide(layer))
  )

  it.live("waits for the reader of a FIFO, and stops waiting when interrupted", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/fifo`
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [path]))
      const reader = yield* fifoReader(path)
      // More than any pipe holds.
      const big = new Uint8Array(2_000_000).fill(7)
      const whole = { path, body: Stream.make(big), maxBytes: big.length }

      const stuck = yield* Effect.forkChild(upload(whole))
      yield* reader.read(1)
      yield* Fiber.interrupt(stuck)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(stuck)))

      const served = yield* Effect.forkChild(upload(whole))
      yield* reader.read(big.length)
      assert.strictEqual((yield* Fiber.join(served)).bytes, big.length)
    }).pipe(Effect.provide(layer))
  )
})

/** Reads at least so many bytes, and then no more. Open for writing too: a writer that leaves is no end of file. */
const fifoReader = (path: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const { promise, resolve, reject } = Promise.withResolvers<number>()
        open(path, constants.O_RDWR | constants.O_NONBLOCK, (cause, fd) =>
          cause === null ? resolve(fd) : reject(cause)
        )
        return new Socket({ fd: await promise, readable: true, writable: false }).pause()
      }),
      (socket) => Effect.sync(() => socket.destroy())
    ),
    (socket) => ({
      read: (bytes: number) =>
        Effect.callback<void>((resume) => {
          let seen = 0
          const onData = (part: Buffer) => {
            seen += part.length
            if (seen < bytes) return
            socket.off("data", onData).pause()
            resume(Effect.void)
          }
          socket.on("data", onData).resume()
        })
    })
  )
