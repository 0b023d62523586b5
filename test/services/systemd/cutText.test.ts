import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { cutText } from "../../../src/services/systemd/cutText.ts"

describe("cutText", () => {
  it("leaves what fits, to the last byte", () => {
    assert.strictEqual(cutText("ääää", 8), "ääää")
    assert.strictEqual(cutText("äääää", 9), "äää…")
    assert.strictEqual(cutText("äääää", 8), "ää…")
  })

  it.effect.prop(
    "never gives more than allowed, and only whole characters of the beginning",
    [Schema.String, Schema.Int.check(Schema.isBetween({ minimum: 3, maximum: 40 }))],
    ([text, max]) =>
      Effect.sync(() => {
        const whole = `ä€😀${text}`.repeat(4).toWellFormed()
        const cut = cutText(whole, max)
        assert.isAtMost(Buffer.byteLength(cut), max)
        assert.isTrue(cut === whole || (cut.endsWith("…") && whole.startsWith(cut.slice(0, -1))))
        assert.isTrue(cut.isWellFormed())
      })
  )
})
