/**
 * Makes records of text of what is read of an output, piece by piece. A character is whole in one record: its first bytes
 * are held back until the others have come, three at most. Bytes that are not UTF-8 become U+FFFD; a character that a gap
 * goes through is left out on either side, as in the result of a command (services/commands/OutputText.ts).
 */
import type { OutputPart, OutputSegment, OutputStream } from "../../services/commands/OutputLog.ts"
import { type OutputCursor, startIn, startOf } from "./OutputCursor.ts"

export type OutputRecord =
  | {
      readonly _tag: "text"
      readonly offset: number
      readonly stream: OutputStream
      readonly text: string
      /** Behind it. */
      readonly cursor: OutputCursor
    }
  | Gap

/** Bytes that were written and not kept, from the first to the one behind the last. */
export interface Gap {
  readonly _tag: "gap"
  readonly from: number
  readonly to: number
  readonly cursor: OutputCursor
}

/** A byte order mark is the command's to print. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

interface Held {
  readonly offset: number
  readonly bytes: Uint8Array
}

export class OutputRecords {
  readonly #only: OutputStream | undefined
  readonly #from: Readonly<Record<OutputStream, number>>
  readonly #held: Record<OutputStream, Held | undefined> = { stdout: undefined, stderr: undefined }
  /** Bytes at its start may belong to a character of which the rest is gone. */
  readonly #afterGap: Record<OutputStream, boolean> = { stdout: false, stderr: false }
  #position: number

  /** `only`: of the other stream nothing is told. */
  constructor(from: OutputCursor, only: OutputStream | undefined) {
    this.#only = only
    this.#from = { stdout: startIn(from, "stdout"), stderr: startIn(from, "stderr") }
    this.#position = startOf(from)
  }

  /** Where to read on. */
  get position(): number {
    return this.#position
  }

  get cursor(): OutputCursor {
    const { stderr, stdout } = this.#held
    // Who begins again reads what is before `next` for the sake of what is held back.
    const next = Math.max(this.#position, this.#from.stdout, this.#from.stderr)
    // Mostly nothing has come behind it: a number says it all.
    if (stderr === undefined && isLast(stdout, next)) return { next: stdout.offset }
    if (stdout === undefined && isLast(stderr, next)) return { next: stderr.offset }
    return { next, stdout: stdout?.offset, stderr: stderr?.offset }
  }

  records(part: OutputPart): ReadonlyArray<OutputRecord> {
    const records: Array<OutputRecord> = []
    const reach = (offset: number) => {
      if (offset > this.#position) records.push(this.#gap(offset))
    }
    for (const segment of part.segments) {
      reach(segment.offset)
      const record = this.#text(segment)
      if (record !== undefined) records.push(record)
    }
    reach(part.next)
    return records
  }

  /** Nothing follows: what is held back is no character. */
  finish(): ReadonlyArray<OutputRecord> {
    const records: Array<OutputRecord> = []
    for (const stream of ["stdout", "stderr"] as const) {
      const held = this.#held[stream]
      if (held === undefined) continue
      this.#held[stream] = undefined
      const text = decoder.decode(held.bytes)
      records.push({ _tag: "text", offset: held.offset, stream, text, cursor: this.cursor })
    }
    return records
  }

  #gap(to: number): Gap {
    const from = this.#position
    this.#position = to
    for (const stream of ["stdout", "stderr"] as const) {
      this.#held[stream] = undefined
      this.#afterGap[stream] = true
    }
    return { _tag: "gap", from, to, cursor: this.cursor }
  }

  #text({ bytes, offset, stream }: OutputSegment): OutputRecord | undefined {
    const end = offset + bytes.length
    const start = Math.max(offset, this.#from[stream])
    this.#position = Math.max(this.#position, end)
    if (end <= start || (this.#only !== undefined && stream !== this.#only)) return undefined
    const fresh = bytes.subarray(start - offset)
    const own = this.#afterGap[stream] ? fresh.subarray(continuations(fresh)) : fresh
    this.#afterGap[stream] = false
    const held = this.#held[stream]
    const all = held === undefined ? own : Buffer.concat([held.bytes, own])
    const open = unfinished(all)
    this.#held[stream] =
      open === 0
        ? undefined
        : {
            // What is held back may have begun earlier, with bytes of the other stream between.
            offset: held !== undefined && open > own.length ? held.offset : end - open,
            // Copied: a few bytes must not keep a chunk alive.
            bytes: Uint8Array.from(all.subarray(all.length - open))
          }
    const text = decoder.decode(all.subarray(0, all.length - open))
    if (text === "") return undefined
    return { _tag: "text", offset: held?.offset ?? end - own.length, stream, text, cursor: this.cursor }
  }
}

const isLast = (held: Held | undefined, next: number): held is Held =>
  held !== undefined && held.offset + held.bytes.length === next

/** How many bytes at the start can only be the rest of a character: three at most. */
const continuations = (bytes: Uint8Array): number => {
  let count = 0
  while (count < 3 && ((bytes[count] ?? 0) & 0xc0) === 0x80) count += 1
  return count
}

/** How many bytes at the end begin a character that is not complete: three at most. */
const unfinished = (bytes: Uint8Array): number => {
  for (let count = 1; count <= 3; count++) {
    const byte = bytes[bytes.length - count]
    if (byte === undefined) return 0
    if ((byte & 0xc0) !== 0x80) return lengthOf(byte) > count ? count : 0
  }
  return 0
}

/** Of the character that begins with it; 1 for what begins none. */
const lengthOf = (byte: number): number => {
  if (byte >= 0xf0 && byte <= 0xf4) return 4
  if (byte >= 0xe0 && byte < 0xf0) return 3
  return byte >= 0xc2 && byte < 0xe0 ? 2 : 1
}
