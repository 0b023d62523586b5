import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { OutputCollector } from "../../../src/services/commands/OutputCollector.ts"
import {
  OutputLog,
  type OutputPart,
  type OutputSegment,
  type OutputStream,
  readBytesMax,
  readKept,
  readSegmentsMax
} from "../../../src/services/commands/OutputLog.ts"
import { marksMax } from "../../../src/services/commands/OutputWindow.ts"

const Cap = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 24 }))
const From = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 150 }))
const Max = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 }))
const Chunk = Schema.Struct({
  stream: Schema.Literals(["stdout", "stderr"]),
  bytes: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(Schema.isMaxLength(20))
})
const Chunks = Schema.Array(Chunk).check(Schema.isMaxLength(12))

/** One byte of an output, as the model knows it and as segments tell it. */
type Told = readonly [offset: number, stream: OutputStream, byte: number]

const toldBy = (segments: ReadonlyArray<OutputSegment>): ReadonlyArray<Told> =>
  segments.flatMap(({ bytes, offset, stream }) => [...bytes].map((byte, n): Told => [offset + n, stream, byte]))

/** Everything that was written, and which of it has to be there. */
const modelOf = (chunks: typeof Chunks.Type, head: number, tail: number) => {
  const all = chunks
    .flatMap(({ bytes, stream }) => bytes.map((byte) => [stream, byte] as const))
    .map(([stream, byte], offset): Told => [offset, stream, byte])
  return { all, kept: all.filter(([offset]) => offset < head || offset >= all.length - tail) }
}

const logOf = (chunks: typeof Chunks.Type, head: number, tail: number): OutputLog => {
  const log = new OutputLog(head, tail)
  for (const { bytes, stream } of chunks) log.push(stream, Uint8Array.from(bytes))
  return log
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("OutputLog", () => {
  it.effect.prop(
    "gives from any byte on what was kept, as much as was asked for",
    [Chunks, Cap, Cap, From, Max],
    ([chunks, head, tail, from, max]) =>
      Effect.sync(() => {
        const { all, kept } = modelOf(chunks, head, tail)
        const part = logOf(chunks, head, tail).read(from, max)
        const expected = kept.filter(([offset]) => offset >= from).slice(0, max)
        assert.deepStrictEqual(toldBy(part.segments), expected)
        assert.strictEqual(part.bytes, all.length)
        assert.strictEqual(part.next, (expected.at(-1)?.[0] ?? from - 1) + 1)
        assert.isFalse(part.ended)
      })
  )

  it.effect.prop("tells, when it is over, head, tail, counts and hash", [Chunks, Cap, Cap], ([chunks, head, tail]) =>
    Effect.sync(() => {
      const { all, kept } = modelOf(chunks, head, tail)
      const { segments, ...figures } = logOf(chunks, head, tail).snapshot()
      assert.deepStrictEqual(toldBy(segments), kept)
      assert.deepStrictEqual(figures, {
        bytes: all.length,
        stdoutBytes: all.filter(([, stream]) => stream === "stdout").length,
        stderrBytes: all.filter(([, stream]) => stream === "stderr").length,
        sha256: sha256(Uint8Array.from(all.map(([, , byte]) => byte)))
      })
      assert.isTrue(segments.every(({ bytes }) => bytes.length > 0))
    })
  )

  it.effect.prop(
    "is read in steps of any size without a byte missed or told twice, and so is what is left of it",
    [Chunks, Cap, Cap, Max],
    ([chunks, head, tail, max]) =>
      Effect.sync(() => {
        const { all, kept } = modelOf(chunks, head, tail)
        const log = logOf(chunks, head, tail)
        const left = log.snapshot()
        const steps = (read: (from: number) => OutputPart) => {
          const told: Array<Told> = []
          let from = 0
          for (;;) {
            const { ended, next, segments } = read(from)
            told.push(...toldBy(segments))
            if (ended || segments.length === 0) return { told, ended, next }
            from = next
          }
        }
        assert.deepStrictEqual(steps((from) => log.read(from, max)).told, kept)
        assert.isTrue(readKept(left, 0, Infinity).ended)
        // The end is known to be that of the whole, also where the last bytes were not kept.
        assert.deepStrictEqual(
          steps((from) => readKept(left, from, max)),
          { told: [...kept], ended: true, next: all.length }
        )
      })
  )

  it.effect.prop("shares the hashes of its streams and comes to the same", [Chunks], ([chunks]) =>
    Effect.sync(() => {
      const hashes = { stdout: createHash("sha256"), stderr: createHash("sha256") }
      const collectors = {
        stdout: new OutputCollector(4, 4, hashes.stdout),
        stderr: new OutputCollector(4, 4, hashes.stderr)
      }
      const log = new OutputLog(4, 4, hashes)
      for (const { bytes, stream } of chunks) {
        log.push(stream, Uint8Array.from(bytes))
        collectors[stream].push(Uint8Array.from(bytes))
      }
      const ofOne = (wanted: OutputStream) =>
        sha256(Uint8Array.from(chunks.flatMap(({ bytes, stream }) => (stream === wanted ? bytes : []))))
      assert.strictEqual(log.snapshot().sha256, logOf(chunks, 4, 4).snapshot().sha256)
      assert.strictEqual(collectors.stdout.end().sha256, ofOne("stdout"))
      assert.strictEqual(collectors.stderr.end().sha256, ofOne("stderr"))
    })
  )

  describe("of a command that changes the stream with every byte", () => {
    const many = 5 * marksMax
    const streamOf = (n: number): OutputStream => (n % 2 === 0 ? "stdout" : "stderr")
    const alternating = (head: number, tail: number) => {
      const log = new OutputLog(head, tail)
      for (let n = 0; n < many; n++) log.push(streamOf(n), Uint8Array.of(n % 251))
      return log
    }

    it("keeps as many bytes as it has marks for, at both ends", () => {
      const { bytes, segments } = alternating(100_000, 100_000).snapshot()
      assert.strictEqual(bytes, many)
      const expected = [
        ...Array.from({ length: marksMax }, (_, n) => n),
        ...Array.from({ length: marksMax }, (_, n) => many - marksMax + n)
      ]
      assert.deepStrictEqual(
        toldBy(segments),
        expected.map((n): Told => [n, streamOf(n), n % 251])
      )
    })

    it("gives no more segments at once than it says", () => {
      const log = alternating(100_000, 100_000)
      const part = log.read(0, 100_000)
      assert.strictEqual(part.segments.length, readSegmentsMax)
      assert.strictEqual(part.next, readSegmentsMax)
      assert.deepStrictEqual(readKept(log.snapshot(), 0, 100_000), part)
      // Across the gap between head and tail.
      const around = log.read(marksMax - 1, 100_000)
      assert.deepStrictEqual(
        around.segments.slice(0, 2).map(({ offset }) => offset),
        [marksMax - 1, many - marksMax]
      )
      assert.strictEqual(around.segments.length, readSegmentsMax)
    })

    it("goes on with long runs after them", () => {
      const log = alternating(8, 1000)
      log.push("stdout", new Uint8Array(900))
      const { segments } = log.snapshot()
      const tail = toldBy(segments).filter(([offset]) => offset >= 8)
      assert.strictEqual(tail.length, 1000)
      assert.deepStrictEqual(
        tail.slice(0, 100),
        Array.from({ length: 100 }, (_, n): Told => [many - 100 + n, streamOf(n), (many - 100 + n) % 251])
      )
      assert.isTrue(tail.slice(100).every(([, stream, byte]) => stream === "stdout" && byte === 0))
    })
  })

  it("gives no more bytes at once than it says, whatever is asked for", () => {
    const log = new OutputLog(4 * readBytesMax, 0)
    log.push("stdout", new Uint8Array(3 * readBytesMax))
    assert.strictEqual(log.read(5, Infinity).next, readBytesMax + 5)
    assert.strictEqual(readKept(log.snapshot(), 5, Infinity).next, readBytesMax + 5)
    assert.strictEqual(log.read(-1, 0).next, 1)
    assert.strictEqual(readKept(log.snapshot(), -1, 0).next, 1)
  })

  it("keeps neither what it was given nor hands out what it keeps", () => {
    const chunk = Buffer.from("before")
    const log = new OutputLog(16, 16)
    log.push("stdout", chunk)
    chunk.fill("x")
    const [first] = log.read(0, 16).segments
    assert.strictEqual(Buffer.from(first?.bytes ?? []).toString(), "before")
    first?.bytes.fill(0)
    assert.strictEqual(Buffer.from(log.read(0, 16).segments[0]?.bytes ?? []).toString(), "before")
  })
})
