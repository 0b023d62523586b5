import { spawn } from "node:child_process"
import { once } from "node:events"
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { EventStorage, StorageLost, StoreUnusable } from "../../../src/services/storage/EventStorage.ts"
import { layerWorker } from "../../../src/services/storage/EventStorageWorker.ts"
import { storeFile } from "../../../src/services/storage/openStore.ts"
import { queryOf, runOf } from "../../harness/events.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"

/** The storage over a folder until `close`, or until the test ends. */
const open = Effect.fnUntraced(function* (directory: string) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(Layer.fresh(layerWorker(directory)), scope)
  return { ...Context.get(context, EventStorage), close: Scope.close(scope, Exit.void) }
})

/** Node tells of every thread it starts: how a test gets at the one the storage keeps to itself. */
const openWatched = Effect.fnUntraced(function* (directory: string) {
  const workers: Array<Worker> = []
  const onWorker = (worker: Worker) => void workers.push(worker)
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("worker", onWorker)),
    () => Effect.sync(() => process.off("worker", onWorker))
  )
  const storage = yield* open(directory)
  return { ...storage, terminate: Effect.promise(() => workers.at(-1)?.terminate() ?? Promise.resolve(0)), workers }
})

const messagesIn = (storage: EventStorage["Service"], limit = 1000) =>
  Effect.map(storage.scan(queryOf({ limit })), ({ events }) => events.map(({ message }) => message))

describe("the storage worker", () => {
  it.live("keeps what was acknowledged over a close", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const first = yield* open(join(folder, "deep", "store"))
      assert.deepStrictEqual(yield* first.append([runOf(["a", "b"]), runOf(["c"])]), { first: 1, last: 3 })
      const { bytes, first: oldest, last, removedThrough } = yield* first.state
      assert.deepStrictEqual([oldest, last, removedThrough], [1, 3, 0])
      assert.isAbove(bytes, 0)
      yield* first.close
      const second = yield* open(join(folder, "deep", "store"))
      assert.deepStrictEqual(yield* second.append([runOf(["d"])]), { first: 4, last: 4 })
      assert.deepStrictEqual(yield* messagesIn(second), ["a", "b", "c", "d"])
    })
  )

  it.live("is one at a time for a store", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const first = yield* open(folder)
      const refused = yield* Effect.flip(open(folder))
      assert.strictEqual(refused.kind, "busy")
      assert.include(refused.message, `event store ${folder}: another systemapi holds it`)
      yield* first.close
      const second = yield* open(folder)
      assert.strictEqual((yield* second.state).last, 0)
    })
  )

  it.live("says what is wrong with a store it cannot open", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => writeFile(storeFile(folder), "no database, ".repeat(100)))
      const corrupt = yield* Effect.flip(open(folder))
      assert.instanceOf(corrupt, StoreUnusable)
      assert.include(corrupt.message, "store.sqlite cannot be used: file is not a database. It was left as it is.")
      yield* Effect.promise(() => writeFile(join(folder, "file"), ""))
      const impossible = yield* Effect.flip(open(join(folder, "file", "store")))
      assert.include(impossible.message, "ENOTDIR")
    })
  )

  it.live("that dies fails what it owed, and the next request opens the store anew", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const storage = yield* openWatched(folder)
      let acknowledged = 0
      // Appends one after the other until the thread is gone in the middle of one.
      const appendOne = Effect.gen(function* () {
        acknowledged = (yield* storage.append([runOf([`event ${acknowledged + 1}`])])).last
        if (acknowledged === 20) yield* Effect.forkChild(storage.terminate)
      })
      const writer = yield* Effect.forkChild(Effect.forever(appendOne))
      assert.instanceOf(yield* Effect.flip(Fiber.join(writer)), StorageLost)
      const { last } = yield* storage.state
      assert.isAtLeast(last, acknowledged)
      assert.isAtMost(last, acknowledged + 1)
      assert.strictEqual(storage.workers.length, 2)
      const range = yield* storage.append([runOf(["after"])])
      assert.deepStrictEqual(range, { first: last + 1, last: last + 1 })
      assert.strictEqual((yield* messagesIn(storage)).length, range.last)
    })
  )

  it.live("that dies fails every request that waits with StorageLost", () =>
    Effect.gen(function* () {
      const storage = yield* openWatched(yield* temporaryFolder)
      const waiting = yield* Effect.forEach(Array.from({ length: 5 }), () =>
        Effect.forkChild(Effect.result(storage.append([runOf(["x".repeat(100_000)])])), { startImmediately: true })
      )
      yield* storage.terminate
      for (const fiber of waiting) {
        const result = yield* Fiber.join(fiber)
        if (Result.isFailure(result)) assert.instanceOf(result.failure, StorageLost)
      }
      yield* storage.state
    })
  )

  it.live("that cannot be opened again says so, and is asked again by the next request", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const storage = yield* openWatched(folder)
      yield* storage.append([runOf(["a"])])
      yield* storage.terminate
      const other = yield* open(folder)
      const lost = yield* Effect.flip(storage.state)
      assert.strictEqual(lost._tag, "StorageLost")
      assert.include(lost.reason, "another systemapi holds it")
      yield* other.close
      assert.strictEqual((yield* storage.state).last, 1)
    })
  )

  it.live("is opened again for everyone, though the reader that asked first leaves meanwhile", () =>
    Effect.gen(function* () {
      const storage = yield* openWatched(yield* temporaryFolder)
      yield* storage.append([runOf(["a"])])
      yield* storage.terminate
      const reader = yield* Effect.forkChild(storage.state, { startImmediately: true })
      yield* Fiber.interrupt(reader)
      assert.strictEqual((yield* storage.state).last, 1)
      assert.strictEqual(storage.workers.length, 2)
    })
  )
})

it.live("a store whose file was removed under it takes nothing more, and says why", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const storage = yield* openWatched(folder)
    yield* storage.append([runOf(["a"])])
    yield* Effect.promise(() => rm(storeFile(folder)))
    const error = yield* Effect.flip(storage.append([runOf(["b"])]))
    assert.strictEqual(error._tag, "StorageFull")
    assert.strictEqual(error.reason, "its file was removed or replaced; restart the daemon")
    assert.strictEqual((yield* storage.state).last, 1)
  })
)

describe("kill -9", () => {
  it.live("in the middle of appends loses nothing that was acknowledged", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      let acknowledged = 0
      for (const appends of [3, 40, 11]) {
        const child = yield* Effect.acquireRelease(
          Effect.sync(() =>
            spawn(process.execPath, [fileURLToPath(new URL("writer.ts", import.meta.url)), folder], {
              stdio: ["ignore", "pipe", "inherit"]
            })
          ),
          (started) => Effect.sync(() => started.kill("SIGKILL"))
        )
        const ended = once(child, "close")
        let seen = 0
        createInterface({ input: child.stdout }).on("line", (line) => {
          acknowledged = Number(line)
          if (++seen === appends) child.kill("SIGKILL")
        })
        yield* Effect.promise(() => ended)
      }
      const storage = yield* open(folder)
      const { last } = yield* storage.state
      assert.isAtLeast(last, acknowledged)
      const messages = yield* messagesIn(storage, last)
      assert.deepStrictEqual(
        messages,
        messages.map((_, i) => `event ${i + 1}`)
      )
      assert.strictEqual(messages.length, last)
    })
  )
})
