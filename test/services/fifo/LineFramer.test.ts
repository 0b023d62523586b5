import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { timeAt } from "../../../src/services/events/Event.ts"
import { parseGivenTime } from "../../../src/services/fifo/GivenTime.ts"
import { noLines } from "../../../src/services/fifo/LineCounts.ts"
import { LineFramer, type LineOptions, type LineRun } from "../../../src/services/fifo/LineFramer.ts"

const nowMs = Date.UTC(2024, 10, 5)

const plain: LineOptions = { trim: false, skipEmpty: false, givenTime: false, lineMaxBytes: 65_536 }

interface Line {
  readonly ms: number
  readonly fields: string | undefined
  readonly message: string
}

const linesOf = (runs: ReadonlyArray<LineRun>): ReadonlyArray<Line> =>
  runs.flatMap((run) =>
    run.messages.map((message, i) => ({ ms: Number(timeAt(run, i) / 1_000_000n), fields: run.fields, message }))
  )

const bytesOf = (content: string | Uint8Array): Buffer => Buffer.from(content)

/** Frames the content in the given pieces, then its unfinished rest. */
const frame = (content: Buffer, options: Partial<LineOptions> = {}, cuts: ReadonlyArray<number> = []) => {
  const counts = noLines()
  const framer = new LineFramer({ ...plain, ...options }, counts)
  const lines: Array<Line> = []
  // One buffer for all chunks, as the socket has it: whoever keeps a reference to it is found out.
  const shared = Buffer.alloc(content.length)
  let start = 0
  for (const end of [...cuts.toSorted((a, b) => a - b), content.length]) {
    const length = content.copy(shared, 0, start, end)
    lines.push(...linesOf(framer.push(shared.subarray(0, length), nowMs)))
    start = end
  }
  lines.push(...linesOf(framer.flush(nowMs)))
  assert.strictEqual(framer.unfinishedBytes, 0)
  return { lines, counts }
}

const texts = (content: string | Uint8Array, options: Partial<LineOptions> = {}): ReadonlyArray<string> =>
  frame(bytesOf(content), options).lines.map((line) => line.message)

/** What lines are made of, the dangerous bytes more often than chance would have them. */
const Piece = Schema.Literals([
  "\n",
  "\n",
  "\n",
  "\r",
  " ",
  "\t",
  "\0",
  "a",
  "bc",
  "1730764800 ",
  "1730764800123\t",
  "9999999999 ",
  "é",
  "€",
  "😀",
  "\u{feff}",
  "\\xff",
  "\\xc3",
  "\\xe2\\x82",
  "\\xf0\\x9f\\x98",
  "\\x80"
])
const Pieces = Schema.Array(Piece).check(Schema.isMaxLength(60))
const Cuts = Schema.Array(Schema.Natural).check(Schema.isMaxLength(12))
const Options = Schema.Struct({
  trim: Schema.Boolean,
  skipEmpty: Schema.Boolean,
  givenTime: Schema.Boolean,
  lineMaxBytes: Schema.Literals([4, 5, 7, 16, 64, 65_536])
})

const contentOf = (pieces: ReadonlyArray<string>): Buffer =>
  Buffer.concat(
    pieces.map((piece) => (piece.startsWith("\\x") ? Buffer.from(piece.replaceAll("\\x", ""), "hex") : bytesOf(piece)))
  )

describe("framing", () => {
  it.effect.prop(
    "does not depend on how the bytes are cut",
    [Pieces, Cuts, Options],
    ([pieces, cuts, options]) =>
      Effect.sync(() => {
        const content = contentOf(pieces)
        const places = cuts.map((cut) => cut % (content.length + 1))
        assert.deepStrictEqual(frame(content, options, places), frame(content, options))
      }),
    { arbitrary: { runs: 1000 } }
  )

  it.effect.prop(
    "is that of a decoder of whole lines",
    [Pieces, Cuts],
    ([pieces, cuts]) =>
      Effect.sync(() => {
        const content = contentOf(pieces)
        const places = cuts.map((cut) => cut % (content.length + 1))
        const { counts, lines } = frame(content, {}, places)
        const decoded = new TextDecoder("utf-8", { ignoreBOM: true }).decode(content).split("\n")
        // What follows the last newline is a line only if there is something.
        if (decoded.at(-1) === "") decoded.pop()
        assert.deepStrictEqual(
          lines.map((line) => line.message),
          decoded
        )
        assert.isTrue(
          lines.every((line) => line.fields === undefined && line.ms === nowMs && line.message.isWellFormed())
        )
        assert.strictEqual(counts.lines, decoded.length)
      }),
    { arbitrary: { runs: 500 } }
  )

  it.effect.prop(
    "keeps of a line as many whole characters as fit",
    [Schema.Array(Schema.Literals(["a", "é", "€", "😀"])), Cuts],
    ([characters, cuts]) =>
      Effect.sync(() => {
        const line = characters.join("")
        const content = bytesOf(`${line}\n`)
        let kept = ""
        for (const character of characters) {
          if (Buffer.byteLength(kept + character) > 10) break
          kept += character
        }
        const whole = kept === line
        const expected = whole ? undefined : JSON.stringify({ truncated: true, bytes: Buffer.byteLength(line) })
        const { counts, lines } = frame(
          content,
          { lineMaxBytes: 10 },
          cuts.map((cut) => cut % (content.length + 1))
        )
        assert.deepStrictEqual(lines, [{ ms: nowMs, fields: expected, message: kept }])
        assert.strictEqual(counts.cutLines, whole ? 0 : 1)
        assert.strictEqual(counts.invalidLines, 0)
      })
  )

  it("keeps carriage returns, NUL and empty lines", () => {
    assert.deepStrictEqual(texts("a\r\n\n\0b\n"), ["a\r", "", "\0b"])
    assert.deepStrictEqual(texts("\n"), [""])
    assert.deepStrictEqual(texts(""), [])
  })

  it("makes one run of a chunk, and of a chunk and the rest before it", () => {
    const framer = new LineFramer(plain)
    assert.deepStrictEqual(framer.push(bytesOf("a\nb\nc"), nowMs), [
      { receivedAt: BigInt(nowMs) * 1_000_000n, fields: undefined, messages: ["a", "b"] }
    ])
    assert.deepStrictEqual(framer.push(bytesOf("d\ne\n"), nowMs + 1), [
      { receivedAt: BigInt(nowMs + 1) * 1_000_000n, fields: undefined, messages: ["cd", "e"] }
    ])
  })

  it("counts lines that are not UTF-8 and replaces what is not", () => {
    const { counts, lines } = frame(contentOf(["a", "\\xff", "\n", "b", "\n", "\\xc3", "\n", "€"]))
    assert.deepStrictEqual(
      lines.map((line) => line.message),
      ["a\u{fffd}", "b", "\u{fffd}", "€"]
    )
    assert.deepStrictEqual(counts, { lines: 4, cutLines: 0, invalidLines: 2 })
  })

  it("marks a line over the cap with its size, and only that one", () => {
    const content = bytesOf(`short\n${"x".repeat(100)}\n${"y".repeat(64)}\n${"z".repeat(65)}\n`)
    const { counts, lines } = frame(content, { lineMaxBytes: 64 })
    assert.deepStrictEqual(
      lines.map(({ fields, message }) => [message.length, fields]),
      [
        [5, undefined],
        [64, `{"truncated":true,"bytes":100}`],
        [64, undefined],
        [64, `{"truncated":true,"bytes":65}`]
      ]
    )
    assert.strictEqual(counts.cutLines, 2)
  })

  it("holds a line that never ends within the cap", () => {
    const framer = new LineFramer({ ...plain, lineMaxBytes: 1000 })
    const chunk = Buffer.alloc(65_536, "x")
    for (let n = 0; n < 1000; n++) assert.deepStrictEqual(framer.push(chunk, nowMs), [])
    assert.strictEqual(framer.unfinishedBytes, 65_536_000)
    const [run] = framer.flush(nowMs)
    assert.deepStrictEqual(run?.messages, ["x".repeat(1000)])
    assert.strictEqual(run?.fields, `{"truncated":true,"bytes":65536000}`)
  })
})

describe("options", () => {
  it("trim cuts ASCII white space only, from both ends only", () => {
    assert.deepStrictEqual(texts(" \t a b \r\n\v\f\n\u{a0}x\u{a0}\n\0\n", { trim: true }), [
      "a b",
      "",
      "\u{a0}x\u{a0}",
      "\0"
    ])
  })

  it("skipEmpty skips empty lines, blank ones only when they are trimmed", () => {
    assert.deepStrictEqual(texts("\na\n \n\n", { skipEmpty: true }), ["a", " "])
    assert.deepStrictEqual(texts("\na\n \n\n", { skipEmpty: true, trim: true }), ["a"])
  })

  it("skipEmpty keeps a cut line of which only blanks are left", () => {
    const { lines } = frame(bytesOf(`${" ".repeat(70)}x\n`), { skipEmpty: true, trim: true, lineMaxBytes: 64 })
    assert.deepStrictEqual(lines, [{ ms: nowMs, fields: `{"truncated":true,"bytes":71}`, message: "" }])
  })

  it("givenTime takes the time from the line, trimmed or not", () => {
    const content = bytesOf("1730764800 a\n1730764800123\tb \n  1730764801  c\n1730764800 \nd\n")
    const times = (options: Partial<LineOptions>) =>
      frame(content, { givenTime: true, ...options }).lines.map(({ message, ms }) => [ms, message])
    assert.deepStrictEqual(times({}), [
      [1730764800000, "a"],
      [1730764800123, "b "],
      [nowMs, "  1730764801  c"],
      [1730764800000, ""],
      [nowMs, "d"]
    ])
    assert.deepStrictEqual(times({ trim: true, skipEmpty: true }), [
      [1730764800000, "a"],
      [1730764800123, "b"],
      [1730764801000, "c"],
      [nowMs, "d"]
    ])
  })

  it("givenTime makes one run of lines, with offsets where their times differ, each exact", () => {
    const framer = new LineFramer({ ...plain, givenTime: true })
    const receivedAt = 1_730_764_800_000_000_000n
    assert.deepStrictEqual(framer.push(bytesOf("1730764800 a\n1730764800 b\n"), nowMs), [
      { receivedAt, fields: undefined, messages: ["a", "b"] }
    ])
    const later = "1730764800 a\n1730764801 b\n1730764799999 c\n1720000000 too far\n"
    assert.deepStrictEqual(framer.push(bytesOf(later), nowMs), [
      { receivedAt, fields: undefined, messages: ["a", "b", "c"], offsets: [0, 1e9, -1e6] },
      { receivedAt: 1_720_000_000_000_000_000n, fields: undefined, messages: ["too far"] }
    ])
  })
})

describe("a given time", () => {
  const cases: ReadonlyArray<readonly [string, number | undefined]> = [
    ["1730764800 x", 1_730_764_800_000],
    ["1730764800\t", 1_730_764_800_000],
    ["1730764800123 x", 1_730_764_800_123],
    ["0978307200 x", 978_307_200_000],
    ["0978307199 x", undefined],
    ["0978307199999 x", undefined],
    ["1730764800", undefined],
    ["1730764800:x", undefined],
    ["173076480 x", undefined],
    ["17307648001 x", undefined],
    ["173076480a x", undefined],
    ["17307648001234 x", undefined],
    ["+730764800 x", undefined],
    [`${(nowMs + 86_400_000) / 1000} x`, nowMs + 86_400_000],
    [`${nowMs + 86_400_001} x`, undefined],
    ["", undefined]
  ]
  for (const [line, ms] of cases) {
    it(`in ${JSON.stringify(line)} is ${ms ?? "text"}`, () => {
      assert.strictEqual(parseGivenTime(line, nowMs)?.ms, ms)
    })
  }

  it.effect.prop(
    "is what was written, and the message what follows it",
    [
      Schema.Int.check(Schema.isBetween({ minimum: 1_000_000_000_000, maximum: nowMs })),
      Schema.String,
      Schema.Literals([" ", "\t"])
    ],
    ([ms, message, blank]) =>
      Effect.sync(() => {
        for (const written of [String(ms), String(Math.floor(ms / 1000))]) {
          const line = `${written}${blank}${message}`
          const given = parseGivenTime(line, nowMs)
          assert.strictEqual(given?.ms, written.length === 13 ? ms : Math.floor(ms / 1000) * 1000)
          assert.strictEqual(line.slice(given?.messageAt), message)
        }
      })
  )
})
