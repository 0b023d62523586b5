import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseBasic } from "../../../src/services/auth/Authorization.ts"

const base64 = (text: string | Uint8Array) => Buffer.from(text).toString("base64")
const parsed = (header: string) => {
  const credentials = parseBasic(header)
  return credentials && [Buffer.from(credentials.user).toString(), Buffer.from(credentials.password).toString()]
}

describe("parseBasic", () => {
  it("splits at the first colon, in any case of the scheme and with any number of spaces", () => {
    assert.deepStrictEqual(parsed(`Basic ${base64("admin:secret")}`), ["admin", "secret"])
    assert.deepStrictEqual(parsed(`bAsIc    ${base64("admin:a:b:")}`), ["admin", "a:b:"])
    assert.deepStrictEqual(parsed(`Basic ${base64(":")}`), ["", ""])
    assert.deepStrictEqual(parsed(`Basic ${base64("admin:")}`), ["admin", ""])
    assert.deepStrictEqual(parsed(`Basic ${base64("admin:pässwörd")}`), ["admin", "pässwörd"])
  })

  it.each([
    "",
    "Basic",
    "Basic ",
    `Basic${base64("admin:x")}`,
    `Basic ${base64("admin")}`,
    `Bearer ${base64("admin:x")}`,
    `Basic\t${base64("admin:x")}`,
    `Basic ${base64("admin:x")} more`,
    `Basic ${base64("admin:secret").replaceAll("=", "")}x`,
    `Basic ${base64("admin:xy").slice(0, -1)}`,
    `Basic =${base64("admin:x")}`,
    "Basic YWRtaW46-_8=",
    "Basic YWRt\naW46eA=="
  ])("refuses %j", (header) => {
    assert.isUndefined(parseBasic(header))
  })

  it.effect.prop(
    "gives back the bytes that were sent",
    [Schema.Uint8Array, Schema.Uint8Array],
    ([user, password]) =>
      Effect.sync(() => {
        const name = user.filter((byte) => byte !== 0x3a)
        const credentials = parseBasic(`Basic ${base64(Buffer.concat([name, Buffer.from(":"), password]))}`)
        assert.deepStrictEqual([...(credentials?.user ?? [])], [...name])
        assert.deepStrictEqual([...(credentials?.password ?? [])], [...password])
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.prop(
    "takes junk for nothing and never throws",
    [Schema.String, Schema.String],
    ([before, after]) =>
      Effect.sync(() => {
        assert.isUndefined(parseBasic(`x${before}`))
        const credentials = parseBasic(`Basic ${after}`)
        if (credentials === undefined) return
        const again = Buffer.concat([credentials.user, Buffer.from(":"), credentials.password])
        assert.isTrue(again.equals(Buffer.from(after.trim(), "base64")))
      }),
    { arbitrary: { runs: 300 } }
  )

  it("takes a header as long as a listener lets through in little time", () => {
    const password = "x".repeat(1_000_000)
    assert.strictEqual(parseBasic(`Basic ${base64(`admin:${password}`)}`)?.password.length, password.length)
    assert.isUndefined(parseBasic(`Basic ${" ".repeat(1_000_000)}`))
    assert.isUndefined(parseBasic(`Basic ${"=".repeat(1_000_000)}`))
  })
})
