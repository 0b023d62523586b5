/**
 * The worker's end of the output of a command that writes no faster than its one reader reads: bytes that wait to be read,
 * and the read that waits for bytes. What was read is given away and not kept.
 *
 * Bounds: `windowBytes`, or `segmentsMax` pieces of less; who pushes asks `isFull` and then reads the pipe no further, so
 * that the command waits in its writes. What was being read at that moment is taken all the same, one piece per stream.
 * Never: a byte that is left out.
 */
import type { Hash } from "node:crypto"
import { type KeptOutput, OutputLog, type OutputPart, type OutputSegment, type OutputStream } from "./OutputLog.ts"

/** Enough for the reader to have work while the next comes through a pipe of 64 KiB; what each slow reader costs. */
const windowBytes = 256 * 1024

/** An object each, where a command writes little pieces. */
const segmentsMax = 1024

export class PacedWaits {
  /** Counts and hashes, and keeps nothing. */
  readonly #log: OutputLog
  readonly #answer: (read: number, part: OutputPart) => void
  #unread: Array<OutputSegment> = []
  #unreadBytes = 0
  #wait: { readonly read: number; readonly max: number } | undefined

  constructor(apart: Readonly<Record<OutputStream, Hash>>, answer: (read: number, part: OutputPart) => void) {
    this.#log = new OutputLog(0, 0, apart)
    this.#answer = answer
  }

  get isFull(): boolean {
    return this.#unreadBytes >= windowBytes || this.#unread.length >= segmentsMax
  }

  push(stream: OutputStream, chunk: Uint8Array): void {
    // In memory of its own, which goes to the reader as it is.
    this.#unread.push({ stream, offset: this.#log.bytes, bytes: new Uint8Array(chunk) })
    this.#unreadBytes += chunk.length
    this.#log.push(stream, chunk)
    if (this.#wait !== undefined) this.#give(this.#wait.read, this.#wait.max)
  }

  /** Whole pieces, up to so many bytes, and one at least. A reader goes on where it was: there is nothing else to read. */
  read(read: number, _from: number, max: number): void {
    if (this.#unread.length > 0) this.#give(read, max)
    else this.#wait = { read, max }
  }

  forget(read: number): void {
    if (this.#wait?.read === read) this.#wait = undefined
  }

  /** What waits is copied, for it may still be read. */
  snapshot(): KeptOutput {
    return { ...this.#log.snapshot(), segments: this.#unread.map((one) => ({ ...one, bytes: one.bytes.slice() })) }
  }

  #give(read: number, max: number): void {
    this.#wait = undefined
    let bytes = 0
    let count = 0
    for (const segment of this.#unread) {
      if (count > 0 && bytes + segment.bytes.length > max) break
      bytes += segment.bytes.length
      count += 1
    }
    const segments = this.#unread.slice(0, count)
    this.#unread = this.#unread.slice(count)
    this.#unreadBytes -= bytes
    const next = this.#log.bytes - this.#unreadBytes
    this.#answer(read, { segments, next, bytes: this.#log.bytes, ended: false })
  }
}
