import { assert, describe, it } from "@effect/vitest"
import type { KeptOutput, OutputSegment } from "../../../src/services/commands/OutputLog.ts"
import { OutputUnreadable, toKeptOutput, toStoredOutput } from "../../../src/services/operations/outputBytes.ts"
import { random } from "../../harness/random.ts"

const keptOf = (segments: ReadonlyArray<OutputSegment>): KeptOutput => ({
  segments,
  bytes: 7,
  stdoutBytes: 5,
  stderrBytes: 2,
  sha256: "ab".repeat(32)
})

const segmentOf = (stream: OutputSegment["stream"], offset: number, bytes: ReadonlyArray<number>): OutputSegment => ({
  stream,
  offset,
  bytes: Uint8Array.from(bytes)
})

describe("a kept output", () => {
  it("comes back as it was, with gaps, empty segments and the largest offsets", () => {
    const kept = keptOf([
      segmentOf("stdout", 0, [1, 2, 3]),
      segmentOf("stderr", 3, [4]),
      segmentOf("stderr", 4, []),
      segmentOf(
        "stdout",
        127 + 4,
        Array.from({ length: 300 }, (_, i) => i % 256)
      ),
      segmentOf("stderr", Number.MAX_SAFE_INTEGER - 10, [255, 0])
    ])
    assert.deepStrictEqual(toKeptOutput(toStoredOutput(kept)), kept)
    assert.deepStrictEqual(toKeptOutput(toStoredOutput(keptOf([]))), keptOf([]))
  })

  it("comes back whatever its segments are", () => {
    const draw = random(11)
    for (let round = 0; round < 200; round++) {
      const segments: Array<OutputSegment> = []
      let offset = 0
      for (let i = Math.floor(draw() * 20); i > 0; i--) {
        if (draw() < 0.3) offset += Math.floor(draw() ** 4 * 2 ** 45)
        const bytes = Array.from({ length: Math.floor(draw() ** 3 * 400) }, () => Math.floor(draw() * 256))
        segments.push(segmentOf(draw() < 0.5 ? "stdout" : "stderr", offset, bytes))
        offset += bytes.length
      }
      const kept = keptOf(segments)
      assert.deepStrictEqual(toKeptOutput(toStoredOutput(kept)), kept)
    }
  })

  it("of many short segments takes two bytes more for each", () => {
    const kept = keptOf(
      Array.from({ length: 1000 }, (_, i) => segmentOf(i % 2 === 0 ? "stdout" : "stderr", i, [i % 256]))
    )
    assert.strictEqual(toStoredOutput(kept).segments.length, 3000)
  })

  it("that ends in the midst of a segment is not taken for a shorter one", () => {
    const stored = toStoredOutput(
      keptOf([
        segmentOf(
          "stdout",
          1000,
          Array.from({ length: 200 }, () => 1)
        )
      ])
    )
    for (let length = 1; length < stored.segments.length; length++) {
      const cut = { ...stored, segments: stored.segments.subarray(0, length) }
      assert.throws(() => toKeptOutput(cut), OutputUnreadable)
    }
  })
})
