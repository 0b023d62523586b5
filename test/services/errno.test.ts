import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { mkdir } from "node:fs/promises"
import { errnoCode, errnoText, hasErrno } from "../../src/services/errno.ts"

const thrown = Effect.promise(() =>
  mkdir("/nonexistent/folder").then(
    () => undefined,
    (cause: unknown) => cause
  )
)

describe("a failure of a system call", () => {
  it.live("has a code and words, or the caller's own words", () =>
    Effect.gen(function* () {
      const cause = yield* thrown
      assert.deepStrictEqual(
        [errnoCode(cause), hasErrno(cause, "ENOENT"), hasErrno(cause, "EPERM")],
        ["ENOENT", true, false]
      )
      assert.strictEqual(errnoText(cause), "no such file or directory")
      assert.strictEqual(errnoText(cause, { EPERM: "not for you" }), "no such file or directory")
      assert.strictEqual(errnoText(cause, { ENOENT: "the folder does not exist" }), "the folder does not exist")
    })
  )

  it("may be none, and is told all the same", () => {
    assert.deepStrictEqual([errnoCode("x"), errnoText("x"), errnoText(undefined)], [undefined, "x", "undefined"])
    assert.deepStrictEqual([errnoCode(new Error("why")), errnoText(new Error("why"))], [undefined, "why"])
    const own = Object.assign(new TypeError("must be a string"), { code: "ERR_INVALID_ARG_TYPE" })
    assert.deepStrictEqual([errnoCode(own), errnoText(own)], ["ERR_INVALID_ARG_TYPE", "must be a string"])
    assert.strictEqual(errnoText(Object.assign(new Error("odd"), { code: "toString" })), "odd")
  })

  it.effect.prop("never throws, whatever number it has", [Schema.Finite, Schema.String], ([errno, code]) =>
    Effect.sync(() => assert.isString(errnoText(Object.assign(new Error("why"), { errno, code }))))
  )
})
