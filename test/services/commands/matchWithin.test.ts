import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { compile } from "../../../src/services/commands/Arguments.ts"
import { matchWithin } from "../../../src/services/commands/matchWithin.ts"

it.effect("a pattern that backtracks without end ends in time, and the value is refused", () =>
  Effect.gen(function* () {
    const declared = yield* Effect.fromResult(compile([{ name: "r", type: "string", pattern: "(a+)+b" }]))
    const before = performance.now()
    assert.isTrue(Result.isFailure(declared.validate({ r: "a".repeat(64) })))
    assert.isBelow(performance.now() - before, 5000)
    assert.isTrue(Result.isSuccess(declared.validate({ r: "aaab" })))
  })
)

it("matches as the pattern does", () => {
  assert.isTrue(matchWithin(/^[a-z]+$/u, "abc"))
  assert.isFalse(matchWithin(/^[a-z]+$/u, "abc1"))
})
