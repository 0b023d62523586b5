import * as fs from "node:fs/promises"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Actions } from "../../../src/services/actions/Actions.ts"
import type { RunResult } from "../../../src/services/commands/Executor.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { Disk } from "../../../src/services/files/Disk.ts"
import { FileUploads } from "../../../src/services/files/FileUploads.ts"
import { Uploads } from "../../../src/services/files/Uploads.ts"
import { mockEventLog } from "../../harness/mocks.ts"
import { diskWith, names, put, temporaryFolder, text } from "./support.ts"

const nothing = { head: "", tail: "", bytes: 0, sha256: "", truncated: false }
const well: RunResult = {
  exit: { _tag: "Exited", code: 0 },
  timedOut: false,
  endedEarly: false,
  durationMs: 1,
  pid: 1,
  startedAt: 0,
  stdout: nothing,
  stderr: nothing
}

/** Real files; what is recorded and what is run after are the test's. */
const start = Effect.fnUntraced(function* (disk: Layer.Layer<Disk> = Disk.layer) {
  const folder = yield* temporaryFolder
  const files = `${folder}/files`
  const path = `${files}/conf`
  yield* Effect.promise(() => fs.mkdir(files))
  const config = `[actions]\napply = "true"\n[file_uploads.conf]\npath = "${path}"\nmax_bytes = 10\nthen = "apply"\n`
  yield* put(`${folder}/config.toml`, config)
  const loaded = yield* load(`${folder}/config.toml`, {})
  const recorded: Array<string> = []
  const context = yield* Layer.build(
    FileUploads.layer.pipe(
      Layer.provide([
        CurrentConfig.layer(loaded.config),
        mockEventLog({ record: (message) => Effect.sync(() => void recorded.push(message)) }),
        Uploads.layer.pipe(Layer.provide(disk)),
        Layer.mock(Actions, {
          run: (name) =>
            Effect.as(
              Effect.sync(() => recorded.push(`ran ${name}`)),
              well
            )
        }),
        NodeFileSystem.layer
      ])
    )
  )
  const { upload } = Context.get(context, FileUploads)
  return { files, path, recorded, upload }
})

const bytes = (content: string) => Stream.make(Buffer.from(content))
const unknown = { who: "test", saidBytes: undefined }

describe("a client that leaves", () => {
  it.live("while the file is put in its place changes nothing of what follows", () =>
    Effect.gen(function* () {
      const replaced = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const disk = diskWith((real) => ({
        syncFolder: (folder) =>
          Deferred.succeed(replaced, undefined).pipe(
            Effect.andThen(Deferred.await(goOn)),
            Effect.andThen(real.syncFolder(folder))
          )
      }))
      const { path, recorded, upload } = yield* start(disk)
      const uploading = yield* Effect.forkChild(upload("conf", bytes("new"), unknown))
      yield* Deferred.await(replaced)
      const left = yield* Effect.forkChild(Fiber.interrupt(uploading), { startImmediately: true })
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(left)
      assert.strictEqual(yield* text(path), "new")
      assert.deepStrictEqual(recorded, [
        `file upload: conf = ${path}`,
        `file upload success: conf = ${path} - content: 3 bytes`,
        "ran apply"
      ])
    })
  )

  it.live("while the body comes ends the upload, and the old file stays", () =>
    Effect.gen(function* () {
      const { files, path, recorded, upload } = yield* start()
      yield* put(path, "old")
      const half = yield* Deferred.make<void>()
      const body = Stream.concat(
        bytes("half"),
        Stream.fromEffectDrain(Effect.andThen(Deferred.succeed(half, undefined), Effect.never))
      )
      const uploading = yield* Effect.forkChild(upload("conf", body, unknown))
      yield* Deferred.await(half)
      yield* Fiber.interrupt(uploading)
      assert.strictEqual(yield* text(path), "old")
      assert.deepStrictEqual(yield* names(files), ["conf"])
      assert.deepStrictEqual(recorded, [
        `file upload: conf = ${path}`,
        `file upload error (failed to read): conf = ${path} - error: the client left before the end of the body`
      ])
    })
  )
})

describe("a body that is too large", () => {
  for (const [how, saidBytes] of [
    ["as it says beforehand, unread", 11],
    ["as it turns out", undefined]
  ] as const) {
    it.live(`${how}, is refused and told`, () =>
      Effect.gen(function* () {
        const { files, path, recorded, upload } = yield* start()
        const body = saidBytes === undefined ? bytes("12345678901") : Stream.die(new Error("it was read"))
        const error = yield* Effect.flip(upload("conf", body, { who: "test", saidBytes }))
        assert.strictEqual(error._tag, "UploadTooLarge")
        assert.deepStrictEqual(yield* names(files), [])
        assert.deepStrictEqual(recorded, [
          `file upload: conf = ${path}`,
          `file upload error (failed to write): conf = ${path} - error: upload to ${path} refused: larger than the 10 bytes allowed`
        ])
      })
    )
  }
})
