import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as StatusTeller from "../../src/actors/StatusTeller.ts"
import { ServiceManager } from "../../src/services/systemd/ServiceManager.ts"

describe("the status", () => {
  it.effect("is told when it has changed, and no more often than every few seconds", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      let line = "first"
      const services = Layer.merge(
        Supervisor.layer,
        Layer.succeed(ServiceManager, {
          listens: true,
          tell: (...assignments) => Effect.sync(() => void told.push(...assignments.map(([, value]) => value)))
        })
      )
      const status = Effect.sync(() => line)
      yield* Layer.build(Layer.provide(StatusTeller.layer(status), services))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, ["first"])
      line = "second"
      yield* TestClock.adjust("4 seconds")
      line = "third"
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(told, ["first", "third"])
    })
  )
})
