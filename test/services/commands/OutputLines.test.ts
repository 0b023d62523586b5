import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { liveOfKept, makeOwnOutput } from "../../../src/services/commands/LiveOutput.ts"
import { lineMaxBytes, readLines } from "../../../src/services/commands/OutputLines.ts"
import type { LiveOutput, OutputStream } from "../../../src/services/commands/OutputLog.ts"

const wide = { headBytes: 1_000_000, tailBytes: 1_000_000 }

const linesOf = Effect.fnUntraced(function* (live: LiveOutput) {
  const lines: Array<string> = []
  const gaps: Array<number> = []
  yield* readLines(live, {
    onLine: (line) => Effect.sync(() => void lines.push(line)),
    onGap: (bytes) => Effect.sync(() => void gaps.push(bytes))
  })
  return { lines, gaps }
})

/** Read as fast as it is written, and once more when it is over. */
const bothWays = Effect.fnUntraced(function* (
  chunks: ReadonlyArray<readonly [OutputStream, string | Uint8Array]>,
  limits = wide
) {
  const own = makeOwnOutput(limits)
  const fiber = yield* Effect.forkChild(linesOf(own.live), { startImmediately: true })
  for (const [stream, chunk] of chunks) {
    own.write(stream, typeof chunk === "string" ? Buffer.from(chunk) : chunk)
    yield* Effect.yieldNow
  }
  own.end()
  return { live: yield* Fiber.join(fiber), after: yield* linesOf(own.live) }
})

const Cut = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))

describe("lines of an output", () => {
  it.effect("are those of stdout, decoded, the last one also without a newline", () =>
    Effect.gen(function* () {
      const { after, live } = yield* bothWays([
        ["stdout", "one\n\ntw"],
        ["stderr", "not this\n"],
        ["stdout", "o\r\nthr"],
        ["stdout", "ee"]
      ])
      assert.deepStrictEqual(live, { lines: ["one", "", "two\r", "three"], gaps: [] })
      assert.deepStrictEqual(after, live)
    })
  )

  it.effect.prop("are the same however they are cut", [Schema.Array(Schema.String), Cut], ([texts, cut]) =>
    Effect.gen(function* () {
      const expected = texts.map((text) => `é→😀${text.toWellFormed().replaceAll("\n", " ")}`)
      const bytes = Buffer.from(expected.map((line) => `${line}\n`).join(""))
      const chunks = Array.from(
        { length: Math.ceil(bytes.length / cut) },
        (_, n) => ["stdout", bytes.subarray(n * cut, (n + 1) * cut)] as const
      )
      const { after, live } = yield* bothWays(chunks)
      assert.deepStrictEqual(live.lines, expected)
      assert.deepStrictEqual(after.lines, expected)
    })
  )

  it.effect("may hold anything", () =>
    Effect.gen(function* () {
      const { live } = yield* bothWays([["stdout", Uint8Array.from([0xff, 0, 0xe2, 0x82, 0x0a, 0x41])]])
      assert.deepStrictEqual(live.lines, ["\uFFFD\0\uFFFD", "A"])
    })
  )

  it.effect("are cut at a bound, between two code points, and the next is whole", () =>
    Effect.gen(function* () {
      const long = `a${"é".repeat(lineMaxBytes)}`
      const half = Math.floor(long.length / 2)
      const { after, live } = yield* bothWays([
        ["stdout", long.slice(0, half)],
        ["stdout", `${long.slice(half)}\nnext\n`]
      ])
      assert.deepStrictEqual(live.lines, [`a${"é".repeat(lineMaxBytes / 2 - 1)}`, "next"])
      assert.deepStrictEqual(after, live)
    })
  )

  it.effect("that were not kept are told, and the ones around them are not told by halves", () =>
    Effect.gen(function* () {
      const own = makeOwnOutput({ headBytes: 10, tailBytes: 12 })
      own.write("stdout", Buffer.from("first\nsecond\nthird\nfourth\nfifth\n"))
      own.end()
      // Kept are "first\nseco" and "ourth\nfifth\n".
      assert.deepStrictEqual(yield* linesOf(own.live), { lines: ["first", "fifth"], gaps: [10] })
    })
  )

  it.effect("that were lost at the very end are told too", () =>
    Effect.gen(function* () {
      const own = makeOwnOutput({ headBytes: 8, tailBytes: 0 })
      own.write("stdout", Buffer.from("first\nsecond\n"))
      assert.deepStrictEqual(yield* linesOf(liveOfKept(own.end())), { lines: ["first"], gaps: [5] })
    })
  )
})

describe("an output of one's own", () => {
  it.effect("lets its readers wait, each for what it has not seen, and then for the end", () =>
    Effect.gen(function* () {
      const own = makeOwnOutput(wide)
      const early = yield* Effect.forkChild(own.live.read(0, 100), { startImmediately: true })
      const late = yield* Effect.forkChild(own.live.read(3, 100), { startImmediately: true })
      own.write("stdout", Buffer.from("abc"))
      assert.strictEqual((yield* Fiber.join(early)).next, 3)
      assert.isUndefined(late.pollUnsafe())
      own.write("stderr", Buffer.from("d"))
      const { segments } = yield* Fiber.join(late)
      assert.deepStrictEqual(segments, [{ stream: "stderr", offset: 3, bytes: Uint8Array.of(100) }])
      const atEnd = yield* Effect.forkChild(own.live.read(4, 100), { startImmediately: true })
      const kept = own.end()
      assert.deepStrictEqual(yield* Fiber.join(atEnd), { segments: [], next: 4, bytes: 4, ended: true })
      own.write("stdout", Buffer.from("too late"))
      assert.deepStrictEqual(yield* own.live.snapshot, kept)
      assert.deepStrictEqual([kept.bytes, kept.stdoutBytes, kept.stderrBytes], [4, 3, 1])
    })
  )
})
