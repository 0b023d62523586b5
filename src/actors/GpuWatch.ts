/**
 * GpuWatch: looks at the GPUs every `gpus.watch_interval_ms` and has what became of them recorded (GpuLooks.ts, loaded with the
 * first look, which is not before an interval has passed: a start does without it). It asks as everybody does: what was
 * just told to somebody else is not asked again.
 *
 * Where there is no nvidia-smi, folders are looked at now and then, and nothing is started.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { EventLog } from "../services/events/EventLog.ts"
import { Gpus } from "../services/gpus/Gpus.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

/** A reload that makes the interval shorter is noticed within this. */
const napMs = 5000

/** A driver is installed once in the life of a machine. */
const absentMs = 300_000

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const config = yield* CurrentConfig
    const gpus = yield* Gpus
    const log = yield* EventLog
    const supervisor = yield* Supervisor

    /** Through an interval, or at least `atLeastMs`; as long as it is off. */
    const interval = Effect.fnUntraced(function* (atLeastMs: number) {
      for (let sleptMs = 0; ;) {
        const everyMs = config.get().gpus.watch_interval_ms
        const leftMs = everyMs === 0 ? napMs : Math.max(everyMs, atLeastMs) - sleptMs
        if (leftMs <= 0) return
        const nap = Math.min(leftMs, napMs)
        yield* Effect.sleep(nap)
        sleptMs += nap
      }
    })

    // What has been told is remembered when the actor is restarted.
    const looks = yield* Effect.cached(
      Effect.map(
        Effect.promise(() => import("./GpuLooks.ts")),
        ({ makeGpuLooks }) => makeGpuLooks({ gpus, log })
      ).pipe(Effect.uninterruptible)
    )

    const run = Effect.gen(function* () {
      yield* interval(0)
      while (true) {
        const isThere = yield* gpus.isThere
        if (isThere) yield* (yield* looks).look
        yield* interval(isThere ? 0 : absentMs)
      }
    })

    yield* supervisor.start({ name: "GpuWatch", run, restart: "permanent", limits: endlessLimits })
  })
)
