/**
 * The wall clock steps, back and forth, as it does on a machine that gets its time after the start: the order of events
 * is that of their numbers, questions by time are answered rightly, and no deadline, back-off or limit notices.
 */
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { FailureThrottle } from "../../src/services/auth/FailureThrottle.ts"
import { makeApp } from "../harness/app.ts"
import { makeKillable } from "../harness/killable.ts"
import { stepped } from "../harness/steppedClock.ts"

const dayMs = 86_400_000
const start = Date.UTC(2026, 10, 22)

it.effect(
  "events keep their order, received_at goes back with the clock, and time queries find what they ask for",
  () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      let offset = 0
      yield* stepped(
        () => offset,
        Effect.gen(function* () {
          const { call } = yield* makeApp()
          // A day ahead, then right, then a day behind.
          for (const [message, at] of [
            ["ahead", dayMs],
            ["right", 0],
            ["behind", -dayMs]
          ] as const) {
            offset = at
            assert.strictEqual((yield* call(`/api/v1/new_event?message=${message}`)).status, 200)
          }
          const found = (query: string) =>
            Effect.map(call(`/api/v1/events?${query}`), ({ text }) => {
              const events: ReadonlyArray<{ message: string; seq: number; received_at: string }> = JSON.parse(text)
              return events
            })
          const all = yield* found("after=0")
          assert.deepStrictEqual(
            all.map(({ message, received_at: at, seq }) => [seq, message, at.slice(0, 10)]),
            [
              [1, "ahead", "2026-11-23"],
              [2, "right", "2026-11-22"],
              [3, "behind", "2026-11-21"]
            ]
          )
          const names = (query: string) => Effect.map(found(query), (events) => events.map(({ message }) => message))
          assert.deepStrictEqual(yield* names("after=0&since=2026-11-22T00:00:00Z"), ["ahead", "right"])
          assert.deepStrictEqual(yield* names("after=0&until=2026-11-22T00:00:00Z"), ["behind"])
          assert.deepStrictEqual(yield* names("after=0&since=2026-11-21T00:00:00Z&until=2026-11-23T00:00:00Z"), [
            "right",
            "behind"
          ])
          assert.strictEqual((yield* call("/logs")).text.split("\n").length, 4)
        })
      )
    })
)

it.effect("a limit on wrong passwords and a back-off last as long as they should, wherever the clock is set", () =>
  Effect.gen(function* () {
    yield* TestClock.setTime(start)
    let offset = 0
    yield* stepped(
      () => offset,
      Effect.gen(function* () {
        const throttle = Context.get(yield* Layer.build(Layer.fresh(FailureThrottle.layer)), FailureThrottle)
        const tenMore = Effect.forEach(Array.from({ length: 11 }), () => throttle.failed("192.0.2.1"))
        assert.isTrue((yield* tenMore).at(-1)?.limited)
        offset = 365 * dayMs
        assert.isTrue((yield* throttle.failed("192.0.2.1")).limited, "a year ahead")
        offset = -365 * dayMs
        assert.isTrue((yield* throttle.failed("192.0.2.1")).limited, "a year behind")
        yield* TestClock.adjust("3 seconds")
        assert.isFalse((yield* throttle.failed("192.0.2.1")).limited)

        const { kill, statusOf, supervisor } = yield* makeKillable
        yield* supervisor.start({ name: "Other", run: Effect.never, restart: "permanent" })
        yield* TestClock.adjust("1 milli")
        yield* kill("Other", "fail")
        while ((yield* statusOf("Other")).state !== "backing-off") yield* TestClock.adjust("1 milli")
        offset = -2 * 365 * dayMs
        yield* TestClock.adjust("5 seconds")
        assert.deepInclude(yield* statusOf("Other"), { state: "running", restarts: 1 })
      })
    )
  })
)
