/**
 * Watchdog: tells the service manager that the daemon is well, three times in each of its periods, as long as it is; else
 * says nothing, and is restarted when the period is over. Well means what a new process could do better: the event loop
 * turns (this actor is on it), no actor is dead or stuck in a message, the storage thread answers. What is wrong with the
 * machine (a full disk, a command that hangs) is told elsewhere and is no reason to begin anew.
 *
 * On failure: it is restarted as every actor is; were it gone for good, so would the daemon be. Bounds: one question to the
 * storage at a time.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Metrics } from "../services/metrics/Metrics.ts"
import { EventStorage } from "../services/storage/EventStorage.ts"
import { ServiceManager, status, watchdog } from "../services/systemd/ServiceManager.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { deadlocked } from "./kernel/health.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

/** One may come late and one be lost. */
const pingsInAPeriod = 3

const make = Effect.fnUntraced(function* (period: Duration.Duration) {
  const manager = yield* ServiceManager
  const metrics = yield* Metrics
  const storage = yield* EventStorage
  const supervisor = yield* Supervisor
  const scope = yield* Effect.scope
  const patience = Duration.toNanosUnsafe(period)
  /** Since when the storage owes an answer. */
  let askedAt: bigint | undefined
  let trouble: string | undefined
  let told = 0
  let withheld = 0

  /** Whatever it answers, also that it cannot: it lives. */
  const askStorage = Effect.fnUntraced(function* (now: bigint) {
    if (askedAt !== undefined) return
    askedAt = now
    const answered = Effect.sync(() => {
      askedAt = undefined
    })
    // In the scope of the layer: an answer that comes after a restart of this actor is one, too.
    yield* Effect.forkIn(Effect.ensuring(Effect.ignore(storage.state), answered), scope)
  })

  const whatIsWrong = Effect.fnUntraced(function* (now: bigint) {
    const wrong = deadlocked(yield* supervisor.report, now, patience)
    if (wrong !== undefined || askedAt === undefined || now - askedAt <= patience) return wrong
    return `the storage thread has not answered for ${(now - askedAt) / 1_000_000_000n} s`
  })

  const look = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    const wrong = yield* whatIsWrong(now)
    yield* askStorage(now)
    if (wrong === undefined) {
      if (trouble !== undefined) yield* Effect.logInfo("well again: the watchdog is told so")
      trouble = undefined
      told += 1
      return yield* manager.tell(watchdog)
    }
    withheld += 1
    if (trouble === undefined) {
      yield* Effect.logError(`not well, the watchdog is told nothing: ${wrong}`)
      yield* manager.tell(status(`not well, waits for its restart: ${wrong}`))
    }
    trouble = wrong
  })

  yield* metrics.register(() => [
    {
      name: "systemapi_watchdog_told_total",
      help: "Times the service manager was told that all is well",
      kind: "counter",
      value: told
    },
    {
      name: "systemapi_watchdog_withheld_total",
      help: "Times it was not, because something is stuck",
      kind: "counter",
      value: withheld
    }
  ])
  yield* supervisor.start({
    name: "Watchdog",
    run: Effect.forever(Effect.andThen(look, Effect.sleep(Duration.divideUnsafe(period, pingsInAPeriod)))),
    restart: "permanent",
    limits: endlessLimits
  })
})

/** `period`: the service manager restarts us when it has heard nothing for this long. */
export const layer = (period: Duration.Duration) => Layer.effectDiscard(make(period))
