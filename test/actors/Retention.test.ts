import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as EventStore from "../../src/actors/EventStore.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as Retention from "../../src/actors/Retention.ts"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { StorageFull } from "../../src/services/storage/EventStorage.ts"
import { runOf } from "../harness/events.ts"
import { makeFakeStorage } from "../harness/FakeStorage.ts"
import { stepped } from "../harness/steppedClock.ts"

const off: Retention.RetentionOptions = {
  maxCount: 0,
  maxBytes: 0,
  maxAgeSeconds: 0,
  audit: () => ({ maxCount: 0, maxAgeSeconds: 0 })
}

const start = Effect.fnUntraced(function* (options: Partial<Retention.RetentionOptions>) {
  yield* TestClock.setTime(1_700_000_000_000)
  const storage = makeFakeStorage()
  const scope = yield* Scope.fork(yield* Effect.scope)
  const store = EventStore.layer({ recent: { events: 1000, bytes: 1024 * 1024 } })
  const layer = Retention.layer({ ...off, ...options }).pipe(
    Layer.provideMerge(store),
    Layer.provideMerge(Supervisor.layer),
    Layer.provide(storage.layer)
  )
  const context = yield* Effect.orDie(Layer.buildWithScope(layer, scope))
  const log = Context.get(context, EventLog)
  /** Events as old as the test clock says. */
  const append = (...messages: ReadonlyArray<string>) =>
    Effect.flatMap(
      Effect.clockWith((clock) => clock.currentTimeNanos),
      (receivedAt) => log.append([runOf(messages, { receivedAt })])
    )
  return {
    storage,
    log,
    append,
    supervisor: Context.get(context, Supervisor),
    stop: Scope.close(scope, Exit.void),
    stored: () => storage.events.map(({ message }) => message)
  }
})

describe("Retention", () => {
  it.effect("removes nothing while every bound is off", () =>
    Effect.gen(function* () {
      const { append, stored } = yield* start({})
      yield* append("a", "b", "c")
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(stored(), ["a", "b", "c"])
    })
  )

  it.effect("goes by the bounds of audit entries that are in force, and leaves other events alone", () =>
    Effect.gen(function* () {
      let maxCount = 0
      const { log, storage } = yield* start({ audit: () => ({ maxCount, maxAgeSeconds: 0 }) })
      const entries = () => storage.events.filter(({ level }) => level === "audit").map(({ message }) => message)
      const receivedAt = yield* Effect.clockWith((clock) => clock.currentTimeNanos)
      yield* log.append([
        runOf(["a", "b", "c"], { receivedAt, level: "audit", source: "daemon" }),
        runOf(["other"], { receivedAt })
      ])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(entries(), ["a", "b", "c"])
      maxCount = 2
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(entries(), ["b", "c"])
      assert.isTrue(storage.events.some(({ message }) => message === "other"))
    })
  )

  it.effect("keeps the newest by count, within its interval, and tells what it removed", () =>
    Effect.gen(function* () {
      const { append, log, storage, stored } = yield* start({ maxCount: 3 })
      yield* append("1", "2", "3", "4", "5")
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(stored().length, 5)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(stored(), ["3", "4", "5", "[system-api] retention removed events 1 to 2"])
      assert.deepInclude(storage.events.at(-1), { level: "debug", source: "daemon" })
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(log.bounds(), { first: 4, last: 6, removedThrough: 3 })
    })
  )

  it.effect("goes on slice by slice until all is within the bounds", () =>
    Effect.gen(function* () {
      const { append, storage, stored } = yield* start({ maxCount: 2 })
      storage.retainMax = 3
      yield* append(...Array.from({ length: 20 }, (_, i) => `${i + 1}`))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(stored(), ["19", "20", "[system-api] retention removed events 1 to 18"])
    })
  )

  it.effect("removes what is too old, by the wall clock, even when that steps", () =>
    Effect.gen(function* () {
      const { append, stored } = yield* start({ maxAgeSeconds: 3600 })
      yield* append("old")
      yield* TestClock.adjust("30 minutes")
      yield* append("young")
      yield* TestClock.adjust("29 minutes")
      assert.deepStrictEqual(stored(), ["old", "young"])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(stored().slice(0, 1), ["young"])
      // The clock is set two hours back: what was stored since then seems to come from the future, and is kept.
      yield* TestClock.setTime(1_700_000_000_000 - 2 * 3_600_000)
      yield* append("after the step")
      yield* TestClock.adjust("59 minutes")
      assert.include(stored(), "young")
      assert.include(stored(), "after the step")
    })
  )

  it.effect("believes a clock that steps forward only after an hour, and one that steps back again at once", () =>
    Effect.gen(function* () {
      let ahead = 0
      const hours = 3_600_000
      yield* stepped(
        () => ahead,
        Effect.gen(function* () {
          const { append, stored } = yield* start({ maxAgeSeconds: 86_400 })
          yield* append("kept")
          yield* TestClock.adjust("10 seconds")
          const warnings = () => stored().filter((message) => message.includes("the clock went forward by"))
          ahead = 1000 * hours
          yield* TestClock.adjust("59 minutes")
          assert.deepStrictEqual(warnings(), [
            "[system-api] the clock went forward by 3600000 s; events get older by it in an hour"
          ])
          assert.strictEqual(stored()[0], "kept")
          // It was wrong, and is right again.
          ahead = 0
          yield* TestClock.adjust("2 hours")
          assert.strictEqual(stored()[0], "kept")
          // Age goes on meanwhile, as if nothing had happened.
          ahead = 1000 * hours
          yield* TestClock.adjust("50 minutes")
          assert.strictEqual(stored()[0], "kept")
          yield* TestClock.adjust("15 minutes")
          assert.notInclude(stored(), "kept")
        })
      )
    })
  )

  it.effect("keeps within the bytes", () =>
    Effect.gen(function* () {
      const { append, stored } = yield* start({ maxBytes: 5000 })
      for (let i = 0; i < 10; i++) yield* append(`${i}`.repeat(1000))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        stored().map((message) => message.slice(0, 2)),
        ["66", "77", "88", "99", "[s"]
      )
    })
  )

  it.effect("tells of removals once a minute at the most, and of the last ones at the stop", () =>
    Effect.gen(function* () {
      const { append, stop, storage, stored } = yield* start({ maxCount: 1 })
      const told = () => stored().filter((message) => message.includes("retention removed"))
      yield* TestClock.adjust("1 minute")
      yield* append("1", "2")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(told(), ["[system-api] retention removed events 1 to 1"])
      for (let i = 0; i < 10; i++) {
        yield* append("x")
        yield* TestClock.adjust("5 seconds")
      }
      assert.deepStrictEqual(told(), [])
      yield* stop
      assert.deepStrictEqual(told(), ["[system-api] retention removed events 2 to 12"])
      assert.strictEqual(storage.events.at(-1)?.seq, 14)
    })
  )

  it.effect("asks again when the store cannot delete now", () =>
    Effect.gen(function* () {
      const { append, storage, stored, supervisor } = yield* start({ maxCount: 1 })
      yield* append("1", "2")
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(stored(), ["1", "2"])
      const report = yield* supervisor.report
      assert.deepStrictEqual(
        report.map(({ restarts, state }) => [state, restarts]),
        [
          ["running", 0],
          ["running", 0]
        ]
      )
      storage.beforeStore = Effect.void
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(stored()[0], "2")
    })
  )
})
