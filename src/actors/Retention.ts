/**
 * Retention: keeps the event log within its bounds of count, age and bytes, and its audit entries within theirs, a slice
 * at a time, so that appends are not held up. What it removed is told in the log itself, once a minute at the most.
 *
 * Age follows the wall clock, which may be set wrong. A step forward would make all events old at once, so it is believed
 * only after an hour; until then age goes on as if it had not happened.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SeqRange } from "../services/events/Event.ts"
import { EventLog } from "../services/events/EventLog.ts"
import { makeBelievedClock } from "./BelievedClock.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

export interface RetentionOptions {
  /** 0 turns a bound off. */
  readonly maxCount: number
  readonly maxBytes: number
  readonly maxAgeSeconds: number
  /** Audit entries go by limits of their own, which may change while the daemon runs. */
  readonly audit: () => { readonly maxCount: number; readonly maxAgeSeconds: number }
}

/** How far the log may run over its bounds: five seconds of the fastest ingest are some 100 MB. */
const checkEvery = Duration.seconds(5)

/** How often removals are told; each telling is an event too. */
const tellEvery = Duration.minutes(1)

/** Nothing is too old where age has no bound. */
const before = (now: bigint, ageSeconds: number): bigint | null =>
  ageSeconds === 0 ? null : now - BigInt(ageSeconds) * 1_000_000_000n

const make = Effect.fnUntraced(function* ({ audit, maxAgeSeconds, maxBytes, maxCount }: RetentionOptions) {
  const log = yield* EventLog
  const supervisor = yield* Supervisor
  let untold: SeqRange | undefined
  let untoldAudits = 0
  let toldAt = 0n

  const tell = Effect.gen(function* () {
    const [events, audits] = [untold, untoldAudits]
    untold = undefined
    untoldAudits = 0
    if (events !== undefined) {
      yield* log.record(`retention removed events ${events.first} to ${events.last}`, { level: "debug" })
    }
    if (audits > 0) yield* log.record(`retention removed the oldest ${audits} audit entries`)
  })

  const believed = makeBelievedClock()
  const today = Effect.gen(function* () {
    const { ahead, isNew, now } = believed(yield* Clock.currentTimeNanos, yield* Clock.monotonicTimeNanos)
    if (isNew && (maxAgeSeconds !== 0 || audit().maxAgeSeconds !== 0)) {
      const message = `the clock went forward by ${ahead / 1_000_000_000n} s; events get older by it in an hour`
      yield* log.record(message, { level: "warning" })
      yield* Effect.logWarning(message)
    }
    return now
  })

  const pass = Effect.gen(function* () {
    for (let more = true; more;) {
      const now = yield* today
      const audited = audit()
      const result = yield* log.retain({
        maxCount,
        maxBytes,
        receivedBefore: before(now, maxAgeSeconds),
        audit: { maxCount: audited.maxCount, receivedBefore: before(now, audited.maxAgeSeconds) }
      })
      untoldAudits += result.auditRemoved
      if (result.removed !== null) untold = { first: untold?.first ?? result.removed.first, last: result.removed.last }
      more = result.more
    }
    const now = yield* Clock.monotonicTimeNanos
    if (
      (untold !== undefined || untoldAudits > 0) &&
      (toldAt === 0n || now - toldAt >= Duration.toNanosUnsafe(tellEvery))
    ) {
      toldAt = now
      yield* tell
    }
  })

  // A store that cannot delete now (full, being reopened) is asked again: retention is what makes room.
  const cautious = Effect.catch(pass, (error) => Effect.logWarning(`retention: ${error.message}`))
  yield* supervisor.start({
    name: "Retention",
    run: Effect.forever(Effect.andThen(cautious, Effect.sleep(checkEvery))),
    restart: "permanent",
    limits: endlessLimits
  })
  yield* Effect.addFinalizer(() => tell)
})

export const layer = (options: RetentionOptions) => Layer.effectDiscard(make(options))
