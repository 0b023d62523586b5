import { assert, describe, it } from "@effect/vitest"
import { type OutputCursor, cursorText, parseCursor, startOf } from "../../../src/http/operations/OutputCursor.ts"
import { type OutputRecord, OutputRecords } from "../../../src/http/operations/OutputRecords.ts"
import {
  type KeptOutput,
  type OutputSegment,
  type OutputStream,
  readKept
} from "../../../src/services/commands/OutputLog.ts"
import { random } from "../../harness/random.ts"

const streams = ["stdout", "stderr"] as const

/** Segments one behind the other. */
const written = (parts: ReadonlyArray<readonly [OutputStream, Uint8Array | string]>): KeptOutput => {
  let bytes = 0
  const segments = parts.map(([stream, content]): OutputSegment => {
    const segment = { stream, offset: bytes, bytes: Buffer.from(content) }
    bytes += segment.bytes.length
    return segment
  })
  return { segments, bytes, stdoutBytes: 0, stderrBytes: 0, sha256: "" }
}

/** All that a reader gets that begins there, in parts of at most so many bytes. */
const readAll = (kept: KeptOutput, from: OutputCursor, max = 1000, only?: OutputStream) => {
  const reader = new OutputRecords(from, only)
  const records: Array<OutputRecord> = []
  for (;;) {
    const part = readKept(kept, reader.position, max)
    records.push(...reader.records(part))
    if (part.ended) return { records: [...records, ...reader.finish()], reader }
  }
}

const cursor = (text: string): OutputCursor => parseCursor(text) ?? assert.fail(`${text} is no cursor`)
const start = cursor("0")

const textsOf = (records: ReadonlyArray<OutputRecord>, of: OutputStream) =>
  records.map((record) => (record._tag === "text" && record.stream === of ? record.text : "")).join("")

const bytesOf = ({ segments }: KeptOutput, of: OutputStream) =>
  Buffer.concat(segments.filter(({ stream }) => stream === of).map(({ bytes }) => bytes))

const characters = ["a", "\n", "é", "€", "😀", "\u0000", "\ufeff", "한"]

/** Both streams at once, cut anywhere; now and then bytes that are no text. */
const drawnOutput = (next: () => number): KeptOutput => {
  const below = (max: number) => Math.floor(next() * max)
  const left = new Map(
    streams.map((stream) => {
      const pieces = Array.from({ length: below(20) }, () =>
        next() < 0.1 ? Buffer.from([below(256), below(256)]) : Buffer.from(characters[below(characters.length)] ?? "")
      )
      return [stream, Buffer.concat(pieces)] as const
    })
  )
  const parts: Array<readonly [OutputStream, Uint8Array]> = []
  while ([...left.values()].some(({ length }) => length > 0)) {
    const stream = streams[below(2)] ?? "stdout"
    const rest = left.get(stream) ?? Buffer.alloc(0)
    const length = 1 + below(5)
    if (rest.length > 0) parts.push([stream, rest.subarray(0, length)])
    left.set(stream, rest.subarray(length))
  }
  return written(parts)
}

describe("records of an output", () => {
  it("are the text that the bytes are, however they were cut and read", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const next = random(seed)
      const kept = drawnOutput(next)
      const { records, reader } = readAll(kept, start, 1 + Math.floor(next() * 7))
      for (const stream of streams) {
        const whole = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytesOf(kept, stream))
        assert.strictEqual(textsOf(records, stream), whole, `${stream} of seed ${seed}`)
      }
      assert.deepStrictEqual(reader.cursor, { next: kept.bytes, stdout: undefined, stderr: undefined })
      assert.notInclude(
        records.map(({ _tag }) => _tag),
        "gap"
      )
    }
  })

  it("go on behind any of them: nothing is lost, nothing comes twice", () => {
    let held = 0
    for (let seed = 1; seed <= 300; seed++) {
      const next = random(seed)
      const kept = drawnOutput(next)
      const { records } = readAll(kept, start, 1 + Math.floor(next() * 7))
      records.forEach((record, index) => {
        const token = cursorText(record.cursor)
        if (token.includes(".")) held += 1
        const rest = readAll(kept, cursor(token), 1 + Math.floor(next() * 7)).records
        for (const stream of streams) {
          assert.strictEqual(
            textsOf(rest, stream),
            textsOf(records.slice(index + 1), stream),
            `${stream} behind ${token} of seed ${seed}`
          )
        }
      })
    }
    // Else nothing was tried of what makes this hard.
    assert.isAbove(held, 100)
  })

  it("say where their text begins, and where to go on", () => {
    const kept = written([
      ["stdout", "ab"],
      ["stderr", "\u20ac"]
    ])
    assert.deepStrictEqual(
      readAll(kept, start, 3).records.map((record) =>
        record._tag === "text" ? [record.offset, record.text, cursorText(record.cursor)] : record
      ),
      [
        [0, "ab", "2"],
        [2, "\u20ac", "5"]
      ]
    )
  })

  it("of one stream are not those of the other, and count both", () => {
    const kept = written([
      ["stdout", "one"],
      ["stderr", "two"],
      ["stdout", "three"]
    ])
    const { reader, records } = readAll(kept, start, 100, "stderr")
    assert.deepStrictEqual(
      records.map((record) => (record._tag === "text" ? [record.offset, record.text] : record)),
      [[3, "two"]]
    )
    assert.strictEqual(reader.cursor.next, 11)
  })

  it("tell what is gone, and leave out a character that a gap goes through, on either side", () => {
    const euro = Buffer.from("\u20ac")
    const kept: KeptOutput = {
      segments: [
        { stream: "stdout", offset: 0, bytes: Buffer.concat([Buffer.from("a"), euro.subarray(0, 2)]) },
        { stream: "stdout", offset: 100, bytes: Buffer.concat([euro.subarray(1), Buffer.from("b")]) }
      ],
      bytes: 110,
      stdoutBytes: 110,
      stderrBytes: 0,
      sha256: ""
    }
    const { records } = readAll(kept, start)
    assert.deepStrictEqual(
      records.map((record) => (record._tag === "text" ? [record.offset, record.text] : [record.from, record.to])),
      [
        [0, "a"],
        [3, 100],
        [102, "b"],
        [103, 110]
      ]
    )
  })
})

describe("a cursor", () => {
  it("is read as it is written", () => {
    for (const text of ["0", "17", "17.o3", "17.e17", "17.o3.e4"]) assert.strictEqual(cursorText(cursor(text)), text)
    assert.strictEqual(startOf(cursor("17.o5.e3")), 3)
  })

  it("is nothing else", () => {
    for (const text of ["", "-1", "1.5", "x", "17.o18", "17.e3.o4", "1e3", "9".repeat(16), " 1"]) {
      assert.isUndefined(parseCursor(text), text)
    }
  })
})
