import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as EventStore from "../../src/actors/EventStore.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { MarkMoved } from "../../src/services/events/Mark.ts"
import { markValueMax } from "../../src/services/events/markBounds.ts"
import { type EventStorage, StorageFull, StorageLost } from "../../src/services/storage/EventStorage.ts"
import { layerWorker } from "../../src/services/storage/EventStorageWorker.ts"
import { runOf } from "../harness/events.ts"
import { type FakeStorage, makeFakeStorage } from "../harness/FakeStorage.ts"
import { temporaryFolder } from "../harness/temporaryFolder.ts"

const startOver = <E>(storage: Layer.Layer<EventStorage, E>) =>
  EventStore.layer({ recent: { events: 100, bytes: 100_000 } }).pipe(
    Layer.provide(Supervisor.layer),
    Layer.provide(storage),
    Layer.fresh,
    Layer.build,
    Effect.map((context) => Context.get(context, EventLog))
  )

const start = (storage: FakeStorage) => Effect.orDie(startOver(storage.layer))

const messagesIn = (storage: FakeStorage) => storage.events.map(({ message }) => message)
const move = (from: string | undefined, value: string, name = "source") => ({ name, from, value })

describe("a mark", () => {
  it.effect("is moved with the events of its source, and is there after a restart", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const log = yield* start(storage)
      assert.isUndefined(yield* log.mark("source"))
      assert.deepStrictEqual(yield* log.appendMarked([runOf(["a", "b"])], move(undefined, "2")), { first: 1, last: 2 })
      assert.deepStrictEqual(yield* log.appendMarked([], move("2", "3")), { first: 3, last: 2 })
      assert.strictEqual(yield* log.mark("source"), "3")
      const again = yield* start(storage)
      assert.strictEqual(yield* again.mark("source"), "3")
      assert.deepStrictEqual(messagesIn(storage), ["a", "b"])
    })
  )

  it.effect("that is not where the append begins keeps its events out, and nobody else's", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const log = yield* start(storage)
      const slow = yield* Deferred.make<void>()
      storage.beforeStore = Deferred.await(slow)
      const first = yield* Effect.forkChild(log.append([runOf(["first"])]), { startImmediately: true })
      const inOne = yield* Effect.forkChild(
        Effect.all(
          [
            Effect.result(log.appendMarked([runOf(["a"])], move(undefined, "1"))),
            Effect.result(log.appendMarked([runOf(["again"])], move(undefined, "1"))),
            Effect.result(log.append([runOf(["other"])])),
            Effect.result(log.appendMarked([runOf(["b"])], move("1", "2"))),
            Effect.result(log.appendMarked([runOf(["c"])], move(undefined, "9", "another")))
          ],
          { concurrency: "unbounded" }
        ),
        { startImmediately: true }
      )
      yield* Deferred.succeed(slow, undefined)
      yield* Fiber.join(first)
      const outcomes = yield* Fiber.join(inOne)
      assert.deepStrictEqual(
        outcomes.map((outcome) => (outcome._tag === "Success" ? outcome.success.first : outcome.failure)),
        [2, new MarkMoved({ name: "source", value: "1" }), 3, 4, 5]
      )
      assert.deepStrictEqual(messagesIn(storage), ["first", "a", "other", "b", "c"])
      assert.deepStrictEqual(
        storage.marks,
        new Map([
          ["source", "2"],
          ["another", "9"]
        ])
      )
    })
  )

  it.effect("stays where it was when the store is full", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const log = yield* start(storage)
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      const error = yield* Effect.flip(log.appendMarked([runOf(["a"])], move(undefined, "1")))
      assert.strictEqual(error._tag, "StoreFull")
      assert.isUndefined(yield* log.mark("source"))
      storage.beforeStore = Effect.void
      yield* log.appendMarked([runOf(["a"])], move(undefined, "1"))
      assert.deepStrictEqual(messagesIn(storage), ["a"])
    })
  )

  it.effect("tells whoever lost the answer that it was stored, when the same is sent again", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const log = yield* start(storage)
      storage.afterStore = Effect.fail(new StorageLost({ reason: "the storage worker ended" }))
      const lost = yield* Effect.flip(log.appendMarked([runOf(["a"])], move(undefined, "1")))
      assert.deepInclude(lost, { _tag: "StoreFailed", stored: "unknown" })
      storage.afterStore = Effect.void
      const again = yield* Effect.forkChild(Effect.flip(log.appendMarked([runOf(["a"])], move(undefined, "1"))), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(again), new MarkMoved({ name: "source", value: "1" }))
      assert.deepStrictEqual(messagesIn(storage), ["a"])
      assert.strictEqual(yield* log.mark("source"), "1")
    })
  )

  it.effect(
    "is stored by the one that a restarted reader left in the mailbox, or by the next one, and never by both",
    () =>
      Effect.gen(function* () {
        const storage = makeFakeStorage()
        const log = yield* start(storage)
        const slow = yield* Deferred.make<void>()
        storage.beforeStore = Deferred.await(slow)
        yield* Effect.forkChild(log.append([runOf(["first"])]), { startImmediately: true })
        const left = yield* Effect.forkChild(log.appendMarked([runOf(["a"])], move(undefined, "1")), {
          startImmediately: true
        })
        yield* Fiber.interrupt(left)
        assert.isUndefined(yield* log.mark("source"))
        const next = yield* Effect.forkChild(Effect.flip(log.appendMarked([runOf(["a", "b"])], move(undefined, "2"))), {
          startImmediately: true
        })
        yield* Deferred.succeed(slow, undefined)
        assert.deepStrictEqual(yield* Fiber.join(next), new MarkMoved({ name: "source", value: "1" }))
        assert.deepStrictEqual(messagesIn(storage), ["first", "a"])
      })
  )

  it.effect("is not said to have moved by an append that the disk refuses in the end", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const log = yield* start(storage)
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      const both = yield* Effect.forEach(
        ["a", "a"],
        (message) => Effect.flip(log.appendMarked([runOf([message])], move(undefined, "1"))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        both.map(({ _tag }) => _tag),
        ["StoreFull", "StoreFull"]
      )
    })
  )

  it.effect("of more than its bounds is a bug", () =>
    Effect.gen(function* () {
      const log = yield* start(makeFakeStorage())
      const exit = yield* Effect.exit(log.appendMarked([], move(undefined, "x".repeat(markValueMax + 1))))
      assert.isTrue(exit._tag === "Failure" && exit.cause.reasons.some(({ _tag }) => _tag === "Die"))
    })
  )

  it.live("is in the store's file", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const log = yield* startOver(layerWorker(folder))
          yield* log.appendMarked([runOf(["a"])], move(undefined, "s=1;i=2"))
        })
      )
      const log = yield* startOver(layerWorker(folder))
      assert.strictEqual(yield* log.mark("source"), "s=1;i=2")
      assert.strictEqual(log.bounds().last, 1)
    })
  )
})
