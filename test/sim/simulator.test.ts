import { assert, describe, it } from "@effect/vitest"
import { regressions } from "./regressions.ts"
import { simulate } from "./run.ts"
import { holds } from "./shard.ts"

describe("the simulator", () => {
  it("does the same thing for the same seed, byte for byte", () => {
    for (const seed of [1, 2, 3, 17, 400]) {
      const [first, second] = [simulate(seed), simulate(seed)]
      assert.deepStrictEqual(first.trace, second.trace)
      assert.strictEqual(first.digest, second.digest)
      assert.notStrictEqual(first.digest, simulate(seed + 1).digest)
    }
  })

  for (const { seed, why } of regressions) it(`seed ${seed}: ${why}`, () => holds(seed))
})
