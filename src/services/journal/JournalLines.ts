/**
 * Cuts what journalctl writes into its lines, of which each is one entry.
 *
 * Bounds: of a line `lineMaxBytes`. Of a longer one the beginning and the last `endBytes` are given: its fields come in any
 * order, and all but the message are short.
 */
import { ByteRing } from "../commands/ByteRing.ts"

/** Five times what journald takes of a line of a program; bytes that are no text have four characters each. */
export const lineMaxBytes = 256 * 1024

/** All fields but the message, several times. */
const endBytes = 8192

/** A line, or the beginning and the end of one of so many bytes; what is no UTF-8 is U+FFFD. */
export type JournalLine = string | { readonly text: string; readonly bytes: number }

const newline = 0x0a

export class JournalLines {
  /** What has come of a line whose end has not. */
  #held: Array<Uint8Array> = []
  #heldBytes = 0
  /** The last bytes of one that is too long to be held. */
  #end: ByteRing | undefined
  #bytes = 0

  /** The lines that end in these bytes, of which nothing is kept. */
  push(bytes: Uint8Array): ReadonlyArray<JournalLine> {
    const last = bytes.lastIndexOf(newline)
    if (last === -1) {
      this.#hold(bytes)
      return []
    }
    const lines: Array<JournalLine> = []
    let start = 0
    if (this.#bytes > 0) {
      const first = bytes.indexOf(newline)
      this.#hold(bytes.subarray(0, first))
      lines.push(this.#take())
      start = first + 1
    }
    // All at once: decoding has its price for each call.
    if (start < last) {
      for (const line of textOf(bytes.subarray(start, last)).split("\n")) lines.push(line)
    }
    this.#hold(bytes.subarray(last + 1))
    return lines
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#bytes += bytes.length
    const fits = Math.min(bytes.length, lineMaxBytes - this.#heldBytes)
    if (fits > 0) this.#held.push(bytes.slice(0, fits))
    this.#heldBytes += fits
    if (this.#bytes <= lineMaxBytes) return
    this.#end ??= new ByteRing(endBytes)
    this.#end.push(bytes.subarray(fits))
  }

  #take(): JournalLine {
    const end = this.#end
    const kept = this.#heldBytes + (end?.size ?? 0)
    const text = textOf(Buffer.concat(end === undefined ? this.#held : [...this.#held, end.slice(0, end.size)]))
    const bytes = this.#bytes
    this.#held = []
    this.#heldBytes = 0
    this.#end = undefined
    this.#bytes = 0
    return kept === bytes ? text : { text, bytes }
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
