/**
 * Token buckets by key, in a bounded table: the one longest unused goes first, and comes back full. Not for secrets: how
 * long a look-up takes tells whether a key is known. Times are seconds of the monotonic clock.
 */

export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export class Bucket {
  tokens: number
  /** When `tokens` was right. */
  #at: number
  readonly #rate: Rate

  constructor(rate: Rate, now: number) {
    this.#rate = rate
    this.tokens = rate.burst
    this.#at = now
  }

  refill(now: number): void {
    const { burst, perSecond } = this.#rate
    this.tokens = Math.min(burst, this.tokens + Math.max(0, now - this.#at) * perSecond)
    this.#at = now
  }

  get isFull(): boolean {
    return this.tokens >= this.#rate.burst
  }

  take(): void {
    this.tokens = Math.max(0, this.tokens - 1)
  }

  giveBack(): void {
    this.tokens = Math.min(this.#rate.burst, this.tokens + 1)
  }

  /** Seconds until there is a token. */
  get wait(): number {
    return Math.max(0, (1 - this.tokens) / this.#rate.perSecond)
  }
}

export class Buckets {
  readonly #rate: Rate
  readonly #max: number
  // A Map keeps the order of insertion: used buckets are inserted anew, the first is the one longest unused.
  readonly #byKey = new Map<string, Bucket>()

  constructor(rate: Rate, max: number) {
    this.#rate = rate
    this.#max = max
  }

  get size(): number {
    return this.#byKey.size
  }

  of(key: string, now: number): Bucket {
    const bucket = this.#byKey.get(key) ?? new Bucket(this.#rate, now)
    this.#byKey.delete(key)
    this.#byKey.set(key, bucket)
    if (this.#byKey.size > this.#max) {
      for (const longestUnused of this.#byKey.keys()) {
        this.#byKey.delete(longestUnused)
        break
      }
    }
    bucket.refill(now)
    return bucket
  }
}
