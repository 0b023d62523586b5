import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  encodeStored,
  parseStored,
  storedBytesMax,
  type StoredSecret
} from "../../../src/services/auth/SecretFormat.ts"

const parse = (text: string) => parseStored(Buffer.from(text))
const digits = "0123456789abcdef".repeat(4)
const argon2id = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
const scrypt = "$scrypt$ln=15,r=8,p=3$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

const bytes = (min: number, max: number) =>
  Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(
    Schema.isMinLength(min),
    Schema.isMaxLength(max)
  )
const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("the stored secret", () => {
  it("accepts the forms of the original", () => {
    assert.deepStrictEqual(parse(""), Result.succeed({ _tag: "none" }))
    assert.deepStrictEqual(parse(digits), Result.succeed({ _tag: "sha256", digest: Buffer.from(digits, "hex") }))
  })

  it.each([argon2id, scrypt, digits, ""])("gives %j back as it was", (text) => {
    assert.strictEqual(Result.getOrThrow(Result.map(parse(text), encodeStored)), text)
  })

  it.effect.prop(
    "round-trips every cost, salt and hash",
    [int(1, 16), int(1, 16), int(0, 100_000), int(1, 10), bytes(8, 64), bytes(16, 64), Schema.Boolean],
    ([p, t, more, ln, salt, hash, isScrypt]) =>
      Effect.sync(() => {
        const stored: StoredSecret = {
          _tag: "slow",
          cost: isScrypt ? { _tag: "scrypt", ln, r: t, p } : { _tag: "argon2id", m: 8 * p + more, t, p },
          salt: Buffer.from(salt),
          hash: Buffer.from(hash)
        }
        const text = encodeStored(stored)
        assert.isAtMost(text.length, storedBytesMax)
        assert.deepStrictEqual(parse(text), Result.succeed(stored))
      })
  )

  it.effect.prop("describes junk by its shape and nothing else", [Schema.String], ([junk]) =>
    Effect.sync(() => {
      const result = parse(junk)
      if (Result.isSuccess(result)) assert.strictEqual(encodeStored(result.success), junk)
      else
        assert.match(
          result.failure,
          /^\d+ bytes (of hex digits|of plain text|that are not plain text|ending with a newline or space)(, some in upper case)?$/u
        )
    })
  )

  it.each([
    [`${digits}\n`, "65 bytes ending with a newline or space, which is all that is wrong"],
    [`${argon2id}\r\n`, "88 bytes ending with a newline or space, which is all that is wrong"],
    ["hunter2\n", "8 bytes ending with a newline or space"],
    ["\n", "1 bytes ending with a newline or space"],
    [digits.toUpperCase(), "64 bytes of hex digits, some in upper case"],
    [digits.slice(1), "63 bytes of hex digits"],
    ["correct horse", "13 bytes of plain text"],
    ["caf\u00e9", "5 bytes that are not plain text"],
    ["\0".repeat(64), "64 bytes that are not plain text"],
    ["$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c", "60 bytes of plain text"]
  ])("says of %j: %s", (text, shape) => {
    assert.deepStrictEqual(parse(text), Result.fail(shape))
  })

  it.each([
    argon2id.replace("m=65536", "m=262145"),
    argon2id.replace("m=65536", "m=7"),
    argon2id.replace("m=65536", "m=065536"),
    argon2id.replace("m=65536", "m=99999999999"),
    argon2id.replace("t=2", "t=0"),
    argon2id.replace("t=2", "t=17"),
    argon2id.replace("p=1", "p=0"),
    argon2id.replace("p=1", "p=17"),
    argon2id.replace("v=19", "v=16"),
    argon2id.replace("c29tZXNhbHQ", "c29tZXNhbHR"),
    argon2id.replace("c29tZXNhbHQ", "c29tZQ"),
    argon2id.replace("c29tZXNhbHQ", "c29tZXNhbHQ="),
    argon2id.replace(/[^$]+$/u, "CTFh"),
    argon2id.replace(/\$[^$]+$/u, ""),
    `${argon2id}$`,
    scrypt.replace("ln=15", "ln=0"),
    scrypt.replace("ln=15", "ln=25"),
    scrypt.replace("r=8", "r=0"),
    scrypt.replace("r=8", "r=65"),
    scrypt.replace("p=3", "p=17")
  ])("refuses %s", (text) => {
    const shape = `${text.length} bytes that begin as a PHC string, with a part that is malformed or out of range`
    assert.deepStrictEqual(parse(text), Result.fail(shape))
  })
})
