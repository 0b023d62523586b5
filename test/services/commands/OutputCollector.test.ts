import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { OutputCollector } from "../../../src/services/commands/OutputCollector.ts"
import { toText } from "../../../src/services/commands/OutputText.ts"

const Cap = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 24 }))
const Bytes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(
  Schema.isMaxLength(20)
)
const Chunks = Schema.Array(Bytes).check(Schema.isMaxLength(12))

const collect = (chunks: ReadonlyArray<Uint8Array>, head: number, tail: number) => {
  const collector = new OutputCollector(head, tail)
  for (const chunk of chunks) collector.push(chunk)
  return collector.end()
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("OutputCollector", () => {
  it.effect.prop("agrees with the whole for any chunking and any caps", [Chunks, Cap, Cap], ([chunks, head, tail]) =>
    Effect.sync(() => {
      const parts = chunks.map((chunk) => Uint8Array.from(chunk))
      const whole = Buffer.concat(parts)
      const collected = collect(parts, head, tail)
      assert.strictEqual(collected.bytes, whole.length)
      assert.strictEqual(collected.sha256, sha256(whole))
      assert.strictEqual(collected.truncated, whole.length > head + tail)
      if (collected.truncated) {
        assert.deepStrictEqual([...collected.head], [...whole.subarray(0, head)])
        assert.deepStrictEqual([...collected.tail], [...whole.subarray(whole.length - tail)])
      } else {
        assert.deepStrictEqual([...collected.head], [...whole])
        assert.strictEqual(collected.tail.length, 0)
      }
    })
  )

  it("grows past its first allocation and wraps", () => {
    const whole = Uint8Array.from({ length: 100_000 }, (_, n) => n % 251)
    const parts = Array.from({ length: 100 }, (_, n) => whole.subarray(n * 1000, (n + 1) * 1000))
    const collected = collect(parts, 3000, 5000)
    assert.deepStrictEqual(Buffer.from(collected.head), Buffer.from(whole.subarray(0, 3000)))
    assert.deepStrictEqual(Buffer.from(collected.tail), Buffer.from(whole.subarray(95_000)))
  })

  it("does not keep the chunks it was given", () => {
    const chunk = Buffer.from("before")
    const collector = new OutputCollector(16, 16)
    collector.push(chunk)
    chunk.fill("x")
    assert.strictEqual(Buffer.from(collector.end().head).toString(), "before")
  })
})

describe("toText", () => {
  it.effect.prop("cuts valid text without breaking a code point", [Schema.String, Cap, Cap], ([text, head, tail]) =>
    Effect.sync(() => {
      const valid = `${text.toWellFormed()}${"é→😀a".repeat(3)}`
      const bytes = new TextEncoder().encode(valid)
      const output = toText(collect([bytes], head, tail))
      if (!output.truncated) return assert.strictEqual(output.head, valid)
      assert.isTrue(valid.startsWith(output.head))
      assert.isTrue(valid.endsWith(output.tail))
      // At most the three bytes of one code point are given up at a cut.
      assert.isAbove(Buffer.byteLength(output.head), head - 4)
      assert.isAbove(Buffer.byteLength(output.tail), tail - 4)
    })
  )

  it.effect.prop("makes valid text of any bytes", [Chunks, Cap, Cap], ([chunks, head, tail]) =>
    Effect.sync(() => {
      const output = toText(
        collect(
          chunks.map((chunk) => Uint8Array.from(chunk)),
          head,
          tail
        )
      )
      assert.isTrue(output.head.isWellFormed())
      assert.isTrue(output.tail.isWellFormed())
    })
  )

  it("keeps a byte order mark and replaces what is no UTF-8", () => {
    const output = toText(collect([Uint8Array.from([0xef, 0xbb, 0xbf, 0x41, 0xff, 0x42, 0xe2, 0x86])], 100, 100))
    assert.strictEqual(output.head, "\uFEFFA\uFFFDB\uFFFD")
  })
})
