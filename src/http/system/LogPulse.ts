/**
 * Wakes the clients that follow the log: one fiber for all of them, because a fiber, a timer and a race for each, at each
 * commit, cost more than the events do.
 *
 * A commit wakes everyone who waits for it. Many who were woken are left alone for a moment after it, so that they take
 * what has come meanwhile in one piece and leave the other half of the time to everybody else; few are not. Who hears
 * nothing for 15 seconds is woken to say that it is still there.
 *
 * Bounds: one entry for each client that waits, and they are bounded by the listeners' connections.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import type { EventLog } from "../../services/events/EventLog.ts"

/** `silence`: nothing has come for a while. The listener's end wakes with `grown`, and shows in `end`. */
export type Woken = "grown" | "silence"

export interface LogPulse {
  /** Until the log has more than `seq`, or `end`, or nothing was sent for 15 seconds after `since`. */
  readonly wait: (seq: number, since: bigint, end: Deferred.Deferred<void>) => Effect.Effect<Woken>
  /** Nanoseconds, of the clock that `since` is read from. */
  readonly now: () => bigint
}

/** 15 s: below the 30 s and 60 s after which proxies and NAT forget a silent connection. */
const keepAliveNanos = 15_000_000_000n

/** How often it is looked who has waited that long. */
const lookEvery = Duration.seconds(1)

/** About what it costs to wake one and to write a piece to it: resting as long again leaves half of a core to others. */
const wakeMillis = 0.04

/** What people and dashboards still call live. */
const restMillisMax = 20

interface Waiting {
  readonly seq: number
  readonly end: Deferred.Deferred<void>
  readonly since: bigint
  readonly wake: (woken: Woken) => void
}

export const makeLogPulse = Effect.fnUntraced(function* (
  log: EventLog["Service"]
): Effect.fn.Return<LogPulse, never, Scope.Scope> {
  // One of its own, closed where this is in the order of things: a listener's last words to those who wait come before.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const clock = yield* Clock.Clock
  const waiting = new Set<Waiting>()
  const somebody = Latch.makeUnsafe()
  const ends = new Set<Deferred.Deferred<void>>()

  const wake = (woken: Woken, whom: (one: Waiting) => boolean): number => {
    let count = 0
    for (const one of waiting) {
      if (!whom(one)) continue
      waiting.delete(one)
      one.wake(woken)
      count += 1
    }
    if (waiting.size === 0) somebody.closeUnsafe()
    return count
  }
  const lowest = () => {
    let seq = Number.MAX_SAFE_INTEGER
    for (const one of waiting) seq = Math.min(seq, one.seq)
    return seq
  }

  const beat = Effect.gen(function* () {
    yield* somebody.await
    if (waiting.size === 0) return
    yield* log.awaitAfter(lowest())
    const woken = wake("grown", ({ seq }) => seq < log.recent.lastShown)
    const millis = Math.min(restMillisMax, Math.floor(woken * wakeMillis))
    if (millis > 0) yield* Effect.sleep(millis)
  })
  const listen = Effect.gen(function* () {
    yield* somebody.await
    yield* Effect.sleep(lookEvery)
    const due = clock.monotonicTimeNanosUnsafe() - keepAliveNanos
    wake("silence", ({ since }) => since <= due)
  })
  yield* Effect.forkIn(Effect.forever(beat), scope)
  yield* Effect.forkIn(Effect.forever(listen), scope)

  /** Listeners are few, and each has one end for all its clients. */
  const watchEnd = (end: Deferred.Deferred<void>): Effect.Effect<void> => {
    if (ends.has(end)) return Effect.void
    ends.add(end)
    const all = Effect.andThen(
      Deferred.await(end),
      Effect.sync(() => wake("grown", (one) => one.end === end))
    )
    return Effect.asVoid(Effect.forkIn(all, scope))
  }

  const grown = (seq: number, since: bigint, end: Deferred.Deferred<void>): Effect.Effect<Woken> =>
    Effect.callback((resume) => {
      if (seq < log.recent.lastShown || Deferred.isDoneUnsafe(end)) return resume(Effect.succeed("grown"))
      const one: Waiting = { seq, end, since, wake: (woken) => resume(Effect.succeed(woken)) }
      waiting.add(one)
      somebody.openUnsafe()
      return Effect.sync(() => {
        waiting.delete(one)
        if (waiting.size === 0) somebody.closeUnsafe()
      })
    })

  return {
    wait: (seq, since, end) =>
      ends.has(end) ? grown(seq, since, end) : Effect.andThen(watchEnd(end), grown(seq, since, end)),
    now: () => clock.monotonicTimeNanosUnsafe()
  }
})
