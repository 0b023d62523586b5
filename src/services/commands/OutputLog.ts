/**
 * What a command writes to stdout and stderr, as one: bytes in the order in which they came, counted over both. Whoever
 * reads says from which byte on; what is read is kept at the head and the tail, and what lies between them may be gone.
 * Plain code, because it runs in the spawner's worker; what the main thread does with it is in LiveOutput.ts.
 *
 * Bounds: the first `headBytes` and the last `tailBytes`, and no more than OutputWindow.ts has marks for: of a command
 * that never stops changing the stream, fewer. One read gives `readBytesMax` at most, and `readSegmentsMax`.
 */
import type * as Effect from "effect/Effect"
import { createHash, type Hash } from "node:crypto"
import { OutputWindow } from "./OutputWindow.ts"

export type OutputStream = "stdout" | "stderr"

/** Bytes of one stream that follow each other. */
export interface OutputSegment {
  readonly stream: OutputStream
  /** Of the first of them, over both streams. */
  readonly offset: number
  readonly bytes: Uint8Array
}

/** Segments in order; where an offset is larger than the end of the segment before, what was between is gone. */
export interface OutputPart {
  readonly segments: ReadonlyArray<OutputSegment>
  /** Where the next read goes on. */
  readonly next: number
  /** All bytes so far. */
  readonly bytes: number
  /** Nothing will follow `next`. */
  readonly ended: boolean
  /**
   * Gives the memory of the bytes back at once; to be called when nobody holds them any more, and never needed. Left to the
   * garbage collector, a flood that is read on and on has some 64 MiB of them lying about.
   */
  readonly free?: (() => void) | undefined
}

export interface LiveOutput {
  /**
   * From this offset on, at most `max` bytes of segments; waits until there is something, or the end. Reading costs the
   * command nothing: who is too slow finds a gap.
   */
  readonly read: (from: number, max: number) => Effect.Effect<OutputPart>
  /** As it is now; neither waits nor ends anything. */
  readonly snapshot: Effect.Effect<KeptOutput>
}

/** What is left of an output when it is over, or was at some moment. */
export interface KeptOutput {
  /** Head and tail. */
  readonly segments: ReadonlyArray<OutputSegment>
  /** All that was written. */
  readonly bytes: number
  readonly stdoutBytes: number
  readonly stderrBytes: number
  /** Lowercase hex, over all that was written, in the order in which it came. */
  readonly sha256: string
}

/** What crosses between threads at once, and lies in memory for each reader: as much as a pipe holds, four times. */
export const readBytesMax = 256 * 1024

/** An object each; the rest comes with the next read. */
export const readSegmentsMax = 1024

export class OutputLog {
  readonly #head: OutputWindow
  readonly #tail: OutputWindow
  readonly #apart: Readonly<Record<OutputStream, Hash>> | undefined
  readonly #counts = { stdout: 0, stderr: 0 }
  #first: OutputStream | undefined
  #both: Hash | undefined

  /**
   * `apart` are hashes of each stream, which somebody else updates with the same bytes: as long as a command writes to
   * one stream alone, as most do, that stream's hash is also that of both, and nothing is hashed twice.
   */
  constructor(headBytes: number, tailBytes: number, apart?: Readonly<Record<OutputStream, Hash>>) {
    this.#head = new OutputWindow(headBytes)
    this.#tail = new OutputWindow(tailBytes)
    this.#apart = apart
  }

  get bytes(): number {
    return this.#counts.stdout + this.#counts.stderr
  }

  push(stream: OutputStream, chunk: Uint8Array): void {
    const offset = this.bytes
    this.#hash(stream, chunk)
    // A head that has missed a byte takes no more: between it and the tail is the one gap.
    const forHead = this.#head.end < offset ? 0 : Math.min(this.#head.room(stream), chunk.length)
    this.#head.push(stream, offset, chunk.subarray(0, forHead))
    this.#tail.push(stream, offset + forHead, chunk.subarray(forHead))
    this.#counts[stream] += chunk.length
  }

  /** What there is from this byte on; no segments: nothing yet. */
  read(from: number, max: number): OutputPart {
    const most = Math.min(Math.max(max, 1), readBytesMax)
    const start = Math.max(from, 0)
    const head = this.#head.read(start, most, readSegmentsMax)
    const left = most - lengthOf(head)
    const tail = this.#tail.read(endOf(head, start), left, readSegmentsMax - head.length)
    const segments = [...head, ...tail]
    return { segments, next: endOf(segments, start), bytes: this.bytes, ended: false }
  }

  /** With hashes given: before anybody ends those. */
  snapshot(): KeptOutput {
    return {
      segments: [...this.#head.read(0, Infinity, Infinity), ...this.#tail.read(0, Infinity, Infinity)],
      bytes: this.bytes,
      stdoutBytes: this.#counts.stdout,
      stderrBytes: this.#counts.stderr,
      sha256: this.#sha256()
    }
  }

  #hash(stream: OutputStream, chunk: Uint8Array): void {
    this.#first ??= stream
    if (this.#both === undefined) {
      if (this.#apart !== undefined && this.#first === stream) return
      this.#both = this.#apart === undefined ? createHash("sha256") : this.#apart[this.#first].copy()
    }
    this.#both.update(chunk)
  }

  #sha256(): string {
    const alone = this.#first === undefined ? undefined : this.#apart?.[this.#first]
    return (this.#both ?? alone ?? createHash("sha256")).copy().digest("hex")
  }
}

/** Segments lie side by side in few buffers of their own: these are to be handed over, or given back. */
export const buffersOf = (segments: ReadonlyArray<OutputSegment>): Array<ArrayBuffer> =>
  [...new Set(segments.map(({ bytes }) => bytes.buffer))].filter((buffer) => buffer instanceof ArrayBuffer)

/** As `OutputLog.read`, of an output that is over. */
export const readKept = ({ bytes, segments }: KeptOutput, from: number, max: number): OutputPart => {
  const found: Array<OutputSegment> = []
  let room = Math.min(Math.max(max, 1), readBytesMax)
  for (const { bytes: all, offset, stream } of segments) {
    if (offset + all.length <= from) continue
    if (room === 0 || found.length === readSegmentsMax) break
    const start = Math.max(0, from - offset)
    const part = all.subarray(start, start + room)
    found.push({ stream, offset: offset + start, bytes: part })
    room -= part.length
  }
  const next = endOf(found, from)
  const ended = next >= endOf(segments, 0)
  return { segments: found, next: ended ? Math.max(bytes, from) : next, bytes, ended }
}

const endOf = (segments: ReadonlyArray<OutputSegment>, otherwise: number): number => {
  const last = segments.at(-1)
  return last === undefined ? otherwise : last.offset + last.bytes.length
}

const lengthOf = (segments: ReadonlyArray<OutputSegment>): number =>
  segments.reduce((sum, { bytes }) => sum + bytes.length, 0)
