import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Der from "../../../src/services/tls/Der.ts"
import { temporaryFolder } from "../files/support.ts"

/** The element at the start of the bytes, read as X.690 says and as the writer does not. */
const read = (bytes: Uint8Array) => {
  const [tag = -1, first = 0] = bytes
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f
  const length = lengthBytes === 0 ? first : Buffer.from(bytes).readUIntBE(2, lengthBytes)
  const start = 2 + lengthBytes
  assert.isAtLeast(bytes.length, start + length)
  return { tag, content: bytes.subarray(start, start + length), rest: bytes.subarray(start + length), lengthBytes }
}
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("Der", () => {
  it.each([0, 1, 127, 128, 255, 256, 65_535, 65_536, 20_000_000])(
    "writes the shortest length of %d bytes",
    (length) => {
      const element = read(Der.octetString(new Uint8Array(length)))
      assert.strictEqual(element.content.length, length)
      assert.strictEqual(element.rest.length, 0)
      assert.strictEqual(element.lengthBytes, length < 128 ? 0 : Math.ceil(Math.log2(length + 1) / 8))
    }
  )

  it.effect.prop("integers keep their value, are positive and shortest", [Schema.Uint8Array], ([magnitude]) =>
    Effect.sync(() => {
      const { content, rest, tag } = read(Der.integer(magnitude))
      assert.strictEqual(tag, 0x02)
      assert.strictEqual(rest.length, 0)
      assert.strictEqual(BigInt(`0x${hex(content)}`), BigInt(`0x0${hex(magnitude)}`))
      assert.isBelow(content[0] ?? 255, 0x80)
      if (content.length > 1 && content[0] === 0) assert.isAtLeast(content[1] ?? 0, 0x80)
    })
  )

  it.effect.prop(
    "object identifiers keep their arcs",
    [int(0, 2), int(0, 39), Schema.Array(int(0, 2 ** 40))],
    ([first, second, rest]) =>
      Effect.sync(() => {
        const { content } = read(Der.oid([first, second, ...rest].join(".")))
        const values: Array<number> = []
        let value = 0
        for (const byte of content) {
          value = value * 128 + (byte & 0x7f)
          if (byte >= 0x80) continue
          values.push(value)
          value = 0
        }
        assert.deepStrictEqual(values, [first * 40 + second, ...rest])
      })
  )

  it.effect.prop(
    "times are those of RFC 5280, to the second",
    [int(Date.UTC(1950, 0), Date.UTC(9999, 11, 31))],
    ([unixMs]) =>
      Effect.sync(() => {
        const { content, tag } = read(Der.time(unixMs))
        const text = Buffer.from(content).toString()
        const year = new Date(unixMs).getUTCFullYear()
        assert.strictEqual(tag, year < 2050 ? 0x17 : 0x18)
        const full = tag === 0x18 ? text : `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}`
        const iso = full.replace(/^(....)(..)(..)(..)(..)(..)Z$/u, "$1-$2-$3T$4:$5:$6Z")
        assert.strictEqual(Date.parse(iso), Math.floor(unixMs / 1000) * 1000)
      })
  )

  it("switches the form of the year between 2049 and 2050", () => {
    const last = Date.UTC(2049, 11, 31, 23, 59, 59)
    assert.strictEqual(Buffer.from(Der.time(last)).toString("latin1"), "\x17\x0d491231235959Z")
    assert.strictEqual(Buffer.from(Der.time(last + 1000)).toString("latin1"), "\x18\x0f20500101000000Z")
  })

  it.live("is read by openssl as it was meant", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/element.der`
      const der = Der.sequence(
        Der.explicit(0, Der.integer(Uint8Array.of(0, 0, 200))),
        Der.set(Der.oid("1.2.840.10045.4.3.2"), Der.utf8String("größe")),
        Der.boolean(true),
        Der.boolean(false),
        Der.bitString(Uint8Array.of(0b1000_0100), 2),
        Der.implicit(7, Uint8Array.of(127, 0, 0, 1))
      )
      yield* Effect.promise(() => fs.writeFile(path, der))
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)("openssl", ["asn1parse", "-inform", "DER", "-in", path])
      )
      const lines = stdout
        .trim()
        .split("\n")
        .map((line) =>
          line
            .replace(/^.*(cons|prim): +/u, "")
            .replace(/ +/gu, " ")
            .trim()
        )
      assert.deepStrictEqual(lines, [
        "SEQUENCE",
        "cont [ 0 ]",
        "INTEGER :C8",
        "SET",
        "OBJECT :ecdsa-with-SHA256",
        "UTF8STRING :größe",
        "BOOLEAN :255",
        "BOOLEAN :0",
        "BIT STRING",
        "cont [ 7 ]"
      ])
    })
  )
})
