/** A stretch of seeds as tests; several files take one each, so that they run side by side. */
import { assert, describe, it } from "@effect/vitest"
import { mustHappen } from "./coverage.ts"
import { type Outcome, simulate } from "./run.ts"

/** Seeds in one test: few enough that one which hangs is told apart. */
const seedsInOne = 25

export const testSeeds = (from: number, to: number): void => {
  describe(`seeds ${from} to ${to}`, () => {
    const met = new Map<string, number>()
    for (let first = from; first <= to; first += seedsInOne) {
      const last = Math.min(to, first + seedsInOne - 1)
      it(`${first} to ${last}`, () => {
        for (let seed = first; seed <= last; seed++) {
          for (const [what, times] of holds(seed).coverage) met.set(what, (met.get(what) ?? 0) + times)
        }
      })
    }

    it("met every kind of fault, with work in hand", () => {
      assert.deepStrictEqual(
        mustHappen.filter((what) => !met.has(what)),
        []
      )
    })
  })
}

export const holds = (seed: number): Outcome => {
  const outcome = simulate(seed)
  const { broken } = outcome
  if (broken !== undefined) assert.fail(`${broken.invariant}: ${broken.what}\n  make sim SEED=${seed}`)
  return outcome
}
