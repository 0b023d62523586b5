/**
 * Milliseconds in which this process was awake. Deadlines that clients must keep are measured with it: after a pause of
 * the whole machine, or a stall of the event loop, what the clients sent meanwhile is still unread, and a plain
 * monotonic clock would find all of them late at once.
 *
 * `tick` is called in every turn of whoever watches deadlines; time between two of them counts up to `stepMax`.
 */
export class LoopClock {
  readonly #stepMax: number
  readonly #read: () => number
  #base = 0
  #last: number

  constructor(stepMax: number, read: () => number = () => performance.now()) {
    this.#stepMax = stepMax
    this.#read = read
    this.#last = read()
  }

  now(): number {
    return this.#base + Math.min(this.#read() - this.#last, this.#stepMax)
  }

  tick(): number {
    this.#base = this.now()
    this.#last = this.#read()
    return this.#base
  }
}
