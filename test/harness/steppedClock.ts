/** A wall clock that steps. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** What people's clocks say, apart from the time that passes: `TestClock` moves both together. */
export const stepped = <A, E, R>(byMs: () => number, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Clock.Clock, (clock) =>
    Effect.provideService(effect, Clock.Clock, {
      ...clock,
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + byMs(),
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + byMs()),
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(byMs()) * 1_000_000n,
      currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + BigInt(byMs()) * 1_000_000n),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration) => clock.sleep(duration)
    })
  )
