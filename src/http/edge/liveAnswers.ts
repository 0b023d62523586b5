/**
 * Answers that take long: whoever asked must still be somebody who may when the events come. A stream is looked at every
 * `lookEvery` and cut when its principal has been disabled, has lost the right or shows what has expired; what a read
 * has waited for longer than `waitedLong` is decided about anew before it is handed out.
 *
 * One fiber looks at all streams, one after the other, letting others go first between them. It owns the table, which has
 * an entry for each stream that is being sent and no other bound than the connections have.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** How long a stream may outlive the right to it. */
export const lookEvery = Duration.seconds(10)

/** Answers that come sooner were decided about just now. */
const waitedLongNanos = 1_000_000_000n

/** Whether what was let in would be let in now. */
export type StillMay = Effect.Effect<boolean>

export interface LiveAnswers {
  /** The answer, which is cut when who asked may no longer have it. */
  readonly watched: (
    answer: HttpServerResponse.HttpServerResponse,
    stillMay: StillMay
  ) => HttpServerResponse.HttpServerResponse
}

interface Live {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly stillMay: StillMay
}

export const makeLiveAnswers: Effect.Effect<LiveAnswers, never, Scope.Scope> = Effect.gen(function* () {
  const live = new Set<Live>()

  const look = Effect.gen(function* () {
    // Those that begin meanwhile have just been decided about.
    const now = Array.from(live)
    for (const one of now) {
      if (live.has(one) && !(yield* one.stillMay)) {
        live.delete(one)
        one.fiber.interruptUnsafe()
      }
      yield* Effect.yieldNow
    }
  })
  yield* Effect.forkScoped(Effect.forever(Effect.delay(look, lookEvery)))

  const enter = (stillMay: StillMay) =>
    Effect.acquireRelease(
      Effect.withFiber((fiber) => {
        const one = { fiber, stillMay }
        live.add(one)
        return Effect.succeed(one)
      }),
      (one) => Effect.sync(() => live.delete(one))
    )

  return {
    watched: (answer, stillMay) => {
      const { body } = answer
      if (body._tag !== "Stream") return answer
      const stream = Stream.unwrap(Effect.as(enter(stillMay), body.stream))
      return HttpServerResponse.setBody(answer, HttpBody.stream(stream, body.contentType, body.contentLength))
    }
  }
})

/** What the effect came to, once it is sure that it may be handed out after the time it took. */
export const decidedAnew = <A, E, E2>(
  effect: Effect.Effect<A, E>,
  clock: Clock.Clock,
  stillMay: StillMay,
  otherwise: () => E2
): Effect.Effect<A, E | E2> => {
  const started = clock.monotonicTimeNanosUnsafe()
  return Effect.tap(effect, () =>
    clock.monotonicTimeNanosUnsafe() - started < waitedLongNanos
      ? Effect.void
      : Effect.filterOrFail(stillMay, (may) => may, otherwise)
  )
}
