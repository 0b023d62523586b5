/** Who this run of the daemon is: what `/api/v1/info` tells, so that a restart can be told from a quiet minute. */
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export class Instance extends Context.Service<
  Instance,
  {
    readonly version: string
    readonly bootId: string
    /** UNIX time in milliseconds. */
    readonly startedAt: number
    readonly uptimeSeconds: Effect.Effect<number>
  }
>()("systemapi/services/Instance") {
  static readonly layer = (version: string) =>
    Layer.effect(
      Instance,
      Effect.gen(function* () {
        const startedAt = yield* Clock.currentTimeMillis
        const started = yield* Clock.monotonicTimeNanos
        return Instance.of({
          version,
          bootId: randomUUID(),
          startedAt,
          uptimeSeconds: Effect.map(Clock.monotonicTimeNanos, (now) => Number((now - started) / 1_000_000_000n))
        })
      })
    )
}
