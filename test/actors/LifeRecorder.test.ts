import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { defaultLimits } from "../../src/actors/kernel/Child.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as LifeRecorder from "../../src/actors/LifeRecorder.ts"
import type { RecordOptions } from "../../src/services/events/EventLog.ts"
import { mockEventLog } from "../harness/mocks.ts"

interface Recorded {
  readonly message: string
  readonly options: RecordOptions | undefined
}

const start = Effect.gen(function* () {
  const recorded = yield* Queue.unbounded<Recorded>()
  const log = mockEventLog({
    record: (message, options) => Effect.asVoid(Queue.offer(recorded, { message, options }))
  })
  return { recorded, layer: Layer.provideMerge(LifeRecorder.layer, Layer.merge(Supervisor.layer, log)) }
})

describe("LifeRecorder", () => {
  it.effect("tells when an actor fails, when it is back, and when it is given up", () =>
    Effect.gen(function* () {
      const { layer, recorded } = yield* start
      yield* Effect.gen(function* () {
        const supervisor = yield* Supervisor
        const fail = yield* Queue.unbounded<void>()
        yield* supervisor.start({
          name: "Weak",
          run: Effect.andThen(Queue.take(fail), Effect.fail("bad luck\n  with details")),
          restart: "permanent",
          limits: { ...defaultLimits, maxRestarts: 1 }
        })
        yield* Queue.offer(fail, undefined)
        const failed = yield* Queue.take(recorded)
        assert.match(failed.message, /^actor Weak failed and is restarted: .*bad luck$/u)
        assert.deepStrictEqual(failed.options, { level: "error" })
        yield* TestClock.adjust("100 millis")
        assert.deepStrictEqual(yield* Queue.take(recorded), {
          message: "actor Weak runs again (restart 1)",
          options: undefined
        })
        yield* Queue.offer(fail, undefined)
        assert.match((yield* Queue.take(recorded)).message, /^actor Weak failed: .*bad luck$/u)
      }).pipe(Effect.provide(layer))
      assert.strictEqual(yield* Queue.size(recorded), 0)
    })
  )

  it.effect("says nothing of starts and stops, which are no news", () =>
    Effect.gen(function* () {
      const { layer, recorded } = yield* start
      yield* Effect.gen(function* () {
        const supervisor = yield* Supervisor
        yield* Effect.scoped(supervisor.start({ name: "Calm", run: Effect.never, restart: "permanent" }))
        yield* TestClock.adjust("1 minute")
      }).pipe(Effect.provide(layer))
      assert.strictEqual(yield* Queue.size(recorded), 0)
    })
  )
})
