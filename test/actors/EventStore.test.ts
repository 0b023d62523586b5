import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as EventStore from "../../src/actors/EventStore.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { ActorUnavailable } from "../../src/services/ActorUnavailable.ts"
import { EventLog, StoreFailed, StoreFull } from "../../src/services/events/EventLog.ts"
import type { EventPage, EventQuery } from "../../src/services/events/EventQuery.ts"
import type { RecentLimits } from "../../src/services/events/RecentEvents.ts"
import { type EventStorage, StorageFailed, StorageFull, StorageLost } from "../../src/services/storage/EventStorage.ts"
import { layerWorker } from "../../src/services/storage/EventStorageWorker.ts"
import { DrawnQuery, DrawnRuns, queryOf, runOf, toQuery, toRun } from "../harness/events.ts"
import { type FakeStorage, makeFakeStorage } from "../harness/FakeStorage.ts"
import { temporaryFolder } from "../harness/temporaryFolder.ts"

const wide: RecentLimits = { events: 1000, bytes: 1024 * 1024 }

/** The log over a storage until `stop`, or until the test ends. */
const startOver = Effect.fnUntraced(function* <E>(storage: Layer.Layer<EventStorage, E>, recent = wide) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const layer = EventStore.layer({ recent }).pipe(Layer.provideMerge(Supervisor.layer), Layer.provide(storage))
  const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
  const supervisor = Context.get(context, Supervisor)
  return { log: Context.get(context, EventLog), supervisor, stop: Scope.close(scope, Exit.void) }
})

const start = (storage: FakeStorage, recent?: RecentLimits) => Effect.orDie(startOver(storage.layer, recent))

const appendInBackground = (log: EventLog["Service"], ...messages: ReadonlyArray<string>) =>
  Effect.forkChild(log.append([runOf(messages)]), { startImmediately: true })

/** A disk that is slow: tells of every append that reaches it, and each waits to be let go on. Stands open at the end. */
const makeGate = Effect.gen(function* () {
  const reached = yield* Queue.unbounded<void>()
  const passes = yield* Queue.unbounded<void>()
  const end = yield* Deferred.make<void>()
  yield* Effect.addFinalizer(() => Deferred.succeed(end, undefined))
  return {
    wait: Effect.andThen(Queue.offer(reached, undefined), Effect.raceFirst(Queue.take(passes), Deferred.await(end))),
    reached: Queue.take(reached),
    pass: Queue.offer(passes, undefined)
  }
})

const depthOf = (supervisor: Supervisor["Service"]) =>
  Effect.map(supervisor.report, ([actor]) => actor?.mailbox?.depth ?? 0)

/** Lets the other fibers run until this many appends wait in the mailbox. */
const untilWaiting = (supervisor: Supervisor["Service"], count: number): Effect.Effect<void> =>
  Effect.flatMap(depthOf(supervisor), (depth) =>
    depth === count ? Effect.void : Effect.andThen(Effect.yieldNow, untilWaiting(supervisor, count))
  )

const messagesIn = (storage: FakeStorage) => storage.events.map(({ message }) => message)
const full = new StorageFull({ reason: "no space left on device" })
const lost = new StorageLost({ reason: "the storage worker ended" })

describe("append", () => {
  it.effect("is acknowledged once the events are stored and every reader sees them", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      const gate = yield* makeGate
      storage.beforeStore = gate.wait
      const appending = yield* appendInBackground(log, "a", "b")
      yield* gate.reached
      assert.strictEqual(log.bounds().last, 0)
      assert.isUndefined(appending.pollUnsafe())
      yield* gate.pass
      assert.deepStrictEqual(yield* Fiber.join(appending), { first: 1, last: 2 })
      assert.deepStrictEqual(messagesIn(storage), ["a", "b"])
      const page = yield* log.query(queryOf())
      assert.deepStrictEqual(page.events, storage.events)
      assert.deepStrictEqual([log.bounds().first, log.bounds().last, log.recent.last], [1, 2, 2])
    })
  )

  it.effect("is not shown to a search that reaches the store before every reader can see it", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      yield* log.append([runOf(["a"])])
      const gate = yield* makeGate
      storage.afterStore = gate.wait
      const appending = yield* appendInBackground(log, "b")
      yield* gate.reached
      const search = log.query(queryOf({ filters: { source: "test" } }))
      const early = yield* search
      assert.deepStrictEqual([storage.events.length, early.events.length, early.through], [2, 1, 1])
      yield* gate.pass
      yield* Fiber.join(appending)
      assert.strictEqual((yield* search).events.length, 2)
    })
  )

  it.effect("keeps all runs of one append together and in order, whoever appends beside it", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      const ranges = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, i) => i),
        (i) => log.append([runOf([`${i}.0`, `${i}.1`]), runOf([`${i}.2`], { level: "error" })]),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        storage.events.map(({ seq }) => seq),
        Array.from({ length: 150 }, (_, i) => i + 1)
      )
      ranges.forEach(({ first, last }, i) => {
        assert.deepStrictEqual(messagesIn(storage).slice(first - 1, last), [`${i}.0`, `${i}.1`, `${i}.2`])
      })
    })
  )

  it.effect("shares one transaction with all that wait while the one before is written", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      const gate = yield* makeGate
      storage.beforeStore = gate.wait
      const first = yield* appendInBackground(log, "first")
      yield* gate.reached
      const rest = yield* Effect.forEach(
        Array.from({ length: 500 }, (_, i) => `${i}`),
        (message) => appendInBackground(log, message)
      )
      yield* gate.pass
      yield* Fiber.join(first)
      yield* gate.reached
      yield* gate.pass
      const ranges = yield* Effect.forEach(rest, Fiber.join)
      assert.deepStrictEqual(storage.commits, [1, 500])
      assert.deepStrictEqual(
        ranges.map((range) => range.first),
        ranges.map((_, i) => i + 2)
      )
    })
  )

  it.effect("cuts what waits into transactions of bounded weight", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      const gate = yield* makeGate
      storage.beforeStore = gate.wait
      yield* appendInBackground(log, "first")
      yield* gate.reached
      const megabyte = "x".repeat(1024 * 1024)
      const rest = yield* Effect.forEach(Array.from({ length: 6 }), () => appendInBackground(log, megabyte))
      storage.beforeStore = Effect.void
      yield* gate.pass
      yield* Effect.forEach(rest, Fiber.join)
      assert.deepStrictEqual(storage.commits, [1, 3, 3])
    })
  )
})

describe("a store that is full", () => {
  it.effect("refuses what cannot be stored, says it is degraded, and heals", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log, supervisor } = yield* start(storage)
      yield* log.append([runOf(["before"])])
      storage.beforeStore = Effect.fail(full)
      const error = yield* Effect.flip(log.append([runOf(["refused"])]))
      assert.deepStrictEqual(error, new StoreFull({ reason: "no space left on device" }))
      assert.strictEqual(log.degraded(), "the event store cannot take new events: no space left on device")
      assert.strictEqual((yield* log.query(queryOf())).events.length, 1)
      yield* log.record("not recorded, and no failure")
      const [actor] = yield* supervisor.report
      assert.deepStrictEqual([actor?.state, actor?.restarts], ["running", 0])
      storage.beforeStore = Effect.void
      assert.deepStrictEqual(yield* log.append([runOf(["after"])]), { first: 2, last: 2 })
      assert.isUndefined(log.degraded())
      assert.deepStrictEqual(messagesIn(storage), ["before", "after"])
    })
  )

  it.effect("and one that fails otherwise say that nothing was stored", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      storage.beforeStore = Effect.fail(new StorageFailed({ reason: "bug" }))
      const error = yield* Effect.flip(log.append([runOf(["a"])]))
      assert.deepStrictEqual(error, new StoreFailed({ reason: "bug", stored: "no" }))
      assert.strictEqual(error.message, "the event store failed: bug")
    })
  )
})

describe("a connection that is lost", () => {
  it.effect("leaves the append in hand unknown, keeps what waits, and shows what was stored after all", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log, supervisor } = yield* start(storage)
      const gate = yield* makeGate
      storage.afterStore = Effect.andThen(gate.wait, Effect.fail(lost))
      const inHand = yield* appendInBackground(log, "stored after all")
      yield* gate.reached
      const waiting = yield* appendInBackground(log, "waits")
      const transitions = yield* supervisor.transitions
      storage.afterStore = Effect.void
      yield* gate.pass
      const error = yield* Effect.flip(Fiber.join(inHand))
      assert.deepStrictEqual(error, new StoreFailed({ reason: lost.reason, stored: "unknown" }))
      assert.include(error.message, "whether the event was stored is unknown")
      assert.strictEqual((yield* PubSub.take(transitions)).state, "backing-off")
      assert.include(log.degraded() ?? "", "the storage worker ended")
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* Fiber.join(waiting), { first: 2, last: 2 })
      const { events } = yield* log.query(queryOf())
      assert.deepStrictEqual(
        events.map(({ message }) => message),
        ["stored after all", "waits"]
      )
      assert.isUndefined(log.degraded())
    })
  )

  it.effect("tells askers whose message was in hand and not begun that the actor restarted", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log, supervisor } = yield* start(storage)
      const gate = yield* makeGate
      storage.beforeStore = gate.wait
      yield* appendInBackground(log, "first")
      yield* gate.reached
      const megabytes = "x".repeat(3 * 1024 * 1024)
      const one = yield* appendInBackground(log, megabytes)
      const two = yield* appendInBackground(log, megabytes)
      yield* untilWaiting(supervisor, 2)
      storage.beforeStore = Effect.fail(lost)
      yield* gate.pass
      assert.instanceOf(yield* Effect.flip(Fiber.join(one)), StoreFailed)
      const error = yield* Effect.flip(Fiber.join(two))
      assert.instanceOf(error, ActorUnavailable)
      assert.include(error.message, "EventStore restarted while it worked on this request")
      storage.beforeStore = Effect.void
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* log.append([runOf(["next"])]), { first: 2, last: 2 })
    })
  )

  it.effect("is asked for again and again until it is back, however long that takes", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log, supervisor } = yield* start(storage)
      yield* log.append([runOf(["before"])])
      storage.beforeStore = Effect.fail(lost)
      storage.beforeRead = Effect.fail(lost)
      yield* Effect.flip(log.append([runOf(["lost"])]))
      const waiting = yield* appendInBackground(log, "waits")
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(waiting.pollUnsafe())
      const [actor] = yield* supervisor.report
      assert.strictEqual(actor?.state, "backing-off")
      storage.beforeStore = Effect.void
      storage.beforeRead = Effect.void
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), { first: 2, last: 2 })
    })
  )

  it.effect("does not wake a follower that has nothing to see", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      yield* log.append([runOf(["a"])])
      const follower = yield* Effect.forkChild(log.awaitAfter(1), { startImmediately: true })
      storage.beforeStore = Effect.fail(lost)
      yield* Effect.flip(log.append([runOf(["lost"])]))
      yield* TestClock.adjust("1 second")
      storage.beforeStore = Effect.void
      assert.isUndefined(follower.pollUnsafe())
      yield* log.append([runOf(["b"])])
      yield* Fiber.join(follower)
    })
  )

  it.effect("tells the head that memory has, in the middle of catching up too", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      const gate = yield* makeGate
      storage.afterStore = Effect.fail(lost)
      yield* Effect.flip(log.append([runOf(["stored after all"])]))
      storage.beforeRead = gate.wait
      const follower = yield* Effect.forkChild(log.awaitAfter(0), { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      // The state of the store, then the page; before it is asked again what the page brought is there for everyone.
      for (const _ of ["state", "page"]) yield* Effect.andThen(gate.reached, gate.pass)
      yield* gate.reached
      assert.strictEqual(log.recent.last, 1)
      assert.strictEqual(log.bounds().last, 1)
      yield* Fiber.join(follower)
    })
  )

  it.effect("while retention goes on: what it removed meanwhile is skipped", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      yield* log.append([runOf(["a"])])
      storage.afterStore = Effect.fail(lost)
      yield* Effect.flip(log.append([runOf(["b", "c", "d", "e"])]))
      storage.afterStore = Effect.void
      yield* log.retain({ maxCount: 2, maxBytes: 0, receivedBefore: null })
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* log.append([runOf(["f"])]), { first: 6, last: 6 })
      const { events } = yield* log.query(queryOf())
      assert.deepStrictEqual(
        events.map(({ message }) => message),
        ["d", "e", "f"]
      )
      assert.strictEqual(log.recent.first, 4)
    })
  )
})

describe("start", () => {
  it.effect("shows what an earlier run stored, newest in memory, before anyone can ask", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      storage.seed([runOf(Array.from({ length: 3500 }, (_, i) => `${i + 1}`))])
      const { log } = yield* start(storage, { events: 2500, bytes: 1024 * 1024 })
      assert.deepStrictEqual([log.bounds().first, log.bounds().last], [1, 3500])
      assert.deepStrictEqual([log.recent.first, log.recent.last], [1001, 3500])
      assert.deepStrictEqual(
        log.recent.page(3498, 4000, 10)?.events.map(({ message }) => message),
        ["3499", "3500"]
      )
      assert.deepStrictEqual(yield* log.append([runOf(["next"])]), { first: 3501, last: 3501 })
    })
  )

  it.effect("tells the bounds of a log of which retention left nothing", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const first = yield* start(storage)
      yield* first.log.append([runOf(["a", "b"])])
      yield* first.log.retain({ maxCount: 0, maxBytes: 0, receivedBefore: 1n })
      const expected = { first: 3, last: 2, removedThrough: 2 }
      assert.deepInclude(first.log.bounds(), expected)
      yield* first.stop
      const second = yield* start(storage)
      assert.deepInclude(second.log.bounds(), expected)
      assert.deepStrictEqual(yield* second.log.append([runOf(["c"])]), { first: 3, last: 3 })
      assert.deepInclude(second.log.bounds(), { first: 3, last: 3, removedThrough: 2 })
    })
  )

  it.effect("fails when the store cannot be read", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      storage.beforeRead = Effect.fail(new StorageFailed({ reason: "no such table" }))
      const error = yield* Effect.flip(startOver(storage.layer))
      assert.strictEqual(error.reason, "no such table")
    })
  )
})

describe("stop", () => {
  it.effect("stores what still waits", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log, stop } = yield* start(storage)
      const gate = yield* makeGate
      storage.beforeStore = gate.wait
      yield* appendInBackground(log, "in hand")
      yield* gate.reached
      yield* appendInBackground(log, "waits")
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      storage.beforeStore = Effect.void
      yield* gate.pass
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(messagesIn(storage), ["in hand", "waits"])
    })
  )

  it.effect("does not wait for a dead disk for ever", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log, stop } = yield* start(storage)
      storage.beforeStore = Effect.never
      const appending = yield* appendInBackground(log, "never stored")
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(stopping)
      assert.instanceOf(yield* Effect.flip(Fiber.join(appending)), ActorUnavailable)
    })
  )
})

describe("the weight of what waits", () => {
  const twoMegabytes = "x".repeat(2 * 1024 * 1024)

  const stalled = Effect.gen(function* () {
    const storage = makeFakeStorage()
    const { log, supervisor } = yield* start(storage)
    const gate = yield* makeGate
    storage.beforeStore = gate.wait
    yield* appendInBackground(log, "in hand")
    yield* gate.reached
    return { storage, log, gate, supervisor }
  })

  it.effect("is bounded: heavy appends wait outside, light ones pass", () =>
    Effect.gen(function* () {
      const { gate, log, storage, supervisor } = yield* stalled
      const heavy = yield* Effect.forEach(Array.from({ length: 6 }), () => appendInBackground(log, twoMegabytes))
      yield* untilWaiting(supervisor, 3)
      const light = yield* appendInBackground(log, "light")
      assert.strictEqual(yield* depthOf(supervisor), 4)
      storage.beforeStore = Effect.void
      yield* gate.pass
      yield* Effect.forEach([...heavy, light], Fiber.join)
      assert.strictEqual(storage.events.length, 8)
    })
  )

  it.effect("counts until it is stored, also when its asker has left", () =>
    Effect.gen(function* () {
      const { gate, log, storage, supervisor } = yield* stalled
      for (let i = 1; i <= 20; i++) {
        const asker = yield* appendInBackground(log, twoMegabytes)
        yield* untilWaiting(supervisor, Math.min(i, 3))
        yield* Fiber.interrupt(asker)
      }
      assert.strictEqual(yield* depthOf(supervisor), 3)
      storage.beforeStore = Effect.void
      yield* gate.pass
      yield* log.append([runOf([twoMegabytes])])
      assert.strictEqual(storage.events.length, 5)
    })
  )

  it.effect("of one append above the bound does not keep it out for ever", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      const range = yield* log.append([runOf(Array.from({ length: 5 }, () => twoMegabytes))])
      assert.deepStrictEqual(range, { first: 1, last: 5 })
    })
  )
})

describe("awaitAfter", () => {
  it.effect("returns at once for what is there, and for the rest exactly when it comes", () =>
    Effect.gen(function* () {
      const { log } = yield* start(makeFakeStorage())
      yield* log.append([runOf(["1", "2"])])
      yield* log.awaitAfter(0)
      yield* log.awaitAfter(1)
      const followers = yield* Effect.forEach([2, 3, 4, 100], (seq) =>
        Effect.forkChild(log.awaitAfter(seq), { startImmediately: true })
      )
      const awake = () => followers.map((follower) => follower.pollUnsafe() !== undefined)
      assert.deepStrictEqual(awake(), [false, false, false, false])
      yield* log.append([runOf(["3"])])
      yield* Effect.yieldNow
      assert.deepStrictEqual(awake(), [true, false, false, false])
      yield* log.append([runOf(["4", "5"])])
      yield* Effect.yieldNow
      assert.deepStrictEqual(awake(), [true, true, true, false])
      yield* log.append([runOf(Array.from({ length: 96 }, () => "more"))])
      yield* Effect.forEach(followers, Fiber.join)
    })
  )

  it.effect("shows the event to whoever it wakes", () =>
    Effect.gen(function* () {
      const { log } = yield* start(makeFakeStorage())
      const seen = yield* Deferred.make<EventPage>()
      yield* Effect.forkChild(
        Effect.andThen(
          log.awaitAfter(0),
          Effect.flatMap(log.query(queryOf()), (page) => Deferred.succeed(seen, page))
        ),
        { startImmediately: true }
      )
      yield* log.append([runOf(["here"])])
      assert.strictEqual((yield* Deferred.await(seen)).events[0]?.message, "here")
    })
  )
})

describe("record", () => {
  it.effect("marks the daemon's own events, with the time, and takes no broken text", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_123)
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      yield* log.record("cut in \ud83d", { level: "error", who: "admin", fields: "{}" })
      assert.deepStrictEqual(storage.events, [
        {
          seq: 1,
          receivedAt: 1_700_000_000_123_000_000n,
          source: "daemon",
          who: "admin",
          level: "error",
          fields: "{}",
          message: "[system-api] cut in \ufffd"
        }
      ])
    })
  )
})

describe("recorded", () => {
  it.effect("waits until what was recorded before can be read", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      yield* log.recorded
      const gate = yield* makeGate
      storage.beforeStore = gate.wait
      yield* Effect.forkChild(log.record("first"), { startImmediately: true })
      yield* gate.reached
      yield* Effect.forkChild(log.record("second"), { startImmediately: true })
      const waiting = yield* Effect.forkChild(log.recorded, { startImmediately: true })
      yield* gate.pass
      yield* gate.reached
      assert.strictEqual(log.recent.last, 1)
      assert.isUndefined(waiting.pollUnsafe())
      yield* gate.pass
      yield* Fiber.join(waiting)
      assert.strictEqual(log.recent.last, 2)
    })
  )

  it.effect("does not wait for what the store refused, nor for a disk that hangs", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      storage.beforeStore = Effect.fail(full)
      yield* log.record("refused")
      yield* log.recorded
      const gate = yield* makeGate
      storage.beforeStore = gate.wait
      yield* Effect.forkChild(log.record("stuck"), { startImmediately: true })
      yield* gate.reached
      const waiting = yield* Effect.forkChild(log.recorded, { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(waiting)
      assert.strictEqual(log.recent.last, 0)
    })
  )
})

describe("retain", () => {
  it.effect("lets go of what it removed in memory too, and says what and whether to ask again", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      storage.retainMax = 3
      const { log } = yield* start(storage)
      yield* log.append([runOf(["1", "2", "3", "4", "5", "6"])])
      const limits = { maxCount: 2, maxBytes: 0, receivedBefore: null }
      const first = yield* log.retain(limits)
      assert.deepStrictEqual([first.removed, first.more], [{ first: 1, last: 3 }, true])
      assert.deepInclude(log.bounds(), { first: 4, last: 6, removedThrough: 3 })
      const second = yield* log.retain(limits)
      assert.deepStrictEqual([second.removed, second.more], [{ first: 4, last: 4 }, false])
      assert.deepStrictEqual([log.recent.first, log.recent.last], [5, 6])
      assert.isNull((yield* log.retain(limits)).removed)
    })
  )

  it.effect("tells a full and a lost store apart", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log } = yield* start(storage)
      const limits = { maxCount: 1, maxBytes: 0, receivedBefore: null }
      storage.beforeStore = Effect.fail(full)
      assert.instanceOf(yield* Effect.flip(log.retain(limits)), StoreFull)
      storage.beforeStore = Effect.fail(lost)
      assert.deepStrictEqual(
        yield* Effect.flip(log.retain(limits)),
        new StoreFailed({ reason: lost.reason, stored: "unknown" })
      )
    })
  )
})

describe("over the real storage", () => {
  const collect = Effect.fnUntraced(function* (
    ask: (query: EventQuery) => Effect.Effect<EventPage, unknown>,
    query: EventQuery
  ) {
    const events: Array<EventPage["events"][number]> = []
    for (let { after, before } = query; ;) {
      const page = yield* Effect.orDie(ask({ ...query, after, before, limit: query.limit - events.length }))
      events.push(...page.events)
      if (page.done || events.length >= query.limit) return events
      if (query.order === "oldest-first") after = page.through
      else before = page.through
    }
  })

  it.live("memory and storage give the same answer to the same query", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const real = yield* startOver(layerWorker(folder))
      const model = yield* start(makeFakeStorage())
      const runs = Array.from({ length: 40 }, (_, i) =>
        runOf([`a${i}`, `B${i}`, `%_${i}`], {
          receivedAt: BigInt((i * 7) % 11),
          source: i % 2 === 0 ? "http" : "pipe:a"
        })
      )
      for (const run of runs) {
        yield* real.log.append([run])
        yield* model.log.append([run])
      }
      for (const after of [0, 1, 50, 119, 120, 500]) {
        for (const limit of [1, 7, 1000]) {
          const query = queryOf({ after, limit })
          const expected = yield* collect(model.log.query, query)
          assert.deepStrictEqual(yield* collect(real.log.query, query), expected)
          // An end of the range that is within the log is one that only storage answers.
          assert.deepStrictEqual(
            yield* collect(real.log.query, { ...query, before: 120 }),
            expected.slice(0, Math.max(0, 119 - after))
          )
        }
      }
    })
  )

  it.effect.prop(
    "memory and the model give the same answer to any query",
    [DrawnRuns, Schema.Array(DrawnQuery).check(Schema.isMinLength(1), Schema.isMaxLength(6))],
    ([drawnRuns, drawnQueries]) =>
      Effect.gen(function* () {
        const near = makeFakeStorage()
        const far = makeFakeStorage()
        const inMemory = yield* start(near)
        const inStorage = yield* start(far, { events: 1, bytes: 1 })
        for (const run of drawnRuns.map(toRun)) {
          yield* inMemory.log.append([run])
          yield* inStorage.log.append([run])
        }
        for (const query of drawnQueries.map(toQuery)) {
          const expected = yield* collect(inStorage.log.query, query)
          assert.deepStrictEqual(yield* collect(inMemory.log.query, query), expected)
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 40 } }
  )

  it.live("a restart keeps all, and the newest are in memory again", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const first = yield* startOver(layerWorker(folder))
      for (let i = 1; i <= 20; i++) yield* first.log.append([runOf([`event ${i}`])])
      const appended = yield* Effect.forkChild(first.log.append([runOf(["at the end"])]), { startImmediately: true })
      yield* first.stop
      yield* Fiber.join(appended)
      const second = yield* startOver(layerWorker(folder), { events: 5, bytes: 1024 })
      assert.deepInclude(second.log.bounds(), { first: 1, last: 21, removedThrough: 0 })
      assert.deepStrictEqual([second.log.recent.first, second.log.recent.last], [17, 21])
      const { events } = yield* second.log.query(queryOf())
      assert.deepStrictEqual(
        events.map(({ seq }) => seq),
        Array.from({ length: 21 }, (_, i) => i + 1)
      )
      assert.strictEqual(events.at(-1)?.message, "at the end")
    })
  )
})
