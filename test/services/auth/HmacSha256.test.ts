import { createHmac } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { HmacSha256 } from "../../../src/services/auth/HmacSha256.ts"

const ofNode = (key: Uint8Array, text: string, bytes: Uint8Array) =>
  createHmac("sha256", key).update(text).update(bytes).digest("base64url")

describe("HmacSha256", () => {
  // RFC 4231
  it.each([
    ["0b".repeat(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
    [
      Buffer.from("Jefe").toString("hex"),
      "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ],
    [
      "aa".repeat(131),
      "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ]
  ])("computes the vector of key %s", (key, text, expected) => {
    assert.strictEqual(
      new HmacSha256(Buffer.from(key, "hex")).of(text),
      Buffer.from(expected, "hex").toString("base64url")
    )
  })

  it.effect.prop(
    "is Node's, whatever was computed before",
    [Schema.Uint8Array, Schema.Array(Schema.Tuple([Schema.String, Schema.Uint8Array]))],
    ([key, inputs]) =>
      Effect.sync(() => {
        const hmac = new HmacSha256(key)
        for (const [text, bytes] of inputs) assert.strictEqual(hmac.of(text, bytes), ofNode(key, text, bytes))
      })
  )

  it.each([0, 1, 54, 55, 56, 63, 64, 65, 1365, 1366, 4095, 4096, 4097, 100_000])(
    "is Node's for %i characters",
    (length) => {
      const key = Buffer.from("key")
      const hmac = new HmacSha256(key)
      for (const text of ["a".repeat(length), "ä".repeat(length), "€".repeat(length), "\ud800".repeat(length)]) {
        for (const bytes of [new Uint8Array(0), new Uint8Array(length).fill(7)]) {
          assert.strictEqual(hmac.of(text, bytes), ofNode(key, text, bytes))
        }
      }
      assert.strictEqual(hmac.of("a"), ofNode(key, "a", new Uint8Array(0)))
    }
  )
})
