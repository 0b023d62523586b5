/** A store whose disk is full or hangs: seen, survived, and over by itself. */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as EventStore from "../../src/actors/EventStore.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { StoreFailed } from "../../src/services/events/EventLog.ts"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { StorageFull } from "../../src/services/storage/EventStorage.ts"
import { runOf } from "../harness/events.ts"
import { makeFakeStorage, type FakeStorage } from "../harness/FakeStorage.ts"

const logOver = (storage: FakeStorage) =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        EventStore.layer({ recent: { events: 100, bytes: 1024 * 1024 } }).pipe(
          Layer.provide([storage.layer, Supervisor.layer])
        )
      )
    ),
    (context) => Effect.provideContext(EventLog, context)
  ).pipe(Effect.flatten)

it.effect("a store that has room again says so, though nobody writes", () =>
  Effect.gen(function* () {
    const storage = makeFakeStorage()
    const log = yield* logOver(storage)
    storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
    yield* Effect.flip(log.append([runOf(["refused"])]))
    yield* TestClock.adjust("1 minute")
    assert.isDefined(log.degraded())
    assert.strictEqual(storage.events.length, 0)
    storage.beforeStore = Effect.void
    yield* TestClock.adjust("5 seconds")
    assert.isUndefined(log.degraded())
    assert.deepStrictEqual(
      storage.events.map(({ message, seq }) => [seq, message]),
      [[1, "[system-api] the event store takes events again"]]
    )
  })
)

it.effect("a commit that hangs refuses who comes later, and what waits is stored when it is over", () =>
  Effect.gen(function* () {
    const storage = makeFakeStorage()
    const log = yield* logOver(storage)
    const reached = yield* Deferred.make<void>()
    const pass = yield* Deferred.make<void>()
    storage.beforeStore = Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(pass))
    const waiting = yield* Effect.forkChild(log.append([runOf(["waits"])]))
    yield* Deferred.await(reached)
    yield* TestClock.adjust("11 seconds")
    const error = yield* Effect.flip(log.append([runOf(["refused"])]))
    assert.deepStrictEqual(error, new StoreFailed({ reason: "the disk does not finish a commit", stored: "no" }))
    assert.strictEqual(log.degraded(), "the disk does not finish a commit")
    yield* Deferred.succeed(pass, undefined)
    assert.deepStrictEqual(yield* Fiber.join(waiting), { first: 1, last: 1 })
    assert.isUndefined(log.degraded())
  })
)
