import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as EventStore from "../../src/actors/EventStore.ts"
import * as JournalFeed from "../../src/actors/JournalFeed.ts"
import * as JournalReader from "../../src/actors/JournalReader.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { resolve } from "../../src/services/config/resolve.ts"
import { JournalForbidden } from "../../src/services/journal/Journal.ts"
import { JournalFeeds } from "../../src/services/journal/JournalFeeds.ts"
import { Metrics } from "../../src/services/metrics/Metrics.ts"
import { StorageFull, StorageLost } from "../../src/services/storage/EventStorage.ts"
import { ToolFailed, ToolMissing } from "../../src/services/tools/Tool.ts"
import { type FakeJournal, makeFakeJournal } from "../harness/FakeJournal.ts"
import { type FakeStorage, makeFakeStorage } from "../harness/FakeStorage.ts"

const configOf = (units: Readonly<Record<string, object>>, journal: object = {}) => {
  const { config, problems } = resolve({ units, journal }, {}, {})
  if (config === undefined) return assert.fail(JSON.stringify(problems))
  return config
}

const recorded = (id: string, more: object = {}) => ({ [id]: { unit: `${id}.service`, record: true, ...more } })
const aAndB = { ...recorded("a"), ...recorded("b") }

interface Machine {
  readonly journal: FakeJournal
  readonly storage: FakeStorage
}

/** The daemon's part of it, until `stop`, or until the test ends. */
const start = Effect.fnUntraced(function* ({ journal, storage }: Machine, config = configOf(aAndB)) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const layer = JournalReader.layerWith(Effect.succeed(JournalFeed)).pipe(
    Layer.provideMerge(EventStore.layer({ recent: { events: 100, bytes: 100_000 } })),
    Layer.provideMerge(Layer.mergeAll(Supervisor.layer, CurrentConfig.layer(config), Metrics.layer, journal.layer)),
    Layer.provide(storage.layer)
  )
  const context = yield* Effect.orDie(Layer.buildWithScope(Layer.fresh(layer), scope))
  return {
    feeds: Context.get(context, JournalFeeds).stats,
    report: Context.get(context, Supervisor).report,
    reconfigure: Context.get(context, CurrentConfig).set,
    metrics: Context.get(context, Metrics).render,
    stop: Scope.close(scope, Exit.void)
  }
})

const machine = (): Machine => ({ journal: makeFakeJournal(), storage: makeFakeStorage() })

/** Lets everything happen that needs no time, and what is tried again at once. */
const soon = TestClock.adjust("5 seconds")

const of = (storage: FakeStorage, id: string) =>
  storage.events.filter(({ source }) => source === `journal:${id}`).map(({ message }) => message)

const told = (storage: FakeStorage) =>
  storage.events.filter(({ source }) => source === "daemon").map(({ message }) => message)

const numbered = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `n${from + i}`)

describe("recording a journal", () => {
  it.effect("makes an event of every entry, with its time, its level and where it comes from", () =>
    Effect.gen(function* () {
      const on = machine()
      yield* start(on)
      on.journal.write("a.service", ["first"])
      on.journal.write("a.service", ["bad"], { priority: 3, pid: null, identifier: null })
      on.journal.write("a.service", ["careful", "again"], { priority: 4 })
      on.journal.write("a.service", ["small"], { priority: 7 })
      on.journal.write("a.service", ["none"], { priority: null })
      on.journal.write("other.service", ["not recorded"])
      yield* soon
      assert.deepStrictEqual(
        on.storage.events.map(({ level, message, receivedAt, source }) => [source, level, message, receivedAt]),
        [
          ["journal:a", "info", "first", 1_000_000_000n],
          ["journal:a", "error", "bad", 2_000_000_000n],
          ["journal:a", "warning", "careful", 3_000_000_000n],
          ["journal:a", "warning", "again", 4_000_000_000n],
          ["journal:a", "debug", "small", 5_000_000_000n],
          ["journal:a", "info", "none", 6_000_000_000n]
        ]
      )
      assert.deepStrictEqual(
        on.storage.events.slice(0, 2).map(({ fields }): unknown => JSON.parse(fields ?? "")),
        [
          { unit: "a.service", identifier: "program", pid: 77, priority: 6 },
          { unit: "a.service", priority: 3 }
        ]
      )
    })
  )

  it.effect("goes on behind what the log has, after a stop and after a kill at any moment", () =>
    Effect.gen(function* () {
      const on = machine()
      on.journal.chunk = 7
      const first = yield* start(on)
      on.journal.write("a.service", numbered(1, 30))
      on.journal.write("b.service", numbered(1, 10))
      yield* soon
      yield* first.stop
      on.journal.write("a.service", numbered(31, 60))
      // It is killed after a commit that nobody is told of: nothing of what it does then reaches the disk.
      let commits = 0
      const dead = new StorageLost({ reason: "killed" })
      on.storage.afterStore = Effect.suspend(() => {
        commits += 1
        if (commits < 2) return Effect.void
        on.storage.beforeStore = Effect.fail(dead)
        return Effect.fail(dead)
      })
      const second = yield* start(on)
      yield* soon
      const stopping = yield* Effect.forkChild(second.stop)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(of(on.storage, "a"), numbered(1, 44))
      on.storage.beforeStore = Effect.void
      on.storage.afterStore = Effect.void
      yield* start(on)
      yield* soon
      on.journal.write("a.service", numbered(61, 70))
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), numbered(1, 70))
      assert.deepStrictEqual(of(on.storage, "b"), numbered(1, 10))
    })
  )

  it.effect("sends again what it lost the answer to, and the log has it once", () =>
    Effect.gen(function* () {
      const on = machine()
      const { feeds } = yield* start(on)
      let lost = 0
      on.storage.afterStore = Effect.suspend(() => {
        lost += 1
        return lost === 1 ? Effect.fail(new StorageLost({ reason: "the storage worker ended" })) : Effect.void
      })
      on.journal.write("a.service", ["once"])
      yield* soon
      on.journal.write("a.service", ["twice"])
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), ["once", "twice"])
      assert.deepInclude(feeds()[0], { id: "a", recorded: 2, waits: undefined })
    })
  )

  it.effect("waits for a log that is full, without end, and loses nothing", () =>
    Effect.gen(function* () {
      const on = machine()
      on.journal.chunk = 2
      const { feeds, metrics } = yield* start(on)
      on.storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      on.journal.write("a.service", numbered(1, 9))
      yield* TestClock.adjust("5 minutes")
      assert.deepInclude(feeds()[0], {
        recorded: 0,
        waits: "the event store cannot take new events: no space left on device"
      })
      assert.include(yield* metrics, 'systemapi_journal_waiting{journal="a"} 1')
      on.storage.beforeStore = Effect.void
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), numbered(1, 9))
      assert.deepInclude(feeds()[0], { recorded: 9, waits: undefined })
      assert.include(yield* metrics, 'systemapi_journal_recorded_total{journal="a"} 9')
      // What it was held up for may have been let go of by the journal: it asks anew, from the mark.
      assert.deepStrictEqual(on.journal.asked.at(-1)?.after, "2")
    })
  )

  it.effect("passes over what the daemon writes itself, and never reads it again", () =>
    Effect.gen(function* () {
      const on = machine()
      const first = yield* start(on)
      on.journal.write("a.service", ["mine"], { pid: process.pid })
      on.journal.write("a.service", ["of a child"])
      on.journal.write("a.service", ["mine too"], { pid: process.pid })
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), ["of a child"])
      assert.deepInclude(first.feeds()[0], { recorded: 1, passedOver: 2 })
      assert.strictEqual(on.storage.marks.get("journal:a"), "3")
      yield* first.stop
    })
  )

  it.effect("keeps of a long message what an event may have, and of one that is redacted no secret", () =>
    Effect.gen(function* () {
      const on = machine()
      const config = configOf(recorded("a", { redact: ["token=\\w+"] }))
      yield* start(on, { ...config, events: { ...config.events, message_max_bytes: 10 } })
      on.journal.write("a.service", ["token=secret", "aaaaaaaaä", "aaaaaaaa"])
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), ["[redacted]", "aaaaaaaaä", "aaaaaaaa"])
      on.journal.write("a.service", ["aaaaaaaaaä"])
      yield* soon
      assert.strictEqual(on.storage.events.at(-1)?.message, "aaaaaaaaa")
      assert.deepInclude(JSON.parse(on.storage.events.at(-1)?.fields ?? ""), { truncated: true, bytes: 11 })
    })
  )
})

describe("recording a journal begins", () => {
  it.effect("with the machine's start", () =>
    Effect.gen(function* () {
      const on = machine()
      on.journal.write("a.service", ["before the boot"])
      on.journal.reboot()
      on.journal.write("a.service", ["since"])
      yield* start(on)
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), ["since"])
    })
  )

  it.effect("with what comes from then on, where that is asked for; a kill right after it changes nothing", () =>
    Effect.gen(function* () {
      const on = machine()
      const config = configOf(aAndB, { from: "now" })
      on.journal.write("a.service", ["before"])
      const first = yield* start(on, config)
      yield* soon
      yield* first.stop
      on.journal.write("a.service", ["while it was down"])
      on.journal.write("b.service", ["the first of all"])
      yield* start(on, config)
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), ["while it was down"])
      assert.deepStrictEqual(of(on.storage, "b"), ["the first of all"])
    })
  )

  it.effect("for a unit that is recorded from a reload on, and goes on for one that was not for a while", () =>
    Effect.gen(function* () {
      const on = machine()
      const { feeds, reconfigure } = yield* start(on, configOf(recorded("a")))
      on.journal.write("a.service", ["a1"])
      on.journal.write("b.service", ["b1"])
      yield* soon
      reconfigure(configOf(recorded("b")))
      yield* soon
      on.journal.write("a.service", ["a2"])
      on.journal.write("b.service", ["b2"])
      yield* soon
      assert.deepStrictEqual([of(on.storage, "a"), of(on.storage, "b")], [["a1"], ["b1", "b2"]])
      assert.deepStrictEqual(
        feeds().map(({ id }) => id),
        ["b"]
      )
      reconfigure(configOf(aAndB))
      yield* soon
      on.journal.write("a.service", ["a3"])
      yield* soon
      assert.deepStrictEqual(
        [of(on.storage, "a"), of(on.storage, "b")],
        [
          ["a1", "a2", "a3"],
          ["b1", "b2"]
        ]
      )
      // What has not changed was left alone.
      assert.strictEqual(on.journal.asked.filter(({ units }) => units[0] === "b.service").length, 1)
    })
  )

  it.effect("with another priority where the mark is", () =>
    Effect.gen(function* () {
      const on = machine()
      const { reconfigure } = yield* start(on, configOf(recorded("a"), { priority: 4 }))
      on.journal.write("a.service", ["w1"], { priority: 4 })
      on.journal.write("a.service", ["i1"])
      yield* soon
      reconfigure(configOf(recorded("a"), { priority: 6 }))
      yield* soon
      on.journal.write("a.service", ["i2"])
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), ["w1", "i1", "i2"])
    })
  )
})

describe("a journal that", () => {
  it.effect("let go of what was not read yet is told as a gap, once, and read on", () =>
    Effect.gen(function* () {
      const on = machine()
      const first = yield* start(on, configOf(recorded("a")))
      on.journal.write("a.service", numbered(1, 5))
      yield* soon
      yield* first.stop
      on.journal.write("a.service", numbered(6, 20))
      on.journal.vacuum(4)
      const gap = "[system-api] entries of the journal are missing here: the last one that was recorded is gone from it"
      const second = yield* start(on, configOf(recorded("a")))
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), [...numbered(1, 5), gap, ...numbered(17, 20)])
      assert.deepInclude(second.feeds()[0], { gaps: 1 })
      yield* second.stop
      on.journal.vacuum(0)
      const third = yield* start(on, configOf(recorded("a")))
      yield* soon
      yield* third.stop
      yield* start(on, configOf(recorded("a")))
      yield* soon
      on.journal.write("a.service", ["later"])
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), [...numbered(1, 5), gap, ...numbered(17, 20), gap, "later"])
    })
  )

  for (const [what, error] of [
    ["has no journalctl", new ToolMissing({ binary: "journalctl" })],
    ["may not be read", new JournalForbidden()]
  ] as const) {
    it.effect(`${what} is told once, and read when that has changed`, () =>
      Effect.gen(function* () {
        const on = machine()
        on.journal.fault = error
        on.journal.write("a.service", ["a1"])
        const { feeds, report } = yield* start(on, configOf(recorded("a")))
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(told(on.storage), [`[system-api] journal:a waits: ${error.message}`])
        assert.deepInclude(feeds()[0], { waits: error.message })
        // Asked once a minute, not in a loop.
        assert.isAtMost(on.journal.asked.length, 12)
        on.journal.fault = undefined
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(of(on.storage, "a"), ["a1"])
        assert.deepInclude(feeds()[0], { waits: undefined })
        assert.isTrue((yield* report).every(({ restarts, state }) => state === "running" && restarts === 0))
      })
    )
  }

  it.effect("ends again and again is begun again at the mark, less and less often, and told once", () =>
    Effect.gen(function* () {
      const on = machine()
      const killed = new ToolFailed({ command: "journalctl", exit_code: -1 })
      const { feeds } = yield* start(on, configOf(recorded("a")))
      on.journal.write("a.service", ["a1"])
      yield* soon
      on.journal.end(killed)
      yield* soon
      on.journal.write("a.service", ["a2"])
      yield* soon
      assert.deepStrictEqual(of(on.storage, "a"), ["a1", "a2"])
      const before = on.journal.asked.length
      on.journal.fault = killed
      yield* TestClock.adjust("10 minutes")
      assert.isAtMost(on.journal.asked.length - before, 40)
      assert.deepInclude(feeds()[0], { waits: killed.message })
      on.journal.fault = undefined
      on.journal.write("a.service", ["a3"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(of(on.storage, "a"), ["a1", "a2", "a3"])
      assert.deepStrictEqual(told(on.storage), [`[system-api] journal:a waits: ${killed.message}`])
      assert.deepInclude(feeds()[0], { waits: undefined })
      // An end that comes long after is news.
      yield* TestClock.adjust("2 minutes")
      on.journal.end(killed)
      yield* soon
      assert.strictEqual(told(on.storage).length, 2)
    })
  )

  it.effect("is quiet is well again when it can be read", () =>
    Effect.gen(function* () {
      const on = machine()
      const { feeds } = yield* start(on, configOf(recorded("a")))
      yield* soon
      on.journal.end(new ToolFailed({ command: "journalctl", exit_code: -1 }))
      yield* TestClock.adjust("50 millis")
      assert.isDefined(feeds()[0]?.waits)
      yield* soon
      assert.isUndefined(feeds()[0]?.waits)
    })
  )
})
