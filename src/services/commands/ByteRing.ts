/**
 * The last `capacity` bytes pushed. Plain code, because it runs in the spawner's worker.
 *
 * Bounds: `capacity`; memory grows with what was pushed, by doubling, up to that and not from the start. What is pushed
 * is copied, so no buffer of a stream is kept alive by a few bytes of it.
 */

/** First allocation of a buffer: most commands print less than this. */
const firstAllocation = 1024

export class ByteRing {
  readonly capacity: number
  #buffer = new Uint8Array(0)
  #size = 0
  #next = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** How many bytes it has. */
  get size(): number {
    return this.#size
  }

  /** How many more it takes before it forgets the oldest. */
  get room(): number {
    return this.capacity - this.#size
  }

  push(chunk: Uint8Array): void {
    let rest = chunk.subarray(Math.max(0, chunk.length - this.capacity))
    if (rest.length === 0) return
    this.#grow(Math.min(this.capacity, this.#size + rest.length))
    while (rest.length > 0) {
      const fits = Math.min(rest.length, this.#buffer.length - this.#next)
      this.#buffer.set(rest.subarray(0, fits), this.#next)
      this.#next = (this.#next + fits) % this.#buffer.length
      this.#size = Math.min(this.#buffer.length, this.#size + fits)
      rest = rest.subarray(fits)
    }
  }

  /** A copy of so many bytes from one on, where 0 is the oldest; in a buffer of its own, that can be transferred. */
  slice(from: number, to: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(to - from)
    if (bytes.length === 0) return bytes
    const oldest = this.#size < this.#buffer.length ? 0 : this.#next
    const start = (oldest + from) % this.#buffer.length
    const older = this.#buffer.subarray(start, Math.min(start + bytes.length, this.#buffer.length))
    bytes.set(older)
    bytes.set(this.#buffer.subarray(0, bytes.length - older.length), older.length)
    return bytes
  }

  /** Doubles until `needed` fits. Only a ring at its capacity wraps, so the bytes to move lie in order from 0. */
  #grow(needed: number): void {
    if (needed <= this.#buffer.length) return
    const doubled = Math.max(firstAllocation, this.#buffer.length * 2, needed)
    const buffer = new Uint8Array(Math.min(this.capacity, doubled))
    buffer.set(this.#buffer.subarray(0, this.#size))
    this.#buffer = buffer
    this.#next = this.#size
  }
}
