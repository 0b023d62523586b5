import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { makeKillable, ways } from "../harness/killable.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as UnitWatch from "../../src/actors/UnitWatch.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import type { EventRun } from "../../src/services/events/Event.ts"
import { StoreFull } from "../../src/services/events/EventLog.ts"
import { MarkMoved } from "../../src/services/events/Mark.ts"
import { Journal, JournalForbidden } from "../../src/services/journal/Journal.ts"
import { type ToolError, ToolMissing, ToolTimeout } from "../../src/services/tools/Tool.ts"
import { Units, type UnitState } from "../../src/services/units/Units.ts"
import { mockEventLog } from "../harness/mocks.ts"
import { temporaryFolder } from "../harness/temporaryFolder.ts"
import { failedState, stateOf } from "../services/units/support.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const entry = (message: string) => ({
  cursor: "c",
  realtimeUs: 0,
  priority: 6,
  identifier: "web",
  pid: 1,
  unit: "web.service",
  hostname: "h",
  message
})

interface Told {
  readonly source: string
  readonly level: string
  readonly message: string
  readonly fields: Record<string, unknown>
}

/** The log and its marks outlive the daemons that watch; the units are as the test says. */
const makeWorld = Effect.fnUntraced(function* (
  toml = "",
  ofUnit = "",
  supervisor: Layer.Layer<Supervisor> = Supervisor.layer
) {
  const folder = yield* temporaryFolder
  const path = join(folder, "config.toml")
  const units = `[units.web]\nunit = "web.service"\nredact = ["secret=[a-z]+"]\n${ofUnit}\n[units.off]\nunit = "off.service"\nwatch = false\n`
  yield* Effect.promise(() => writeFile(path, `${toml}\n${units}`))
  const { config } = yield* load(path, {})
  const begun = yield* Queue.unbounded<void>()
  const marks = new Map<string, string>()
  const told: Array<Told> = []
  const queries: Array<Parameters<Journal["Service"]["page"]>[0]> = []
  const world = {
    config,
    told,
    queries,
    marks,
    states: new Map<string, UnitState>([["web", stateOf()]]),
    lines: Effect.succeed(["one", "two secret=abc"]) as Effect.Effect<ReadonlyArray<string>, JournalForbidden>,
    failure: undefined as ToolError | undefined,
    full: false,
    looks: 0
  }
  const log = mockEventLog({
    mark: (name) => Effect.sync(() => marks.get(name)),
    appendMarked: Effect.fnUntraced(function* (runs: ReadonlyArray<EventRun>, { from, name, value }) {
      if (world.full) return yield* new StoreFull({ reason: "no room" })
      if (marks.get(name) !== from) return yield* new MarkMoved({ name, value: marks.get(name) })
      marks.set(name, value)
      for (const { fields = "{}", level, messages, source } of runs) {
        told.push({ source, level, message: messages.join(), fields: JSON.parse(fields) })
      }
      return { first: 1, last: 1 }
    })
  })
  const readAnew = Effect.suspend(() => {
    world.looks += 1
    Queue.offerUnsafe(begun, undefined)
    return world.failure === undefined
      ? Effect.succeed({ value: world.states, readAt: 0, ageMs: 0, stale: false, error: undefined })
      : Effect.fail(world.failure)
  })
  const journal = Layer.mock(Journal, {
    page: (query) =>
      Effect.suspend(() => {
        queries.push(query)
        return Effect.map(world.lines, (lines) => ({ entries: lines.map(entry), truncated: false }))
      })
  })
  const forgetLooks = Effect.sync(() => {
    world.looks = 0
  }).pipe(Effect.andThen(Queue.clear(begun)))
  const watch = Layer.unwrap(Effect.as(forgetLooks, UnitWatch.layer))
  const daemon = watch.pipe(
    Layer.provideMerge(supervisor),
    Layer.provide([log, journal, Layer.mock(Units, { readAnew, peek: () => undefined }), CurrentConfig.layer(config)])
  )
  /** Looks at it so, so often. */
  const look = (state: UnitState, times = 2) =>
    Effect.gen(function* () {
      world.states = new Map([["web", state]])
      for (let n = 0; n < times; n++) {
        yield* TestClock.adjust(config.watch.interval_ms)
        // The code of the looks is loaded for the first of them.
        if (world.looks === 0) yield* Queue.take(begun)
        yield* settle
      }
      return told.splice(0)
    })
  return { world, daemon, look }
})

/** What a look does it does in one turn of the loop, or two. */
const settle = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

const events = (told: ReadonlyArray<Told>) => told.map(({ fields, level }) => [fields["event"], level])

/** Runs it while a daemon watches. */
const watching = <A, E, R>(daemon: Layer.Layer<Supervisor>, effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Layer.fresh(daemon)).pipe(quiet)

describe("a watched unit", () => {
  it.effect("that fails is told of once, with why and the last lines of its journal, and when it is well again", () =>
    Effect.gen(function* () {
      const { daemon, look, world } = yield* makeWorld()
      yield* watching(
        daemon,
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* look(stateOf()), [])
          const [failed, ...more] = yield* look(failedState({ invocation_id: "i1" }), 10)
          assert.deepStrictEqual(failed, {
            source: "unit:web",
            level: "error",
            message: "web.service failed: exit-code, exit status 3",
            fields: {
              unit: "web.service",
              event: "failed",
              from: "well",
              to: "failed/failed",
              result: "exit-code",
              exit_status: "3",
              restarts: 0,
              invocation_id: "i1",
              journal: ["one", "two [redacted]"]
            }
          })
          assert.deepStrictEqual(more, [])
          assert.deepStrictEqual(world.queries, [{ units: ["web.service"], lines: 20, maxBytes: 8192 }])
          assert.deepStrictEqual(events(yield* look(stateOf({ invocation_id: "i2" }), 10)), [["recovered", "info"]])
        })
      )
    })
  )

  it.effect("that was failed at the first look is told of once, over restarts of the daemon", () =>
    Effect.gen(function* () {
      const { daemon, look } = yield* makeWorld()
      const state = failedState({ invocation_id: "i1" })
      assert.deepStrictEqual(events(yield* watching(daemon, look(state))), [["failed", "error"]])
      assert.deepStrictEqual(yield* watching(daemon, look(state)), [])
      assert.deepStrictEqual(events(yield* watching(daemon, look({ ...state, invocation_id: "i2" }))), [
        ["failed", "error"]
      ])
      // What happened while no daemon ran is told by the next.
      assert.deepStrictEqual(events(yield* watching(daemon, look(stateOf({ invocation_id: "i3" })))), [
        ["recovered", "info"]
      ])
    })
  )

  it.effect("is news at the first look only when it has failed", () =>
    Effect.gen(function* () {
      for (const state of [
        stateOf(),
        stateOf({ active_state: "inactive", sub_state: "dead" }),
        stateOf({ load_state: "not-found", active_state: "inactive", sub_state: "dead" }),
        stateOf({ load_state: "masked", active_state: "inactive", sub_state: "dead" })
      ]) {
        const { daemon, look } = yield* makeWorld()
        assert.deepStrictEqual(yield* watching(daemon, look(state)), [])
      }
    })
  )

  it.effect("that systemd started again is told of as a warning, and one that was started anew as no failure", () =>
    Effect.gen(function* () {
      const { daemon, look } = yield* makeWorld()
      yield* watching(
        daemon,
        Effect.gen(function* () {
          yield* look(stateOf())
          const [restarted, ...more] = yield* look(stateOf({ invocation_id: "i2", restarts: 2 }))
          assert.deepStrictEqual(
            [restarted?.level, restarted?.message, more],
            ["warning", "web.service ended, and systemd started it again 2 times", []]
          )
          assert.isDefined(restarted?.fields["journal"])
          const [anew] = yield* look(stateOf({ invocation_id: "i3", restarts: 0 }))
          assert.deepStrictEqual([anew?.level, anew?.message], ["info", "web.service was started anew"])
          assert.isUndefined(anew?.fields["journal"])
        })
      )
    })
  )

  it.effect("that is stopped, masked or gone is a warning; what it passes through is nothing", () =>
    Effect.gen(function* () {
      const { daemon, look } = yield* makeWorld()
      const dead = stateOf({ active_state: "inactive", sub_state: "dead", invocation_id: null })
      yield* watching(
        daemon,
        Effect.gen(function* () {
          yield* look(stateOf())
          assert.deepStrictEqual(yield* look(stateOf({ active_state: "deactivating", sub_state: "stop" })), [])
          // A restart is not told as a stop.
          assert.deepStrictEqual(yield* look(dead, 1), [])
          assert.deepStrictEqual(yield* look(stateOf({ active_state: "activating", sub_state: "start" })), [])
          assert.deepStrictEqual(events(yield* look(dead, 5)), [["stopped", "warning"]])
          assert.deepStrictEqual(events(yield* look({ ...dead, load_state: "masked" })), [["masked", "warning"]])
          assert.deepStrictEqual(events(yield* look({ ...dead, load_state: "not-found" })), [["missing", "warning"]])
          assert.deepStrictEqual(events(yield* look({ ...dead, load_state: "bad-setting" })), [["failed", "error"]])
          assert.deepStrictEqual(events(yield* look(stateOf({ invocation_id: "i9" }), 15)), [["recovered", "info"]])
        })
      )
    })
  )

  it.effect("that loops is told of a few times a minute, with how much was left out, and never as well", () =>
    Effect.gen(function* () {
      const { daemon, look } = yield* makeWorld("[watch]\ninterval_ms = 1000")
      yield* watching(
        daemon,
        Effect.gen(function* () {
          yield* look(stateOf())
          const all: Array<Told> = []
          for (let n = 1; n <= 300; n++) {
            const at = { invocation_id: `i${n}`, restarts: n }
            const waits = failedState({ ...at, active_state: "activating", sub_state: "auto-restart" })
            all.push(...(yield* look(n % 2 === 0 ? waits : stateOf(at), 1)))
          }
          // At the beginning it looks as if it were restarted; as soon as it is seen failed it has failed.
          assert.isTrue(all.every(({ fields }) => fields["event"] !== "recovered"))
          assert.isAtLeast(all.length, 16)
          assert.isAtMost(all.length, 24)
          const leftOut = all.reduce((sum, { fields }) => sum + Number(fields["left_out"] ?? 0), 0)
          assert.isAtLeast(leftOut, 100)
          assert.match(all.at(-1)?.message ?? "", /systemd has started it again \d+ times/u)
          assert.deepStrictEqual(events(yield* look(stateOf({ invocation_id: "i300", restarts: 300 }), 70)), [
            ["recovered", "info"]
          ])
        })
      )
    })
  )

  it.effect("whose logs are off shows none, and one whose journal may not be read says why", () =>
    Effect.gen(function* () {
      const closed = yield* makeWorld("", "logs = false")
      const [withoutLogs] = yield* watching(closed.daemon, closed.look(failedState()))
      assert.isFalse("journal" in (withoutLogs?.fields ?? {}))
      assert.deepStrictEqual(closed.world.queries, [])

      const refused = yield* makeWorld()
      refused.world.lines = Effect.fail(new JournalForbidden())
      const [said] = yield* watching(refused.daemon, refused.look(failedState()))
      assert.match(String(said?.fields["journal_error"]), /systemd-journal/u)

      const hangs = yield* makeWorld()
      hangs.world.lines = Effect.never
      const [late] = yield* watching(hangs.daemon, hangs.look(failedState()))
      assert.match(String(late?.fields["journal_error"]), /journalctl did not answer in time/u)
    })
  )

  it.effect("is told of later when the log takes nothing now", () =>
    Effect.gen(function* () {
      const { daemon, look, world } = yield* makeWorld()
      yield* watching(
        daemon,
        Effect.gen(function* () {
          yield* look(stateOf())
          world.full = true
          assert.deepStrictEqual(yield* look(failedState(), 5), [])
          world.full = false
          assert.deepStrictEqual(events(yield* look(failedState(), 5)), [["failed", "error"]])
        })
      )
    })
  )

  it.effect("under an id that another one had begins anew", () =>
    Effect.gen(function* () {
      const { daemon, look, world } = yield* makeWorld()
      world.marks.set(
        "unit:web",
        JSON.stringify({ unit: "old.service", condition: "well", invocation: "x", restarts: 0 })
      )
      assert.deepStrictEqual(
        yield* watching(daemon, look(stateOf({ active_state: "inactive", sub_state: "dead" }))),
        []
      )
      world.marks.set("unit:web", "junk")
      assert.deepStrictEqual(events(yield* watching(daemon, look(failedState()))), [["failed", "error"]])
    })
  )
})

describe("UnitWatch killed", () => {
  it.effect.each(ways)("by %s tells nothing twice, and what comes then", (way) =>
    Effect.gen(function* () {
      const killable = yield* makeKillable
      const { daemon, look, world } = yield* makeWorld("", "", killable.layer)
      yield* watching(
        daemon,
        Effect.gen(function* () {
          assert.deepStrictEqual(events(yield* look(failedState())), [["failed", "error"]])
          const { restarts } = yield* killable.crash("UnitWatch", way)
          assert.strictEqual(restarts, 1)
          world.looks = 0
          assert.deepStrictEqual(yield* look(failedState()), [])
          assert.deepStrictEqual(events(yield* look(stateOf({ invocation_id: "i2" }))), [["recovered", "info"]])
        })
      )
    })
  )
})

describe("watching", () => {
  const actor = Effect.gen(function* () {
    const { report } = yield* Supervisor
    return (yield* report).find(({ name }) => name === "UnitWatch")
  })

  it.effect("looks each interval, and not at all while that is 0", () =>
    Effect.gen(function* () {
      const { daemon, look, world } = yield* makeWorld()
      yield* watching(
        daemon,
        Effect.gen(function* () {
          assert.strictEqual(world.looks, 0)
          yield* look(stateOf(), 3)
          assert.strictEqual(world.looks, 3)
        })
      )
      const off = yield* makeWorld("[watch]\ninterval_ms = 0")
      yield* watching(off.daemon, TestClock.adjust("1 hour"))
      assert.strictEqual(off.world.looks, 0)
    })
  )

  it.effect("ends where there is no systemctl", () =>
    Effect.gen(function* () {
      const { daemon, look, world } = yield* makeWorld()
      world.failure = new ToolMissing({ binary: "systemctl" })
      yield* watching(
        daemon,
        Effect.gen(function* () {
          yield* look(stateOf(), 5)
          assert.strictEqual(world.looks, 1)
          assert.deepInclude(yield* actor, { state: "stopped", restarts: 0 })
        })
      )
    })
  )

  it.effect("asks a systemctl that does not answer once a minute, and tells nothing old as news", () =>
    Effect.gen(function* () {
      const { daemon, look, world } = yield* makeWorld()
      yield* watching(
        daemon,
        Effect.gen(function* () {
          yield* look(stateOf())
          world.failure = new ToolTimeout({ command: "systemctl" })
          const before = world.looks
          assert.deepStrictEqual(yield* look(failedState(), 60), [])
          assert.isAtMost(world.looks - before, 6)
          world.failure = undefined
          assert.deepStrictEqual(events(yield* look(failedState(), 30)), [["failed", "error"]])
          assert.deepInclude(yield* actor, { state: "running", restarts: 0 })
        })
      )
    })
  )
})
