import { assert, describe, it } from "@effect/vitest"
import { mutations } from "./mutations.ts"
import { regressions } from "./regressions.ts"
import { simulate } from "./run.ts"
import { holds } from "./shard.ts"

/** Whatever is wrong with the daemon has to show in fewer seeds than every test run has. */
const seedsMax = 250

/** Enough that every step comes in them, and that a killed daemon has left files of random names. */
const seedsTwice = 40

describe("the simulator", () => {
  it("does the same thing for the same seed, byte for byte", () => {
    const digests = new Set<string>()
    for (let seed = 41; seed <= 40 + seedsTwice; seed++) {
      const [first, second] = [simulate(seed), simulate(seed)]
      assert.deepStrictEqual(first.trace, second.trace)
      assert.strictEqual(first.digest, second.digest)
      digests.add(first.digest)
    }
    assert.strictEqual(digests.size, seedsTwice)
  })

  for (const { seed, why } of regressions) it(`seed ${seed}: ${why}`, () => void holds(seed))
})

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
