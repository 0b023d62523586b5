import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readiness, type ReadinessServices } from "../../../src/http/system/readiness.ts"
import { makeApp } from "../../harness/app.ts"

const well: ReadinessServices = {
  audit: { degraded: () => undefined },
  identities: { current: () => undefined, fresh: Effect.never },
  journals: { stats: () => [] },
  listeners: () => [],
  log: { degraded: () => undefined },
  pipes: { stats: () => [] },
  supervisor: {
    start: () => Effect.void,
    report: Effect.succeed([]),
    transitions: Effect.never,
    join: Effect.never
  }
}

const feed = { recorded: 1, passedOver: 0, gaps: 0 }

describe("what keeps the daemon from being well", () => {
  it.live("is an identity store that does not answer, and not for ever", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* readiness(well), ["the identity store does not answer"])
    })
  )

  it.live("is a journal that is not recorded at the moment, by the unit's id and with the reason", () =>
    Effect.gen(function* () {
      const stats = () => [
        { ...feed, id: "web", waits: undefined },
        { ...feed, id: "k3s", waits: "journalctl is not there" }
      ]
      const problems = yield* readiness({ ...well, journals: { stats } })
      assert.include(problems, "journal:k3s waits: journalctl is not there")
      assert.notMatch(problems.join(), /journal:web/u)
    })
  )

  it.live("is nothing where every part works", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp({ config: "" })
      assert.strictEqual((yield* call("/readyz")).status, 200)
    }).pipe(Effect.scoped)
  )
})
