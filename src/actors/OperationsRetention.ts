/**
 * Retention of operations: what has ended goes by age and count, its output by bytes too, a slice at a time, so that what
 * waits for the store is not held up. What has not ended stays, whatever its age.
 *
 * Age follows the wall clock as far as it is believed (BelievedClock.ts). A store that cannot remove anything now is asked
 * again a minute later.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { OperationStore } from "../services/operations/OperationStore.ts"
import { makeBelievedClock } from "./BelievedClock.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

/** How far the store may run over its bounds: what a minute brings. */
const checkEvery = "1 minute"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const config = yield* CurrentConfig
    const store = yield* OperationStore
    const supervisor = yield* Supervisor
    const believed = makeBelievedClock()

    const pass = Effect.gen(function* () {
      const { now } = believed(yield* Clock.currentTimeNanos, yield* Clock.monotonicTimeNanos)
      const nowMs = Number(now / 1_000_000n)
      for (let more = true; more;) {
        const { max_age_s: maxAgeS, max_count: maxCount, max_output_bytes: maxBytes } = config.get().operations
        more = yield* store.prune({ maxCount, maxAgeMs: maxAgeS * 1000, maxBytes }, nowMs)
      }
    })

    const cautious = Effect.catch(pass, (error) => Effect.logWarning(`retention of operations: ${error.message}`))
    yield* supervisor.start({
      name: "OperationsRetention",
      run: Effect.forever(Effect.andThen(Effect.sleep(checkEvery), cautious)),
      restart: "permanent",
      limits: endlessLimits
    })
  })
)
