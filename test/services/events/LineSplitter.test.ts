import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { LineSplitter, type SplitLine } from "../../../src/services/events/LineSplitter.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Cuts after these many bytes, round and round; 0 is an empty chunk. */
const split = (body: Buffer, sizes: ReadonlyArray<number>, maxBytes: number): ReadonlyArray<SplitLine> => {
  const splitter = new LineSplitter(maxBytes)
  const lines: Array<SplitLine> = []
  for (let at = 0, i = 0; at < body.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    // What the splitter keeps must be its own: a socket uses its memory again.
    const chunk = Buffer.from(body.subarray(at, at + size))
    lines.push(...splitter.push(chunk))
    chunk.fill(0x2a)
    at += size
  }
  return [...lines, ...splitter.end()]
}

const naive = (body: Buffer, maxBytes: number): ReadonlyArray<SplitLine> => {
  const lines: Array<Buffer> = []
  let start = 0
  for (let at = 0; at < body.length; at++) {
    if (body[at] !== 0x0a) continue
    lines.push(body.subarray(start, at))
    start = at + 1
  }
  if (start < body.length) lines.push(body.subarray(start))
  return lines.map((line) =>
    line.length > maxBytes ? { text: "", tooLong: true } : { text: line.toString(), tooLong: false }
  )
}

const tooLong: SplitLine = { text: "", tooLong: true }
const whole = (text: string): SplitLine => ({ text, tooLong: false })

describe("LineSplitter", () => {
  it.effect.prop(
    "gives the same lines however the body is cut into chunks",
    [
      Schema.Array(Schema.Literals(["\n", "\n", "a", "é", "€", "𝄞", "\r", "\u0000", "\ufeff", "long long"])).check(
        Schema.isMaxLength(40)
      ),
      Schema.Array(between(0, 9)).check(Schema.isMinLength(1), Schema.isMaxLength(6)),
      between(0, 14)
    ],
    ([pieces, sizes, maxBytes]) =>
      Effect.sync(() => {
        const body = Buffer.from(pieces.join(""))
        const cuts = sizes.some((size) => size > 0) ? sizes : [1]
        assert.deepStrictEqual(split(body, cuts, maxBytes), naive(body, maxBytes))
      }),
    { arbitrary: { runs: 400 } }
  )

  it("takes a line of exactly the cap and not one byte more", () => {
    for (const size of [1, 3, 100]) {
      assert.deepStrictEqual(split(Buffer.from("12345\n123456\n12345"), [size], 5), [
        whole("12345"),
        tooLong,
        whole("12345")
      ])
      assert.deepStrictEqual(split(Buffer.from("123456"), [size], 5), [tooLong])
    }
  })

  it("holds no more than the cap of a line without end", () => {
    const splitter = new LineSplitter(1024)
    const chunk = Buffer.alloc(64 * 1024, 0x61)
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 4000; i++) splitter.push(chunk)
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 16 * 1024 * 1024)
    assert.deepStrictEqual(splitter.push(Buffer.from("\nnext\n")), [tooLong, whole("next")])
    assert.deepStrictEqual(splitter.end(), [])
  })

  it("replaces what is not UTF-8", () => {
    assert.deepStrictEqual(split(Buffer.from([0x61, 0xff, 0x0a, 0xe2, 0x82]), [1], 10), [
      whole("a\ufffd"),
      whole("\ufffd")
    ])
  })
})
