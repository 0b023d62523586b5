/**
 * Time, and the processes that live in it. Everything that takes time (a sleep, a write to the disk, a byte on its way)
 * is an entry of one list, in order; time moves only when the simulation says so. The wall clock is the same time and an
 * offset that steps.
 *
 * A process is a scheduler, a clock and nothing else: when it is killed its fibers are never run again, its sleeps are
 * forgotten, and no finalizer knows of it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { Scheduler } from "effect/Scheduler"
import type { Random } from "./Random.ts"
import { type Interleaving, SeededScheduler } from "./Scheduler.ts"

interface Timer {
  readonly at: number
  readonly order: number
  readonly owner: Process | undefined
  readonly run: () => void
}

/** Wall time at the start: before this program was started, so that what a killed daemon left is older than it. */
const wallStartMs = 1_700_000_000_000

export class World {
  /** Milliseconds since the simulation began. */
  now = 0
  wallOffsetMs = 0
  private timers: Array<Timer> = []
  private order = 0

  /** Runs it later; the result takes it back. What belongs to a process goes with it. */
  after(delayMs: number, run: () => void, owner?: Process): () => void {
    const timer: Timer = { at: this.now + delayMs, order: this.order++, owner, run }
    const index = this.timers.findLastIndex(({ at }) => at <= timer.at)
    this.timers.splice(index + 1, 0, timer)
    return () => {
      const at = this.timers.indexOf(timer)
      if (at !== -1) this.timers.splice(at, 1)
    }
  }

  get wallMs(): number {
    return wallStartMs + this.now + this.wallOffsetMs
  }

  /** When the next thing happens, if that is by then. */
  nextBy(time: number): number | undefined {
    const first = this.timers[0]
    return first === undefined || first.at > time ? undefined : first.at
  }

  /** Lets the next thing happen. */
  fire(): void {
    const timer = this.timers.shift()
    if (timer === undefined) return
    this.now = Math.max(this.now, timer.at)
    timer.run()
  }

  forget(owner: Process): void {
    this.timers = this.timers.filter((timer) => timer.owner !== owner)
  }
}

export class Process {
  readonly scheduler: SeededScheduler
  readonly context: Context.Context<never>

  constructor(world: World, random: Random, style: Interleaving) {
    this.scheduler = new SeededScheduler(random, style)
    this.context = Context.make(Scheduler, this.scheduler).pipe(Context.add(Clock.Clock, clockOf(world, this)))
  }

  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.context)(effect)
  }
}

const nanos = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n

const clockOf = (world: World, owner: Process): Clock.Clock => {
  const currentTimeMillisUnsafe = () => Math.floor(world.wallMs)
  const currentTimeNanosUnsafe = () => nanos(world.wallMs)
  const monotonicTimeNanosUnsafe = () => nanos(world.now)
  return {
    currentTimeMillisUnsafe,
    currentTimeNanosUnsafe,
    monotonicTimeNanosUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
    sleep: (duration) => {
      const ms = Duration.toMillis(duration)
      if (ms <= 0) return Effect.yieldNow
      if (!Number.isFinite(ms)) return Effect.never
      return Effect.callback((resume) => {
        const cancel = world.after(ms, () => resume(Effect.void), owner)
        return Effect.sync(cancel)
      })
    }
  }
}
