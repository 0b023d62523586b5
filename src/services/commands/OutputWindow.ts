/**
 * Bytes of stdout and stderr that follow each other, with marks where the streams take turns. Plain code, because it runs
 * in the spawner's worker. Part of OutputLog.ts.
 *
 * Bounds: `capacity` bytes, as in ByteRing.ts, and `marksMax` marks: a command that writes single bytes to one stream and
 * the other by turns would cost more in marks than in bytes. What is beyond either is forgotten, oldest first.
 */
import { ByteRing } from "./ByteRing.ts"
import type { OutputSegment, OutputStream } from "./OutputLog.ts"

/** From this offset on the bytes are of this stream. */
interface Mark {
  readonly stream: OutputStream
  readonly offset: number
}

/** A terminal has some fifty lines: eighty screens on which every line changes the stream. 200 KiB at most. */
export const marksMax = 4096

/** As many marks as may be useless before they are moved out of the way: moving costs as much as there are. */
const uselessMax = 1024

export class OutputWindow {
  readonly #ring: ByteRing
  #marks: Array<Mark> = []
  /** Index of the first mark that is about a byte that is there. */
  #first = 0
  #start = 0
  #end = 0

  constructor(capacity: number) {
    this.#ring = new ByteRing(capacity)
  }

  /** Behind its last byte. */
  get end(): number {
    return this.#end
  }

  /** How many bytes of this stream it takes without forgetting any. */
  room(stream: OutputStream): number {
    const full = this.#marks.length - this.#first >= marksMax && this.#marks.at(-1)?.stream !== stream
    return full ? 0 : this.#ring.room
  }

  push(stream: OutputStream, offset: number, chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.#marks.length === 0) this.#start = offset
    if (this.#marks.at(-1)?.stream !== stream) this.#marks.push({ stream, offset })
    this.#ring.push(chunk)
    this.#end = offset + chunk.length
    this.#forget()
  }

  /** What there is from this offset on, in memory of its own. */
  read(from: number, bytesMax: number, segmentsMax: number): Array<OutputSegment> {
    const start = Math.max(from, this.#start)
    const wanted = this.#turns(start, Math.min(this.#end, start + bytesMax), segmentsMax)
    const last = wanted.at(-1)
    if (last === undefined) return []
    const kept = this.#end - this.#ring.size
    const bytes = this.#ring.slice(start - kept, last.end - kept)
    return wanted.map(({ stream, offset, end }) => ({
      stream,
      offset,
      bytes: bytes.subarray(offset - start, end - start)
    }))
  }

  /** Whose the bytes are between two offsets. */
  #turns(start: number, end: number, most: number): Array<Mark & { readonly end: number }> {
    const turns: Array<Mark & { readonly end: number }> = []
    for (let index = this.#first; index < this.#marks.length && turns.length < most; index++) {
      const mark = this.#marks[index]
      if (mark === undefined || mark.offset >= end) break
      const markEnd = Math.min(end, this.#marks[index + 1]?.offset ?? end)
      if (markEnd > start) turns.push({ stream: mark.stream, offset: Math.max(mark.offset, start), end: markEnd })
    }
    return turns
  }

  #forget(): void {
    const marks = this.#marks
    this.#start = Math.max(this.#start, this.#end - this.#ring.size)
    if (marks.length - this.#first > marksMax) {
      this.#first += 1
      this.#start = Math.max(this.#start, marks[this.#first]?.offset ?? 0)
    }
    while ((marks[this.#first + 1]?.offset ?? Infinity) <= this.#start) this.#first += 1
    if (this.#first < uselessMax) return
    this.#marks = marks.slice(this.#first)
    this.#first = 0
  }
}
