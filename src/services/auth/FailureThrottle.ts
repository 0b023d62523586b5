/**
 * Limits how many wrong passwords are answered per address and in all. It never decides whether a password is right:
 * a right one is accepted however many wrong ones came before, and a wrong one beyond the budget is answered "later".
 * Only a verification that costs a slow hash must be admitted first.
 *
 * Two token buckets are charged per failure, one of the client's network (NetworkOf.ts) and one of all clients. Bounds:
 * `addressesMax` buckets; the one longest unused goes first, and comes back full. Durations come from the monotonic
 * clock.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { networkOf } from "./NetworkOf.ts"

interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export interface FailureThrottleOptions {
  readonly perAddress: Rate
  readonly inAll: Rate
  readonly addressesMax: number
}

export const defaultOptions: FailureThrottleOptions = {
  // A person who mistypes, or a script with the old password and ten workers, is not a flood.
  perAddress: { burst: 10, perSecond: 1 },
  // Twenty clients at their own limit; guessing by a botnet stays below two million a day.
  inAll: { burst: 200, perSecond: 20 },
  // About half a megabyte; more addresses than that in a minute are held by the limit in all.
  addressesMax: 4096
}

export type Charge = { readonly limited: false } | { readonly limited: true; readonly retryAfterSeconds: number }

export interface FailureThrottleStats {
  readonly addresses: number
  /** Wrong passwords answered within the budget. */
  readonly failures: number
  /** Attempts answered "later". */
  readonly limited: number
}

export class FailureThrottle extends Context.Service<
  FailureThrottle,
  {
    /** A password was found wrong. */
    readonly failed: (address: string) => Effect.Effect<Charge>
    /**
     * A password is about to be verified by a slow hash: charged ahead as if it were wrong, so that many at a time
     * cannot pass together. While the budget of all is spent, a client that has not failed lately is still admitted.
     */
    readonly admit: (address: string) => Effect.Effect<Charge>
    /** The password admitted was right, or not verified after all: the charge is taken back. */
    readonly forgive: (address: string) => Effect.Effect<void>
    readonly stats: () => FailureThrottleStats
  }
>()("systemapi/services/auth/FailureThrottle") {
  static readonly layerWith = (options: FailureThrottleOptions) =>
    Layer.sync(FailureThrottle, () => FailureThrottle.of(make(options)))

  static readonly layer = FailureThrottle.layerWith(defaultOptions)
}

interface Bucket {
  tokens: number
  /** Seconds of the monotonic clock at which `tokens` was right. */
  at: number
}

const within: Charge = { limited: false }

const make = (options: FailureThrottleOptions): FailureThrottle["Service"] => {
  const { addressesMax, inAll, perAddress } = options
  // A Map keeps the order of insertion: used buckets are inserted anew, the first is the one longest unused.
  const buckets = new Map<string, Bucket>()
  const all: Bucket = { tokens: inAll.burst, at: 0 }
  let failures = 0
  let limited = 0

  const refill = (bucket: Bucket, rate: Rate, now: number) => {
    bucket.tokens = Math.min(rate.burst, bucket.tokens + Math.max(0, now - bucket.at) * rate.perSecond)
    bucket.at = now
  }

  const bucketOf = (address: string, now: number): Bucket => {
    const network = networkOf(address)
    const bucket = buckets.get(network) ?? { tokens: perAddress.burst, at: now }
    buckets.delete(network)
    buckets.set(network, bucket)
    if (buckets.size > addressesMax) {
      for (const longestUnused of buckets.keys()) {
        buckets.delete(longestUnused)
        break
      }
    }
    refill(bucket, perAddress, now)
    return bucket
  }

  const charge = (address: string, now: number, admitsUnknown: boolean): Charge => {
    const own = bucketOf(address, now)
    refill(all, inAll, now)
    const allSpent = all.tokens < 1 && !(admitsUnknown && own.tokens >= perAddress.burst)
    if (own.tokens >= 1 && !allSpent) {
      own.tokens -= 1
      all.tokens = Math.max(0, all.tokens - 1)
      failures += 1
      return within
    }
    limited += 1
    const wait = Math.max((1 - own.tokens) / perAddress.perSecond, allSpent ? (1 - all.tokens) / inAll.perSecond : 0)
    return { limited: true, retryAfterSeconds: Math.max(1, Math.ceil(wait)) }
  }

  const atNow = <A>(act: (now: number) => A): Effect.Effect<A> =>
    Effect.map(Clock.monotonicTimeNanos, (nanos) => act(Number(nanos) / 1e9))

  return {
    failed: (address) => atNow((now) => charge(address, now, false)),
    admit: (address) => atNow((now) => charge(address, now, true)),
    forgive: (address) =>
      atNow((now) => {
        const own = bucketOf(address, now)
        own.tokens = Math.min(perAddress.burst, own.tokens + 1)
        all.tokens = Math.min(inAll.burst, all.tokens + 1)
        failures -= 1
      }),
    stats: () => ({ addresses: buckets.size, failures, limited })
  }
}
