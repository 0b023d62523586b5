import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { ActorUnavailable } from "../../../src/services/ActorUnavailable.ts"
import { StoreFull } from "../../../src/services/events/EventLog.ts"
import type { LineRun } from "../../../src/services/fifo/LineFramer.ts"
import * as LineRecorder from "../../../src/services/fifo/LineRecorder.ts"
import { makeFakeLog } from "./support.ts"

const run = (messages: Array<string>, receivedAt = 1n, fields?: string): LineRun => ({ receivedAt, fields, messages })

const start = Effect.gen(function* () {
  const log = yield* makeFakeLog
  const refusals: Array<readonly [string, number]> = []
  const rooms = yield* Queue.unbounded<void>()
  const recorder = yield* Effect.provide(
    LineRecorder.make({
      source: "pipe:test",
      onRoom: () => void Queue.offerUnsafe(rooms, undefined),
      onRefused: (reason, atMs) => refusals.push([reason, atMs])
    }),
    log.layer
  )
  return { log, recorder, refusals, room: Queue.take(rooms) }
})

describe("LineRecorder", () => {
  it.effect("stores a line at once, with the source and the fields", () =>
    Effect.gen(function* () {
      const { log, recorder } = yield* start
      const shared = { receivedAt: 5n, offsets: undefined, source: "pipe:test", who: undefined, level: "info" } as const
      recorder.offer([run(["a"], 5n), run(["b"], 5n, "{}")])
      assert.deepStrictEqual(yield* log.takeRuns, [
        { ...shared, fields: undefined, messages: ["a"] },
        { ...shared, fields: "{}", messages: ["b"] }
      ])
      yield* recorder.settled
      assert.deepStrictEqual(recorder.stats(), { stored: 2, waiting: 0, blocked: undefined })
    })
  )

  it.effect("gathers what arrives while an append is on its way into one, neighbours joined", () =>
    Effect.gen(function* () {
      const { log, recorder } = yield* start
      const gate = yield* Latch.make(false)
      log.before = gate.await
      recorder.offer([run(["1"])])
      yield* Queue.take(log.asked)
      recorder.offer([run(["2"])])
      recorder.offer([run(["3"]), run(["4"], 2n)])
      recorder.offer([run(["5"], 2n)])
      assert.strictEqual(recorder.stats().waiting, 5)
      assert.strictEqual(yield* Queue.size(log.asked), 0)
      yield* gate.open
      assert.deepStrictEqual(yield* log.take(1), ["1"])
      const [second] = yield* Queue.takeAll(log.asked)
      assert.deepStrictEqual(
        second?.map(({ messages, offsets, receivedAt }) => ({ messages, offsets, receivedAt })),
        [{ messages: ["2", "3", "4", "5"], offsets: [0, 0, 1, 1], receivedAt: 1n }]
      )
      yield* recorder.settled
      assert.strictEqual(recorder.stats().stored, 5)
    })
  )

  it.effect("says when enough waits, by lines or by text, and when there is room again", () =>
    Effect.gen(function* () {
      const { log, recorder, room } = yield* start
      const gate = yield* Latch.make(false)
      log.before = gate.await
      assert.isTrue(recorder.offer([run(["first"])]))
      yield* room
      assert.isTrue(
        recorder.offer([
          run(
            Array.from({ length: LineRecorder.waitingLinesMax - 1 }, () => ""),
            2n
          )
        ])
      )
      assert.isFalse(recorder.offer([run([""], 3n)]))
      yield* gate.open
      yield* room
      yield* recorder.settled
      yield* gate.close
      recorder.offer([run(["next"], 4n)])
      yield* room
      assert.isTrue(recorder.offer([run(["x".repeat(256 * 1024 - 1)], 5n)]))
      assert.isFalse(recorder.offer([run(["x"], 6n)]))
      yield* gate.open
      yield* room
    })
  )

  it.effect("tries a refused append again with back-off, loses nothing and keeps the order", () =>
    Effect.gen(function* () {
      const { log, recorder, refusals } = yield* start
      const full = new StoreFull({ reason: "no space left on device" })
      log.before = Effect.fail(full)
      recorder.offer([run(["1", "2"])])
      yield* Queue.take(log.asked)
      recorder.offer([run(["3"], 2n)])
      // 100 + 200 + 400 + 800 + 1600, then every 2000.
      yield* TestClock.adjust("3100 millis")
      yield* TestClock.adjust("4000 millis")
      assert.deepStrictEqual(
        refusals.map(([, atMs]) => atMs),
        [0, 100, 300, 700, 1500, 3100, 5100, 7100]
      )
      assert.strictEqual(refusals[0]?.[0], full.message)
      assert.deepStrictEqual(recorder.stats(), { stored: 0, waiting: 3, blocked: full.message })
      log.before = Effect.void
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* log.take(3), ["1", "2", "3"])
      yield* recorder.settled
      assert.deepStrictEqual(recorder.stats(), { stored: 3, waiting: 0, blocked: undefined })
    })
  )

  it.effect("goes on after any other failure of the log, a defect included", () =>
    Effect.gen(function* () {
      const { log, recorder, refusals } = yield* start
      log.before = Effect.fail(new ActorUnavailable({ actor: "EventStore", reason: "EventStore restarted" }))
      recorder.offer([run(["1"])])
      yield* Queue.take(log.asked)
      log.before = Effect.die(new Error("a bug"))
      yield* TestClock.adjust("100 millis")
      log.before = Effect.void
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* log.take(1), ["1"])
      assert.deepStrictEqual(
        refusals.map(([reason]) => reason),
        ["EventStore restarted", "a bug"]
      )
    })
  )

  it.effect("settled waits for all that was offered", () =>
    Effect.gen(function* () {
      const { log, recorder } = yield* start
      yield* recorder.settled
      const gate = yield* Latch.make(false)
      log.before = gate.await
      recorder.offer([run(["1"])])
      yield* Queue.take(log.asked)
      recorder.offer([run(["2"], 2n)])
      const settled = yield* Effect.forkChild(recorder.settled, { startImmediately: true })
      yield* gate.release
      yield* Queue.take(log.asked)
      assert.isUndefined(settled.pollUnsafe())
      yield* gate.open
      yield* Fiber.join(settled)
      assert.strictEqual(recorder.stats().stored, 2)
    })
  )
})
