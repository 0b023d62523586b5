/**
 * Limits how many wrong passwords are answered per address, per user and in all. It never decides whether a password is
 * right: a right one is accepted however many wrong ones came before, and a wrong one beyond the budget is answered
 * "later". Only a verification that costs a slow hash must be admitted first.
 *
 * Token buckets are charged per failure: one of the client's network (NetworkOf.ts), one of all clients and, where
 * users are many, one of the user. The slow hashes that a network may have for one user have a budget of their own,
 * which is the only one that can keep a right password out: it is spent by nobody but who tries other passwords for that
 * same user from that same network. While only the others are spent, a try is `doubtful`: it may be verified, but is not
 * told that it is wrong. Whether a user exists plays no part in any of it.
 *
 * Bounds: `addressesMax` networks, `usersMax` users, `pairsMax` of both; of each, the bucket longest unused goes first,
 * and comes back full. Durations come from the monotonic clock.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Bucket, Buckets, type Rate } from "./Buckets.ts"
import { networkOf } from "./NetworkOf.ts"

export interface FailureThrottleOptions {
  readonly perAddress: Rate
  readonly inAll: Rate
  readonly addressesMax: number
  readonly perUser: Rate
  readonly usersMax: number
  /** Slow hashes for one user at the wish of one network. */
  readonly perPair: Rate
  readonly pairsMax: number
}

export const defaultOptions: FailureThrottleOptions = {
  // A person who mistypes, or a script with the old password and ten workers, is not a flood.
  perAddress: { burst: 10, perSecond: 1 },
  // Twenty clients at their own limit; guessing by a botnet stays below two million a day.
  inAll: { burst: 200, perSecond: 20 },
  // About half a megabyte; more addresses than that in a minute are held by the limit in all.
  addressesMax: 4096,
  // Somebody's machines with an old password, all of them at once.
  perUser: { burst: 20, perSecond: 1 },
  usersMax: 4096,
  // Not more than an address may fail, and ten users under attack cost two hashes a second. A password that is known to
  // be wrong costs none of these.
  perPair: { burst: 10, perSecond: 0.2 },
  // About two megabytes; a flood of a thousand names a second forgets a pair after sixteen, having won ten hashes.
  pairsMax: 16_384
}

export type Charge = { readonly limited: false } | { readonly limited: true; readonly retryAfterSeconds: number }

/** `doubtful`: to be verified, but a wrong one is answered "later". */
export type Admission =
  | { readonly _tag: "admitted" }
  | { readonly _tag: "doubtful"; readonly retryAfterSeconds: number }
  | { readonly _tag: "limited"; readonly retryAfterSeconds: number }

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
    /** A password was found wrong; of a user among many, where one is named. */
    readonly failed: (address: string, user?: string) => Effect.Effect<Charge>
    /**
     * A password is about to be verified by a slow hash: charged ahead as if it were wrong, so that many at a time
     * cannot pass together. While the budget of all is spent, a client that has not failed lately is still admitted.
     */
    readonly admit: (address: string) => Effect.Effect<Charge>
    /** The password admitted was right, or not verified after all: the charge is taken back. */
    readonly forgive: (address: string) => Effect.Effect<void>
    /** As `admit`, of a user among many. */
    readonly admitUser: (address: string, user: string) => Effect.Effect<Admission>
    readonly forgiveUser: (address: string, user: string, admission: Admission) => Effect.Effect<void>
    readonly stats: () => FailureThrottleStats
  }
>()("systemapi/services/auth/FailureThrottle") {
  static readonly layerWith = (options: FailureThrottleOptions) =>
    Layer.sync(FailureThrottle, () => FailureThrottle.of(make(options)))

  static readonly layer = FailureThrottle.layerWith(defaultOptions)
}

const within: Charge = { limited: false }
const admitted: Admission = { _tag: "admitted" }

/** No network has a space in it. */
const pairOf = (network: string, user: string): string => `${network} ${user}`

const make = (options: FailureThrottleOptions): FailureThrottle["Service"] => {
  const networks = new Buckets(options.perAddress, options.addressesMax)
  const users = new Buckets(options.perUser, options.usersMax)
  const pairs = new Buckets(options.perPair, options.pairsMax)
  const all = new Bucket(options.inAll, 0)
  let failures = 0
  let limited = 0

  /** Takes a token of each, or of none and says how long to wait. */
  const charge = (network: string, user: string | undefined, now: number, admitsUnknown: boolean): Charge => {
    const own = networks.of(network, now)
    const ofUser = user === undefined ? undefined : users.of(user, now)
    all.refill(now)
    const isUnknown = admitsUnknown && own.isFull
    const spent = [own, ...(isUnknown ? [] : [all, ofUser])].filter(
      (bucket) => bucket !== undefined && bucket.tokens < 1
    )
    if (spent.length === 0) {
      for (const bucket of [own, all, ofUser]) bucket?.take()
      failures += 1
      return within
    }
    limited += 1
    return { limited: true, retryAfterSeconds: retryAfter(...spent) }
  }

  const forgive = (network: string, user: string | undefined, now: number) => {
    networks.of(network, now).giveBack()
    if (user !== undefined) users.of(user, now).giveBack()
    all.giveBack()
    failures -= 1
  }

  const atNow = <A>(act: (now: number) => A): Effect.Effect<A> =>
    Effect.map(Clock.monotonicTimeNanos, (nanos) => act(Number(nanos) / 1e9))

  return {
    failed: (address, user) => atNow((now) => charge(networkOf(address), user, now, false)),
    admit: (address) => atNow((now) => charge(networkOf(address), undefined, now, true)),
    forgive: (address) => atNow((now) => forgive(networkOf(address), undefined, now)),
    admitUser: (address, user) =>
      atNow((now): Admission => {
        const network = networkOf(address)
        const pair = pairs.of(pairOf(network, user), now)
        if (pair.tokens < 1) {
          limited += 1
          return { _tag: "limited", retryAfterSeconds: retryAfter(pair) }
        }
        pair.take()
        const charged = charge(network, user, now, true)
        return charged.limited ? { _tag: "doubtful", retryAfterSeconds: charged.retryAfterSeconds } : admitted
      }),
    forgiveUser: (address, user, admission) =>
      atNow((now) => {
        if (admission._tag === "limited") return
        const network = networkOf(address)
        pairs.of(pairOf(network, user), now).giveBack()
        if (admission._tag === "admitted") forgive(network, user, now)
        else limited -= 1
      }),
    stats: () => ({ addresses: networks.size, failures, limited })
  }
}

const retryAfter = (...spent: ReadonlyArray<Bucket | undefined>): number =>
  Math.max(1, Math.ceil(Math.max(...spent.map((bucket) => bucket?.wait ?? 0))))
