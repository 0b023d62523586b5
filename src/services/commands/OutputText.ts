/**
 * Makes valid text of what was kept of a command's output. Bytes that are not UTF-8 become U+FFFD; a code point that
 * the cut between head and tail goes through is left out on either side, so cutting adds no garbage of its own.
 */
import type { Collected } from "./OutputCollector.ts"

export interface StreamOutput {
  readonly head: string
  /** Empty unless `truncated`: then the last bytes, with a gap between `head` and them. */
  readonly tail: string
  /** All bytes written, kept or not. */
  readonly bytes: number
  /** Lowercase hex, over all bytes written. */
  readonly sha256: string
  readonly truncated: boolean
}

export const toText = (collected: Collected): StreamOutput => {
  const { bytes, sha256, truncated } = collected
  return {
    // In stream mode the decoder holds back an unfinished code point at the end, which is what a cut leaves there.
    head: decoder().decode(collected.head, { stream: truncated }),
    tail: decoder().decode(collected.tail.subarray(continuationBytes(collected.tail))),
    bytes,
    sha256,
    truncated
  }
}

/** A byte order mark is the command's to print, so it is kept. */
const decoder = () => new TextDecoder("utf-8", { ignoreBOM: true })

/** How many bytes at the start can only be the rest of a code point cut in half: three at most. */
const continuationBytes = (bytes: Uint8Array): number => {
  let count = 0
  while (count < 3 && ((bytes[count] ?? 0) & 0xc0) === 0x80) count += 1
  return count
}
