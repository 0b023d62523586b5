/**
 * Something that is asked rarely and told often: one question at a time, shared by all who ask, its answer kept for a stated
 * time with its age. Whoever asks is answered by the deadline: with what is new, else with the last good answer, marked
 * stale and with the reason, else with the error.
 *
 * The question's fiber belongs to the scope in which the probe is made. One that does not end keeps its place: no second
 * one is begun beside it, and whoever asks meanwhile is answered at once.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

export interface Reading<A, E> {
  readonly value: A
  /** UNIX time in milliseconds. */
  readonly readAt: number
  /** By the monotonic clock. */
  readonly ageMs: number
  /** It was asked since, and did not answer, or not in time. */
  readonly stale: boolean
  /** Why it is stale. */
  readonly error: E | undefined
}

export interface Probe<A, E> {
  readonly read: Effect.Effect<Reading<A, E>, E>
  /** As `read`, where nothing has to be asked for it; for paths that are hot. */
  readonly peek: () => Reading<A, E> | undefined
}

export interface ProbeOptions<A, E> {
  readonly ask: Effect.Effect<A, E>
  /** An answer, good or bad, that is this old or younger is given again. Asked each time: it may change. */
  readonly freshMs: () => number
  readonly deadlineMs: () => number
  /** What is told to whoever is answered at the deadline and there is no good answer yet. */
  readonly late: E
}

interface Answer<A> {
  readonly value: A
  readonly readAt: number
  readonly at: bigint
}

interface Asking<A, E> {
  readonly since: bigint
  readonly done: Deferred.Deferred<A, E>
}

const nanosPerMs = 1_000_000n

export const makeProbe = Effect.fnUntraced(function* <A, E>(options: ProbeOptions<A, E>) {
  const clock = yield* Clock.Clock
  const scope = yield* Scope.Scope
  let good: Answer<A> | undefined
  let bad: { readonly error: E; readonly at: bigint } | undefined
  let asking: Asking<A, E> | undefined

  const msSince = (at: bigint, now: bigint): number => Number((now - at) / nanosPerMs)

  const readingOf = (answer: Answer<A>, now: bigint, error: E | undefined): Reading<A, E> => ({
    value: answer.value,
    readAt: answer.readAt,
    ageMs: msSince(answer.at, now),
    stale: error !== undefined,
    error
  })

  const peek = (): Reading<A, E> | undefined => {
    const now = clock.monotonicTimeNanosUnsafe()
    return good !== undefined && bad === undefined && msSince(good.at, now) <= options.freshMs()
      ? readingOf(good, now, undefined)
      : undefined
  }

  /** What is said when there is nothing new. */
  const lastGood = (error: E): Effect.Effect<Reading<A, E>, E> =>
    good === undefined ? Effect.fail(error) : Effect.succeed(readingOf(good, clock.monotonicTimeNanosUnsafe(), error))

  const begin = Effect.gen(function* () {
    const mine: Asking<A, E> = { since: clock.monotonicTimeNanosUnsafe(), done: yield* Deferred.make<A, E>() }
    asking = mine
    const ask = Effect.onExit(options.ask, (exit) =>
      Effect.suspend(() => {
        asking = undefined
        const at = clock.monotonicTimeNanosUnsafe()
        if (Exit.isSuccess(exit)) {
          good = { value: exit.value, readAt: clock.currentTimeMillisUnsafe(), at }
          bad = undefined
        } else {
          const error = Exit.findErrorOption(exit)
          if (error._tag === "Some") bad = { error: error.value, at }
        }
        return Deferred.done(mine.done, exit)
      })
    )
    yield* Effect.forkIn(Effect.exit(ask), scope, { startImmediately: true })
    return mine
  })

  const read = Effect.suspend((): Effect.Effect<Reading<A, E>, E> => {
    const known = peek()
    if (known !== undefined) return Effect.succeed(known)
    const now = clock.monotonicTimeNanosUnsafe()
    if (asking === undefined && bad !== undefined && msSince(bad.at, now) <= options.freshMs())
      return lastGood(bad.error)
    return Effect.flatMap(asking === undefined ? begin : Effect.succeed(asking), ({ done, since }) => {
      const left = options.deadlineMs() - msSince(since, clock.monotonicTimeNanosUnsafe())
      if (left <= 0) return lastGood(options.late)
      return Deferred.await(done).pipe(
        Effect.matchEffect({
          onSuccess: (value) =>
            Effect.succeed(
              readingOf(
                good ?? { value, readAt: clock.currentTimeMillisUnsafe(), at: since },
                clock.monotonicTimeNanosUnsafe(),
                undefined
              )
            ),
          onFailure: lastGood
        }),
        Effect.timeoutOrElse({ duration: left, orElse: () => lastGood(options.late) })
      )
    })
  })

  return { read, peek } satisfies Probe<A, E>
})
