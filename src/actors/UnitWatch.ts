/**
 * UnitWatch: looks at the units every `watch.interval_ms` and has what became of them recorded (UnitLooks.ts, loaded with the
 * first look, which is not before an interval has passed: a start does without it).
 *
 * Where there is no systemctl it says so once and ends. Where systemctl does not answer it is asked `patienceMs` later,
 * which is logged when it begins and when it is over.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { EventLog } from "../services/events/EventLog.ts"
import { Journal } from "../services/journal/Journal.ts"
import { Units } from "../services/units/Units.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

/** A reload that makes the interval shorter is noticed within this. */
const napMs = 5000

/** Between questions to a systemd that does not answer. */
const patienceMs = 60_000

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const config = yield* CurrentConfig
    const journal = yield* Journal
    const log = yield* EventLog
    const supervisor = yield* Supervisor
    const units = yield* Units

    /** Through an interval, or at least `atLeastMs`; as long as it is off. */
    const interval = Effect.fnUntraced(function* (atLeastMs: number) {
      for (let sleptMs = 0; ;) {
        const everyMs = config.get().watch.interval_ms
        const leftMs = everyMs === 0 ? napMs : Math.max(everyMs, atLeastMs) - sleptMs
        if (leftMs <= 0) return
        const nap = Math.min(leftMs, napMs)
        yield* Effect.sleep(nap)
        sleptMs += nap
      }
    })

    const run = Effect.gen(function* () {
      let silent = false
      yield* interval(0)
      const { makeLooks } = yield* Effect.promise(() => import("./UnitLooks.ts"))
      const look = Effect.result(makeLooks({ config, journal, log, units }))
      while (true) {
        const looked = yield* look
        const error = looked._tag === "Failure" ? looked.failure : undefined
        if (error?._tag === "ToolMissing") return yield* Effect.logInfo(`units are not watched: ${error.message}`)
        if (error !== undefined && !silent) yield* Effect.logWarning(`units cannot be watched: ${error.message}`)
        if (error === undefined && silent) yield* Effect.logInfo("units are watched again")
        silent = error !== undefined
        yield* interval(silent ? patienceMs : 0)
      }
    })

    yield* supervisor.start({ name: "UnitWatch", run, restart: "transient", limits: endlessLimits })
  })
)
