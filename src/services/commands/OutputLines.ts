/**
 * The lines of a command's stdout, read from its live output while it runs. Lines that nobody was quick enough to read are
 * gone from what is kept of the output: that is told, and reading goes on with the next whole line.
 *
 * Bounds: one part of the output, and of a line `lineMaxBytes`: of a longer one its beginning is given. A slow `onLine`
 * delays the next read and nothing else.
 */
import * as Effect from "effect/Effect"
import { StringDecoder } from "node:string_decoder"
import { ByteRing } from "./ByteRing.ts"
import { type LiveOutput, type OutputPart, readBytesMax } from "./OutputLog.ts"

/** What a line of JSON with the result of a command may take. */
export const lineMaxBytes = 64 * 1024

const newline = 0x0a

export interface LineReader {
  /** Without its newline, decoded; what is no UTF-8 is U+FFFD. */
  readonly onLine: (line: string) => Effect.Effect<void>
  /** So many bytes, of both streams, were not kept, and with them perhaps lines and parts of the two around them. */
  readonly onGap?: ((bytes: number) => Effect.Effect<void>) | undefined
}

/** Reads until the output has ended; its last line need not have a newline. */
export const readLines = Effect.fnUntraced(function* (live: LiveOutput, reader: LineReader) {
  const { onGap = () => Effect.void, onLine } = reader
  const cutter = new LineCutter()
  const goTo = (offset: number) => {
    const bytes = offset - from
    if (bytes <= 0) return Effect.void
    cutter.skip()
    return onGap(bytes)
  }
  let from = 0
  let part: OutputPart
  do {
    part = yield* live.read(from, readBytesMax)
    for (const { bytes, offset, stream } of part.segments) {
      yield* goTo(offset)
      if (stream === "stdout") yield* Effect.forEach(cutter.push(bytes), onLine, { discard: true })
      from = offset + bytes.length
    }
    part.free?.()
    yield* goTo(part.next)
    from = part.next
  } while (!part.ended)
  yield* Effect.forEach(cutter.end(), onLine, { discard: true })
})

class LineCutter {
  /** The beginning of a line whose end has not come: a copy, or a few bytes would keep a whole part in memory. */
  #held = new ByteRing(lineMaxBytes)
  /** A line whose beginning is unknown. */
  #skipping = false

  /** The lines that end in these bytes. */
  push(bytes: Uint8Array): ReadonlyArray<string> {
    const lines: Array<string> = []
    let start = 0
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      if (!this.#skipping) lines.push(this.#take(bytes.subarray(start, end)))
      this.#skipping = false
      start = end + 1
    }
    if (!this.#skipping) this.#hold(bytes.subarray(start))
    return lines
  }

  /** Bytes are missing before the next. */
  skip(): void {
    this.#held = new ByteRing(lineMaxBytes)
    this.#skipping = true
  }

  end(): ReadonlyArray<string> {
    return this.#held.size === 0 ? [] : [this.#take(new Uint8Array(0))]
  }

  #take(rest: Uint8Array): string {
    if (this.#held.size === 0) return textOf(rest)
    this.#hold(rest)
    const line = this.#held.slice(0, this.#held.size)
    this.#held = new ByteRing(lineMaxBytes)
    return textOf(line)
  }

  #hold(bytes: Uint8Array): void {
    this.#held.push(bytes.subarray(0, this.#held.room))
  }
}

/** A code point that the cut goes through is left out. */
const textOf = (line: Uint8Array): string =>
  line.length < lineMaxBytes
    ? Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString()
    : new StringDecoder("utf8").write(Buffer.from(line.buffer, line.byteOffset, lineMaxBytes))
