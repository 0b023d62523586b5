import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as OperationsRetention from "../../src/actors/OperationsRetention.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { resolve } from "../../src/services/config/resolve.ts"
import { OperationStore } from "../../src/services/operations/OperationStore.ts"
import { OperationsUnavailable } from "../../src/services/operations/Operations.ts"
import { storedLayer } from "../../src/services/operations/storedLayer.ts"
import { inMemory } from "../../src/services/storage/databaseFile.ts"
import { layerAt } from "../../src/services/storage/OperationsStorageHere.ts"
import { makeKillable, ways } from "../harness/killable.ts"
import { askedOf, completed, many } from "../services/operations/rows.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const hour = 3_600_000

/** The real store; operations that end are as old as the clock of the test says. */
const start = Effect.fnUntraced(function* (operations: string) {
  yield* TestClock.setTime(1_700_000_000_000)
  const { config } = resolve({ operations: JSON.parse(operations) }, {}, {})
  if (config === undefined) throw new Error("the configuration is wrong")
  const killable = yield* makeKillable
  const context = yield* Layer.build(Layer.fresh(storedLayer.pipe(Layer.provide(layerAt(inMemory)))))
  const store = Context.get(context, OperationStore)
  let fault: OperationsUnavailable | undefined
  const watched = OperationStore.of({
    ...store,
    prune: (limits, now) => Effect.suspend(() => (fault === undefined ? store.prune(limits, now) : Effect.fail(fault)))
  })
  yield* Layer.build(
    Layer.fresh(
      OperationsRetention.layer.pipe(
        Layer.provide([CurrentConfig.layer(config), Layer.succeed(OperationStore, watched), killable.layer])
      )
    )
  )
  const end = Effect.fnUntraced(function* (...ids: ReadonlyArray<string>) {
    const now = yield* Effect.clockWith(({ currentTimeMillis }) => currentTimeMillis)
    for (const id of ids) {
      yield* store.submit(askedOf(id), now, many)
      yield* store.end(id, completed, now)
    }
  })
  const kept = Effect.map(store.list({ statuses: null, kind: null, who: null, before: null, limit: many }), (all) =>
    all.map(({ id }) => id).toReversed()
  )
  return { ...killable, store, end, kept, refuse: (next: OperationsUnavailable | undefined) => void (fault = next) }
})

describe("retention of operations", () => {
  it.effect("keeps so many that have ended, and all that have not", () =>
    Effect.gen(function* () {
      const { end, kept, store } = yield* start('{"max_count":2}')
      yield* store.submit(askedOf("waits"), 0, many)
      yield* end("a", "b", "c")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* kept, ["waits", "b", "c"])
    })
  )

  it.effect("removes what ended too long ago", () =>
    Effect.gen(function* () {
      const { end, kept } = yield* start('{"max_age_s":3600}')
      yield* end("old")
      yield* TestClock.adjust(hour - 1)
      yield* end("new")
      assert.deepStrictEqual(yield* kept, ["old", "new"])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* kept, ["new"])
    })
  )

  it.effect("asks again a minute after a store that could not", () =>
    quiet(
      Effect.gen(function* () {
        const { end, kept, refuse } = yield* start('{"max_count":1}')
        yield* end("a", "b")
        refuse(new OperationsUnavailable({ reason: "no room", full: true }))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* kept, ["a", "b"])
        refuse(undefined)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* kept, ["b"])
      })
    )
  )

  it.effect.each(ways)("killed (%s), it runs again", (way) =>
    quiet(
      Effect.gen(function* () {
        const { crash, end, kept } = yield* start('{"max_count":1}')
        yield* crash("OperationsRetention", way)
        yield* end("a", "b")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* kept, ["b"])
      })
    )
  )
})
