import { assert, describe, it } from "@effect/vitest"
import { mutations } from "./mutations.ts"
import { simulate } from "./run.ts"

/** Whatever is wrong with the daemon has to show in fewer seeds than every test run has. */
const seedsMax = 250

describe("the simulator notices that", () => {
  for (const { also, breaks, mutate, name } of mutations) {
    it(name, () => {
      for (let seed = 1; seed <= seedsMax; seed++) {
        const { broken } = simulate(seed, mutate)
        if (broken?.invariant === breaks) return
        if (broken !== undefined) assert.include(also, broken.invariant, `seed ${seed}: ${broken.what}`)
      }
      assert.fail(`not noticed in ${seedsMax} seeds`)
    })
  }
})
