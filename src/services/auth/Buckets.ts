/**
 * Token buckets by key, in a bounded table: the one longest unused goes first, and comes back full. Not for secrets: how
 * long a look-up takes tells whether a key is known. Times are seconds of the monotonic clock.
 */
import { RecentMap } from "./RecentMap.ts"

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
  readonly #byKey: RecentMap<Bucket>

  constructor(rate: Rate, max: number) {
    this.#rate = rate
    this.#byKey = new RecentMap(max)
  }

  get size(): number {
    return this.#byKey.size
  }

  of(key: string, now: number): Bucket {
    const known = this.#byKey.get(key)
    known?.refill(now)
    const bucket = known ?? new Bucket(this.#rate, now)
    if (known === undefined) this.#byKey.set(key, bucket)
    return bucket
  }
}
