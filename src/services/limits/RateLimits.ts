/**
 * How many requests of a class one client may make in a window (`[rate_limits]`): a token bucket for each principal, or
 * for the network of whoever did not say who. A bucket holds the whole quota, so a burst is as good as an even flow. A
 * class without a limit costs a look at the configuration and nothing else.
 *
 * Bounds: `clientsMax` buckets for each class; the one longest unused goes first, and comes back full. A reload that
 * changes the limits begins with full buckets. Durations come from the monotonic clock.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Buckets } from "../auth/Buckets.ts"
import { networkOf } from "../auth/NetworkOf.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import type { RateLimitsConfig } from "../config/IdentityConfig.ts"
import type { Principal } from "../identity/Principal.ts"

export type RateClass = Exclude<keyof RateLimitsConfig, "window_s">

/** Some hundred bytes each; more clients than that in a window are no longer told apart from new ones. */
export const clientsMax = 4096

export interface Taken {
  readonly quota: number
  readonly windowSeconds: number
  /** Requests that may still be made at once. */
  readonly remaining: number
  /** Until the quota is whole again. */
  readonly resetSeconds: number
  /** Undefined: this one is within the limit. */
  readonly retryAfterSeconds: number | undefined
}

export class RateLimits extends Context.Service<
  RateLimits,
  {
    /** Counts a request; undefined where its class has no limit. */
    readonly take: (rate: RateClass, principal: Principal | undefined, address: string) => Taken | undefined
    /** Requests refused so far. */
    readonly refused: () => number
  }
>()("systemapi/services/limits/RateLimits") {
  static readonly layer = Layer.effect(
    RateLimits,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const clock = yield* Clock.Clock
      let inForce: RateLimitsConfig | undefined
      let classes = new Map<RateClass, Buckets>()
      let refused = 0

      const bucketsOf = (rate: RateClass, limits: RateLimitsConfig): Buckets => {
        if (limits !== inForce) {
          if (inForce === undefined || !isSame(limits, inForce)) classes = new Map()
          inForce = limits
        }
        let buckets = classes.get(rate)
        if (buckets === undefined) {
          buckets = new Buckets({ burst: limits[rate], perSecond: limits[rate] / limits.window_s }, clientsMax)
          classes.set(rate, buckets)
        }
        return buckets
      }

      return RateLimits.of({
        take: (rate, principal, address) => {
          const limits = config.get().rate_limits
          const quota = limits[rate]
          if (quota === 0) return undefined
          const now = Number(clock.monotonicTimeNanosUnsafe()) / 1e9
          const bucket = bucketsOf(rate, limits).of(clientOf(principal, address), now)
          const isWithin = bucket.tokens >= 1
          if (isWithin) bucket.take()
          else refused += 1
          return {
            quota,
            windowSeconds: limits.window_s,
            remaining: Math.floor(bucket.tokens),
            resetSeconds: Math.ceil(((quota - bucket.tokens) / quota) * limits.window_s),
            retryAfterSeconds: isWithin ? undefined : Math.max(1, Math.ceil(bucket.wait))
          }
        },
        refused: () => refused
      })
    })
  )
}

/** Ids of principals have no space. */
const clientOf = (principal: Principal | undefined, address: string): string =>
  principal === undefined || principal.kind === "anonymous" ? `network ${networkOf(address)}` : principal.id

const isSame = (a: RateLimitsConfig, b: RateLimitsConfig): boolean =>
  a.window_s === b.window_s && a.read === b.read && a.write === b.write && a.run === b.run && a.login === b.login
