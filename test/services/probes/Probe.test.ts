import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { makeProbe, type ProbeOptions } from "../../../src/services/probes/Probe.ts"

interface Question {
  readonly answer: (value: number) => Effect.Effect<boolean>
  readonly fail: (error: string) => Effect.Effect<boolean>
  /** Completed when it was interrupted. */
  readonly ended: Deferred.Deferred<void>
}

/** A probe whose questions the test answers: each as it likes, and when. */
const begin = Effect.fnUntraced(function* (options: Partial<ProbeOptions<number, string>> = {}) {
  const asked = yield* Queue.unbounded<Question>()
  const scope = yield* Scope.fork(yield* Effect.scope)
  let count = 0
  const ask = Effect.gen(function* () {
    count += 1
    const answer = yield* Deferred.make<number, string>()
    const ended = yield* Deferred.make<void>()
    yield* Queue.offer(asked, {
      answer: (value) => Deferred.succeed(answer, value),
      fail: (error) => Deferred.fail(answer, error),
      ended
    })
    return yield* Effect.onInterrupt(Deferred.await(answer), () => Deferred.succeed(ended, undefined))
  })
  const probe = yield* Scope.provide(
    makeProbe<number, string>({ ask, freshMs: () => 2000, deadlineMs: () => 1000, late: "late", ...options }),
    scope
  )
  /** One reading of an answered question. */
  const known = Effect.fnUntraced(function* (value: number) {
    const reading = yield* Effect.forkChild(probe.read)
    yield* (yield* Queue.take(asked)).answer(value)
    return yield* Fiber.join(reading)
  })
  return { probe, asked, known, count: () => count, close: Scope.close(scope, Exit.void) }
})

describe("a probe", () => {
  it.effect("asks once for all who read meanwhile", () =>
    Effect.gen(function* () {
      const { asked, count, probe } = yield* begin()
      const readers = yield* Effect.forEach(Array.from({ length: 32 }), () => Effect.forkChild(probe.read))
      const question = yield* Queue.take(asked)
      yield* TestClock.adjust(300)
      yield* question.answer(7)
      const readings = yield* Fiber.joinAll(readers)
      assert.isTrue(readings.every(({ error, stale, value }) => value === 7 && !stale && error === undefined))
      assert.strictEqual(count(), 1)
    })
  )

  it.effect("gives an answer again while it is fresh, with its age, and asks when it is not", () =>
    Effect.gen(function* () {
      const { asked, count, known, probe } = yield* begin()
      assert.isUndefined(probe.peek())
      yield* known(1)
      yield* TestClock.adjust(2000)
      assert.strictEqual(probe.peek()?.ageMs, 2000)
      assert.strictEqual((yield* probe.read).ageMs, 2000)
      assert.strictEqual(count(), 1)
      yield* TestClock.adjust(1)
      assert.isUndefined(probe.peek())
      const next = yield* Effect.forkChild(probe.read)
      yield* (yield* Queue.take(asked)).answer(2)
      const { ageMs, readAt, value } = yield* Fiber.join(next)
      assert.deepStrictEqual([value, ageMs, readAt], [2, 0, 2001])
    })
  )

  it.effect("answers at the deadline, and with the error where nothing good is known", () =>
    Effect.gen(function* () {
      const { asked, probe } = yield* begin()
      const reading = yield* Effect.forkChild(Effect.flip(probe.read))
      yield* Queue.take(asked)
      yield* TestClock.adjust(999)
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(reading), "late")
    })
  )

  it.effect("answers at the deadline with the last good answer, stale and with its age", () =>
    Effect.gen(function* () {
      const { asked, known, probe } = yield* begin()
      yield* known(1)
      yield* TestClock.adjust(5000)
      const reading = yield* Effect.forkChild(probe.read)
      yield* Queue.take(asked)
      yield* TestClock.adjust(1000)
      const stale = yield* Fiber.join(reading)
      assert.deepStrictEqual(stale, { value: 1, readAt: 0, ageMs: 6000, stale: true, error: "late" })
    })
  )

  it.effect("keeps one question that never ends, and answers whoever comes then at once", () =>
    Effect.gen(function* () {
      const { asked, count, known, probe } = yield* begin()
      yield* known(1)
      yield* TestClock.adjust(3000)
      const first = yield* Effect.forkChild(probe.read)
      const hung = yield* Queue.take(asked)
      yield* TestClock.adjust(1000)
      yield* Fiber.join(first)
      for (let minute = 0; minute < 60; minute++) {
        yield* TestClock.adjust("1 minute")
        const reading = yield* probe.read
        assert.deepStrictEqual([reading.stale, reading.error], [true, "late"])
        assert.deepStrictEqual([(yield* probe.readAnew).value, count()], [1, 2])
      }
      // When it ends at last, its answer counts, but for whoever wants a later one.
      yield* hung.answer(9)
      yield* TestClock.adjust(0)
      const again = yield* Effect.forkChild(probe.read)
      yield* (yield* Queue.take(asked)).answer(10)
      assert.strictEqual((yield* Fiber.join(again)).value, 10)
    })
  )

  it.effect("whoever joins a question late waits for the rest of its deadline alone", () =>
    Effect.gen(function* () {
      const { asked, probe } = yield* begin()
      const first = yield* Effect.forkChild(Effect.flip(probe.read))
      yield* Queue.take(asked)
      yield* TestClock.adjust(900)
      const second = yield* Effect.forkChild(Effect.flip(probe.read))
      yield* TestClock.adjust(100)
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], ["late", "late"])
    })
  )

  it.effect("remembers a failure as long as an answer, and does not ask meanwhile", () =>
    Effect.gen(function* () {
      const { asked, count, probe } = yield* begin()
      const first = yield* Effect.forkChild(Effect.flip(probe.read))
      yield* (yield* Queue.take(asked)).fail("no bus")
      assert.strictEqual(yield* Fiber.join(first), "no bus")
      yield* TestClock.adjust(2000)
      assert.strictEqual(yield* Effect.flip(probe.read), "no bus")
      assert.strictEqual(count(), 1)
      yield* TestClock.adjust(1)
      const next = yield* Effect.forkChild(probe.read)
      yield* (yield* Queue.take(asked)).answer(3)
      assert.isFalse((yield* Fiber.join(next)).stale)
    })
  )

  it.effect("a failure makes what is fresh stale, and the next answer heals it", () =>
    Effect.gen(function* () {
      const { asked, known, probe } = yield* begin({ freshMs: () => 10_000 })
      yield* known(1)
      const anew = yield* Effect.forkChild(probe.readAnew)
      yield* (yield* Queue.take(asked)).fail("exit 1")
      assert.deepStrictEqual((yield* Fiber.join(anew)).error, "exit 1")
      assert.isUndefined(probe.peek())
      assert.deepStrictEqual((yield* probe.read).error, "exit 1")
      const healed = yield* Effect.forkChild(probe.readAnew)
      yield* (yield* Queue.take(asked)).answer(2)
      assert.deepStrictEqual((yield* Fiber.join(healed)).error, undefined)
      assert.strictEqual(probe.peek()?.value, 2)
    })
  )

  it.effect("a caller that goes away ends no question, whoever began it", () =>
    Effect.gen(function* () {
      const { asked, count, probe } = yield* begin()
      const first = yield* Effect.forkChild(probe.read)
      const question = yield* Queue.take(asked)
      const second = yield* Effect.forkChild(probe.read)
      yield* Fiber.interrupt(first)
      assert.isFalse(yield* Deferred.isDone(question.ended))
      yield* question.answer(4)
      assert.strictEqual((yield* Fiber.join(second)).value, 4)
      assert.strictEqual(count(), 1)
      assert.strictEqual(probe.peek()?.value, 4)
    })
  )

  it.effect("to read anew is to be told of a question begun since, and still of one at a time", () =>
    Effect.gen(function* () {
      const { asked, count, probe } = yield* begin()
      const old = yield* Effect.forkChild(probe.read)
      const before = yield* Queue.take(asked)
      const anew = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.forkChild(probe.readAnew))
      yield* TestClock.adjust(100)
      assert.strictEqual(count(), 1)
      yield* before.answer(1)
      assert.strictEqual((yield* Fiber.join(old)).value, 1)
      yield* (yield* Queue.take(asked)).answer(2)
      const readings = yield* Fiber.joinAll(anew)
      assert.isTrue(readings.every(({ stale, value }) => value === 2 && !stale))
      assert.strictEqual(count(), 2)
    })
  )

  it.effect("who reads anew is answered within its deadline, whatever is asked ahead of it", () =>
    Effect.gen(function* () {
      const { asked, known, probe } = yield* begin()
      yield* known(1)
      yield* TestClock.adjust(3000)
      yield* Effect.forkChild(probe.read)
      const before = yield* Queue.take(asked)
      yield* TestClock.adjust(600)
      const anew = yield* Effect.forkChild(probe.readAnew)
      yield* TestClock.adjust(300)
      yield* before.answer(2)
      yield* Queue.take(asked)
      yield* TestClock.adjust(699)
      assert.isUndefined(anew.pollUnsafe())
      yield* TestClock.adjust(1)
      const reading = yield* Fiber.join(anew)
      assert.deepStrictEqual([reading.value, reading.error], [2, "late"])
    })
  )

  it.effect("an answer about something else is old at once", () =>
    Effect.gen(function* () {
      let about = "a"
      const { asked, known, probe } = yield* begin({ about: () => about })
      yield* known(1)
      about = "b"
      assert.isUndefined(probe.peek())
      const reading = yield* Effect.forkChild(probe.read)
      const question = yield* Queue.take(asked)
      // What was begun about b is no answer about c.
      about = "c"
      const other = yield* Effect.forkChild(probe.read)
      yield* TestClock.adjust(1)
      yield* question.answer(2)
      yield* (yield* Queue.take(asked)).answer(3)
      assert.strictEqual((yield* Fiber.join(reading)).value, 2)
      assert.strictEqual((yield* Fiber.join(other)).value, 3)
    })
  )

  it.effect("a question that dies is told to who waits, and asked again", () =>
    Effect.gen(function* () {
      let dies = true
      const ask = Effect.suspend(() => (dies ? Effect.die(new Error("a bug")) : Effect.succeed(1)))
      const { probe } = yield* begin({ ask })
      const exit = yield* Effect.exit(probe.read)
      assert.isTrue(Exit.hasDies(exit))
      dies = false
      assert.strictEqual((yield* probe.read).value, 1)
    })
  )

  it.effect("ends its question with its scope, and who waits with it", () =>
    Effect.gen(function* () {
      const { asked, close, probe } = yield* begin()
      const reading = yield* Effect.forkChild(probe.read)
      const question = yield* Queue.take(asked)
      yield* close
      yield* Deferred.await(question.ended)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(reading)))
    })
  )

  it.effect("takes deadlines that are no whole milliseconds", () =>
    Effect.gen(function* () {
      const { known } = yield* begin({ deadlineMs: () => 0.1 * 3 * 1000 })
      assert.strictEqual((yield* known(1)).value, 1)
    })
  )
})
