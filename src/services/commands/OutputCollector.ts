/**
 * Keeps one stream of a command's output in bounded memory: the first bytes, the last bytes, how many there were and
 * the SHA-256 of all of them. Plain code, because it runs in the spawner's worker.
 *
 * Bounds: `headBytes + tailBytes` per stream, whatever the command writes; memory grows with what was written, not
 * with the caps.
 */
import { createHash, type Hash } from "node:crypto"
import { ByteRing } from "./ByteRing.ts"

/**
 * What was kept. When nothing was cut, `head` is the whole and `tail` is empty; else `head` and `tail` are the first
 * and last bytes with a gap between them.
 */
export interface Collected {
  readonly head: Uint8Array
  readonly tail: Uint8Array
  /** All bytes written, kept or not. */
  readonly bytes: number
  /** Lowercase hex, over all bytes written. */
  readonly sha256: string
  readonly truncated: boolean
}

export class OutputCollector {
  readonly #hash: Hash
  readonly #head: ByteRing
  readonly #tail: ByteRing
  readonly #cap: number
  #bytes = 0

  /** Whoever gives the hash may look at it (OutputLog.ts), and changes nothing in it. */
  constructor(headBytes: number, tailBytes: number, hash: Hash = createHash("sha256")) {
    this.#hash = hash
    this.#head = new ByteRing(headBytes)
    this.#tail = new ByteRing(tailBytes)
    this.#cap = headBytes + tailBytes
  }

  push(chunk: Uint8Array): void {
    this.#hash.update(chunk)
    this.#bytes += chunk.length
    const forHead = Math.min(this.#head.room, chunk.length)
    this.#head.push(chunk.subarray(0, forHead))
    this.#tail.push(chunk.subarray(forHead))
  }

  /** Ends the collection: neither `push` nor `end` may follow. */
  end(): Collected {
    const head = this.#head.slice(0, this.#head.size)
    const tail = this.#tail.slice(0, this.#tail.size)
    const truncated = this.#bytes > this.#cap
    return {
      head: truncated ? head : Buffer.concat([head, tail]),
      tail: truncated ? tail : new Uint8Array(0),
      bytes: this.#bytes,
      sha256: this.#hash.digest("hex"),
      truncated
    }
  }
}
