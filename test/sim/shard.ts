/** A stretch of seeds as tests; several files take one each, so that they run side by side. */
import { assert, describe, it } from "@effect/vitest"
import { simulate } from "./run.ts"

/** Seeds in one test: few enough that one which hangs is told apart. */
const seedsInOne = 50

export const testSeeds = (from: number, to: number): void => {
  describe(`seeds ${from} to ${to}`, () => {
    for (let first = from; first <= to; first += seedsInOne) {
      const last = Math.min(to, first + seedsInOne - 1)
      it(`${first} to ${last}`, () => {
        for (let seed = first; seed <= last; seed++) holds(seed)
      })
    }
  })
}

export const holds = (seed: number): void => {
  const { broken } = simulate(seed)
  if (broken !== undefined) assert.fail(`${broken.invariant}: ${broken.what}\n  make sim SEED=${seed}`)
}
