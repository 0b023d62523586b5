import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { FairTurns } from "../../../src/services/auth/FairTurns.ts"

const make = (atATime: number, waitingMax: number) =>
  new FairTurns<string>({ atATime, waitingMax, refusal: (waiting) => `full: ${waiting}` })

/** Asks for a turn that ends when `end` says so; tells when it begins. */
const asker = (turns: FairTurns<string>) => {
  const begun: Array<string> = []
  const ends = new Map<string, Deferred.Deferred<void>>()
  const ask = (lane: string, id: string) => {
    const end = Deferred.makeUnsafe<void>()
    ends.set(id, end)
    const work = Effect.andThen(
      Effect.sync(() => void begun.push(id)),
      Deferred.await(end)
    )
    return Effect.forkChild(turns.run(lane, work), { startImmediately: true })
  }
  const end = (id: string) => {
    const deferred = ends.get(id)
    return deferred === undefined
      ? Effect.die(id)
      : Effect.andThen(Deferred.succeed(deferred, undefined), Effect.yieldNow)
  }
  return { ask, begun, end }
}

describe("FairTurns", () => {
  it.effect("gives the turns to the lanes one after another, however long they are", () =>
    Effect.gen(function* () {
      const { ask, begun, end } = asker(make(1, 100))
      for (const id of ["a1", "a2", "a3", "a4"]) yield* ask("a", id)
      for (const id of ["b1", "b2"]) yield* ask("b", id)
      yield* ask("c", "c1")
      for (const id of ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]) {
        assert.strictEqual(begun.at(-1), id)
        yield* end(id)
      }
    })
  )

  it.effect("runs no more than may run at a time", () =>
    Effect.gen(function* () {
      const turns = make(2, 100)
      const { ask, begun, end } = asker(turns)
      for (const id of ["1", "2", "3", "4"]) yield* ask(id, id)
      assert.deepStrictEqual(begun, ["1", "2"])
      assert.strictEqual(turns.waiting, 2)
      yield* end("2")
      assert.deepStrictEqual(begun, ["1", "2", "3"])
      for (const id of ["1", "3", "4"]) yield* end(id)
      yield* ask("x", "5")
      yield* ask("x", "6")
      assert.deepStrictEqual(begun.slice(-2), ["5", "6"])
      assert.strictEqual(turns.waiting, 0)
    })
  )

  it.effect("makes room for a new lane at the cost of the longest, never of one as short", () =>
    Effect.gen(function* () {
      const { ask, begun, end } = asker(make(1, 3))
      yield* ask("a", "a0")
      const [, , last] = [yield* ask("a", "a1"), yield* ask("a", "a2"), yield* ask("a", "a3")]
      const own = yield* ask("a", "a4")
      assert.deepStrictEqual(yield* Effect.exit(Fiber.join(own)), Exit.fail("full: 3"))
      yield* ask("b", "b1")
      assert.deepStrictEqual(yield* Effect.exit(Fiber.join(last)), Exit.fail("full: 3"))
      // Two of a, one of b: a third lane takes one of a, a fourth finds all as short as its own.
      yield* ask("c", "c1")
      const refused = yield* ask("d", "d1")
      assert.deepStrictEqual(yield* Effect.exit(Fiber.join(refused)), Exit.fail("full: 3"))
      for (const id of ["a0", "a1", "b1", "c1"]) yield* end(id)
      assert.deepStrictEqual(begun, ["a0", "a1", "b1", "c1"])
    })
  )

  it.effect("passes on the places and the turns of who is interrupted", () =>
    Effect.gen(function* () {
      const turns = make(1, 10)
      const { ask, begun, end } = asker(turns)
      const running = yield* ask("a", "running")
      const waiting = yield* ask("a", "waiting")
      yield* ask("b", "next")
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(turns.waiting, 1)
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual(begun, ["running", "next"])
      yield* end("next")
      yield* ask("c", "last")
      assert.deepStrictEqual(begun, ["running", "next", "last"])
    })
  )

  it.effect("passes on the turn of who is interrupted in the moment it gets it", () =>
    Effect.gen(function* () {
      const turns = make(1, 10)
      const { ask, begun, end } = asker(turns)
      yield* ask("a", "first")
      const second = yield* ask("b", "second")
      yield* ask("c", "third")
      // The turn is granted and the interrupt is there before the second has gone on.
      yield* Effect.all([end("first"), Fiber.interrupt(second)], { concurrency: "unbounded" })
      yield* Effect.yieldNow
      assert.strictEqual(begun.at(-1), "third")
      yield* end("third")
      yield* ask("d", "fourth")
      assert.strictEqual(begun.at(-1), "fourth")
    })
  )
})
