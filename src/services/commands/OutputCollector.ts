/**
 * Keeps one stream of a command's output in bounded memory: the first bytes, the last bytes, how many there were and
 * the SHA-256 of all of them. Plain code, because it runs in the spawner's worker.
 *
 * Bounds: `headBytes + tailBytes` per stream, whatever the command writes; memory grows with what was written, not
 * with the caps. Chunks are copied, so no slab of the stream's buffer pool is kept alive by a few bytes of it.
 */
import { createHash } from "node:crypto"

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

/** First allocation of a buffer: most commands print less than this. */
const firstAllocation = 1024

/** The last `capacity` bytes pushed, in a ring that grows up to its capacity before it wraps. */
class Ring {
  readonly #capacity: number
  #buffer = new Uint8Array(0)
  #size = 0
  #next = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get room(): number {
    return this.#capacity - this.#size
  }

  push(chunk: Uint8Array): void {
    let rest = chunk.subarray(Math.max(0, chunk.length - this.#capacity))
    if (rest.length === 0) return
    this.#grow(Math.min(this.#capacity, this.#size + rest.length))
    while (rest.length > 0) {
      const fits = Math.min(rest.length, this.#buffer.length - this.#next)
      this.#buffer.set(rest.subarray(0, fits), this.#next)
      this.#next = (this.#next + fits) % this.#buffer.length
      this.#size = Math.min(this.#buffer.length, this.#size + fits)
      rest = rest.subarray(fits)
    }
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.#size)
    const start = this.#size < this.#buffer.length ? 0 : this.#next
    const older = this.#buffer.subarray(start, this.#size)
    bytes.set(older)
    bytes.set(this.#buffer.subarray(0, this.#size - older.length), older.length)
    return bytes
  }

  /** Doubles until `needed` fits. Only a ring at its capacity wraps, so the bytes to move lie in order from 0. */
  #grow(needed: number): void {
    if (needed <= this.#buffer.length) return
    const doubled = Math.max(firstAllocation, this.#buffer.length * 2, needed)
    const buffer = new Uint8Array(Math.min(this.#capacity, doubled))
    buffer.set(this.toBytes())
    this.#buffer = buffer
    this.#next = this.#size
  }
}

export class OutputCollector {
  readonly #hash = createHash("sha256")
  readonly #head: Ring
  readonly #tail: Ring
  readonly #cap: number
  #bytes = 0

  constructor(headBytes: number, tailBytes: number) {
    this.#head = new Ring(headBytes)
    this.#tail = new Ring(tailBytes)
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
    const head = this.#head.toBytes()
    const tail = this.#tail.toBytes()
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
