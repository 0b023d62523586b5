/**
 * Something that is asked rarely and told often: one question at a time, shared by all who want to know, its answer kept for
 * a stated time with its age. Whoever reads is answered by the deadline: with what is new, else with the last good answer,
 * marked stale and with the reason, else with the error.
 *
 * The question's fiber belongs to the scope in which the probe is made, and to none of its readers: one that goes away ends
 * nothing. A question that does not end keeps its place: none is begun beside it, and who reads once its deadline is past
 * is answered at once.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
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
  /** As `read`, of a question that is begun from now on: whatever has just been done is seen. */
  readonly readAnew: Effect.Effect<Reading<A, E>, E>
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
  /** What the question depends on, such as a part of the configuration: with another one an answer is old at once. */
  readonly about?: () => unknown
}

/** Which question it was: one that is not of this turn, or about something else, is not the one to ask now. */
interface Question {
  readonly turn: number
  readonly about: unknown
}

interface Good<A> extends Question {
  readonly value: A
  readonly readAt: number
  readonly at: number
}

interface Bad<E> extends Question {
  readonly error: E
  readonly at: number
}

interface Asking<A, E> extends Question {
  readonly since: number
  readonly done: Deferred.Deferred<Good<A>, E>
}

const nanosPerMs = 1_000_000

export const makeProbe = Effect.fnUntraced(function* <A, E>(
  options: ProbeOptions<A, E>
): Effect.fn.Return<Probe<A, E>, never, Scope.Scope> {
  const { about = () => undefined, ask, deadlineMs, freshMs, late } = options
  const clock = yield* Clock.Clock
  const scope = yield* Scope.Scope
  let turn = 0
  let good: Good<A> | undefined
  let bad: Bad<E> | undefined
  let asking: Asking<A, E> | undefined

  /** Milliseconds of the monotonic clock, with their fractions. */
  const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / nanosPerMs
  const isOld = (question: Question): boolean => question.turn !== turn || question.about !== about()
  const isFresh = (answer: Good<A> | Bad<E>): boolean => !isOld(answer) && now() - answer.at <= freshMs()

  const readingOf = (answer: Good<A>, error: E | undefined): Reading<A, E> => ({
    value: answer.value,
    readAt: answer.readAt,
    ageMs: Math.floor(now() - answer.at),
    stale: error !== undefined,
    error
  })

  /** A bad answer is newer than the good one that is kept beside it. */
  const peek = (): Reading<A, E> | undefined =>
    good !== undefined && bad === undefined && isFresh(good) ? readingOf(good, undefined) : undefined

  /** What is said when there is nothing new. */
  const lastGood = (error: E): Effect.Effect<Reading<A, E>, E> =>
    good === undefined ? Effect.fail(error) : Effect.succeed(readingOf(good, error))

  const answered = (mine: Asking<A, E>, exit: Exit.Exit<A, E>): Exit.Exit<Good<A>, E> => {
    const { about, turn } = mine
    asking = undefined
    const noted = Exit.map(exit, (value): Good<A> => ({
      value,
      readAt: clock.currentTimeMillisUnsafe(),
      at: now(),
      turn,
      about
    }))
    if (Exit.isSuccess(noted)) {
      good = noted.value
      bad = undefined
    } else {
      const error = Exit.findErrorOption(noted)
      if (error._tag === "Some") bad = { error: error.value, at: now(), turn, about }
    }
    return noted
  }

  /** Uninterruptible: what is noted as being asked is asked. */
  const begin = Effect.uninterruptible(
    Effect.suspend(() => {
      const mine: Asking<A, E> = { since: now(), done: Deferred.makeUnsafe(), turn, about: about() }
      asking = mine
      const told = Effect.onExit(ask, (exit) => Effect.suspend(() => Deferred.done(mine.done, answered(mine, exit))))
      return Effect.as(Effect.forkIn(Effect.exit(told), scope, { startImmediately: true }), mine)
    })
  )

  /** Until `until` at the latest, and until the question's own deadline. */
  const follow = (until: number): Effect.Effect<Reading<A, E>, E> =>
    Effect.flatMap(
      Effect.suspend(() => (asking === undefined ? begin : Effect.succeed(asking))),
      (current) => {
        const leftMs = Math.min(until, current.since + deadlineMs()) - now()
        if (leftMs <= 0) return lastGood(late)
        // The one that is to be asked begins with the end of this one, which has its deadline too.
        if (isOld(current)) {
          const ended = Effect.timeoutOption(Effect.exit(Deferred.await(current.done)), leftMs)
          return Effect.flatMap(ended, (end) => (Option.isNone(end) ? lastGood(late) : follow(until)))
        }
        return Deferred.await(current.done).pipe(
          Effect.matchEffect({
            onFailure: lastGood,
            onSuccess: (found) => Effect.succeed(readingOf(found, undefined))
          }),
          Effect.timeoutOrElse({ duration: leftMs, orElse: () => lastGood(late) })
        )
      }
    )

  const read = Effect.suspend((): Effect.Effect<Reading<A, E>, E> => {
    const known = peek()
    if (known !== undefined) return Effect.succeed(known)
    if (asking === undefined && bad !== undefined && isFresh(bad)) return lastGood(bad.error)
    return follow(now() + deadlineMs())
  })

  const readAnew = Effect.suspend(() => {
    turn += 1
    return read
  })

  return { read, readAnew, peek }
})
