import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { stopAll } from "../../src/http/bindListeners.ts"

/** Two listeners, the first of which drains when told to or when its grace is over, and what was done when. */
const begin = Effect.fnUntraced(function* (graceMs: number) {
  const done: Array<readonly [what: string, atMs: number]> = []
  const note = (what: string) => Effect.map(Clock.currentTimeMillis, (at) => void done.push([what, at]))
  const drained = yield* Deferred.make<void>()
  const listener = (name: string, drain: Effect.Effect<void>) => ({
    stop: (grace: unknown) =>
      Effect.gen(function* () {
        yield* note(`${name} takes nothing new`)
        yield* Effect.timeoutOption(drain, Number(grace))
        yield* note(`${name} ended`)
      })
  })
  const listeners = [listener("a", Deferred.await(drained)), listener("b", Effect.void)]
  // As a finalizer runs: not to be interrupted.
  const stop = Effect.uninterruptible(stopAll(listeners, note("commands told"), graceMs))
  const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
  return { done, drained, stopping }
})

describe("the stop of the listeners", () => {
  it.effect("is at the same time for all, and tells the commands a second before its grace is over", () =>
    Effect.gen(function* () {
      const { done, stopping } = yield* begin(10_000)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(done, [
        ["a takes nothing new", 0],
        ["b takes nothing new", 0],
        ["b ended", 0],
        ["commands told", 9000],
        ["a ended", 10_000]
      ])
    })
  )

  it.effect("leaves three quarters of a short grace to the commands", () =>
    Effect.gen(function* () {
      const { done, stopping } = yield* begin(1000)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.deepInclude(done, ["commands told", 750])
    })
  )

  it.effect("is over when all have drained, and leaves the commands to their actor", () =>
    Effect.gen(function* () {
      const { done, drained, stopping } = yield* begin(10_000)
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(drained, undefined)
      yield* Fiber.join(stopping)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(done.at(-1), ["a ended", 1000])
    })
  )
})
