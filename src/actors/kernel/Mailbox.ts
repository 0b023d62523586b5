/**
 * A bounded, typed mailbox: the only way into an actor.
 *
 * The mailbox belongs to whoever supervises the actor, not to the actor's fiber, so messages waiting in it survive a
 * restart. A message the actor had taken but not answered when it failed is answered with `ActorRestarted`: an asker
 * gets the answer, a typed error or its own deadline, never silence. What happens when the mailbox is full is stated
 * once, when it is made; messages dropped or refused are counted.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"

/** The actor failed while it held this message; whether the work was done is unknown. */
export class ActorRestarted extends Schema.TaggedError<ActorRestarted>()(
  "ActorRestarted",
  { actor: Schema.String },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `${this.actor} restarted while it worked on this request`
  }
}

/** The mailbox refuses when full, and it is full. */
export class MailboxFull extends Schema.TaggedError<MailboxFull>()(
  "MailboxFull",
  { actor: Schema.String, capacity: Schema.Int },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `${this.actor} is busy: ${this.capacity} requests are waiting already`
  }
}

/** No answer within the deadline of the ask; the message may still be handled later. */
export class AskTimedOut extends Schema.TaggedError<AskTimedOut>()(
  "AskTimedOut",
  { actor: Schema.String, after_ms: Schema.Int },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `${this.actor} did not answer within ${this.after_ms} ms`
  }
}

/** `wait` suspends the sender; `drop-oldest` makes room by forgetting the oldest; `refuse` fails with `MailboxFull`. */
export type WhenFull = "wait" | "drop-oldest" | "refuse"

/** Where an actor answers the message in its hand. */
export type Reply<A, E> = Deferred.Deferred<A, E | ActorRestarted | MailboxFull>

interface Envelope<out M> {
  readonly message: M
  readonly abandon: ((error: ActorRestarted | MailboxFull) => void) | undefined
  /** Whoever asked has the answer, or waits for it no longer. */
  settled: boolean
}

export interface MailboxStats {
  readonly depth: number
  readonly capacity: number
  readonly handled: number
  readonly dropped: number
  readonly refused: number
}

export interface Mailbox<in out M> {
  readonly actor: string
  /** Sends without waiting for an answer. */
  readonly tell: (message: M) => Effect.Effect<void, MailboxFull>
  /** Sends and waits for the answer; without a deadline the asker decides how long by interrupting. */
  readonly ask: <A, E>(
    make: (reply: Reply<A, E>) => M,
    deadline?: Duration.Duration
  ) => Effect.Effect<A, E | ActorRestarted | MailboxFull | AskTimedOut>
  /** Waits for a message. For the actor alone. */
  readonly take: Effect.Effect<M>
  /** Waits for at least one message and takes up to `max`. For the actor alone. */
  readonly takeUpTo: (max: number) => Effect.Effect<ReadonlyArray<M>>
  /** Answers every ask that was taken and not answered. For the supervisor alone. */
  readonly abandonInHand: Effect.Effect<void>
  readonly stats: () => MailboxStats
  /** By the monotonic clock: since when the actor has not asked for the next message; undefined while it waits for one. */
  readonly busySince: () => bigint | undefined
}

export interface MailboxOptions {
  readonly actor: string
  readonly capacity: number
  readonly whenFull: WhenFull
}

export const make = Effect.fnUntraced(function* <M>(options: MailboxOptions): Effect.fn.Return<Mailbox<M>> {
  const { actor, capacity, whenFull } = options
  const queue = yield* Queue.bounded<Envelope<M>>(capacity)
  const inHand = new Set<Envelope<M>>()
  const clock = yield* Clock.Clock
  let busySince: bigint | undefined
  let handled = 0
  let dropped = 0
  let refused = 0

  const restarted = new ActorRestarted({ actor })
  const full = new MailboxFull({ actor, capacity })

  const makeRoom = Effect.sync(() => {
    while (Queue.isFullUnsafe(queue)) {
      const oldest = Queue.takeUnsafe(queue)
      if (oldest?._tag !== "Success") return
      dropped += 1
      oldest.value.abandon?.(full)
    }
  })

  const offerWhenFull = (envelope: Envelope<M>): Effect.Effect<void, MailboxFull> => {
    switch (whenFull) {
      case "wait":
        return Effect.asVoid(Queue.offer(queue, envelope))
      case "drop-oldest":
        return Effect.andThen(makeRoom, Effect.asVoid(Queue.offer(queue, envelope)))
      case "refuse":
        return Effect.suspend(() => {
          refused += 1
          return Effect.fail(full)
        })
    }
  }

  const accept = (envelope: Envelope<M>): M => {
    handled += 1
    if (envelope.abandon !== undefined && !envelope.settled) inHand.add(envelope)
    return envelope.message
  }

  const settle = (envelope: Envelope<M>) => {
    envelope.settled = true
    inHand.delete(envelope)
  }

  const ask = <A, E>(make: (reply: Reply<A, E>) => M, deadline?: Duration.Duration) => {
    // Every event from HTTP comes this way: where there is room, an ask is one step and its answer another.
    const answer = Effect.callback<A, E | ActorRestarted | MailboxFull>((resume) => {
      const reply: Reply<A, E> = Deferred.makeUnsafe()
      const envelope: Envelope<M> = {
        message: make(reply),
        abandon: (error) => Deferred.doneUnsafe(reply, Effect.fail(error)),
        settled: false
      }
      if (!Queue.offerUnsafe(queue, envelope)) {
        const answered = Effect.andThen(offerWhenFull(envelope), Deferred.await(reply))
        const settled = Effect.sync(() => settle(envelope))
        return resume(Effect.ensuring(answered, settled))
      }
      const answered = (exit: Effect.Effect<A, E | ActorRestarted | MailboxFull>) => {
        settle(envelope)
        resume(exit)
      }
      reply.resumes = [answered]
      return Effect.sync(() => {
        reply.resumes = undefined
        settle(envelope)
      })
    })
    return deadline === undefined
      ? answer
      : Effect.timeoutOrElse(answer, {
          duration: deadline,
          orElse: () => Effect.fail(new AskTimedOut({ actor, after_ms: Duration.toMillis(deadline) }))
        })
  }

  /** Whoever asks for the next is done with those before. */
  const next = <A, B>(taken: Effect.Effect<A>, accepted: (taken: A) => B) =>
    Effect.suspend(() => {
      busySince = undefined
      return Effect.map(taken, (some) => {
        busySince = clock.monotonicTimeNanosUnsafe()
        return accepted(some)
      })
    })

  return {
    actor,
    tell: (message) =>
      Effect.suspend(() => {
        const envelope = { message, abandon: undefined, settled: true }
        return Queue.offerUnsafe(queue, envelope) ? Effect.void : offerWhenFull(envelope)
      }),
    ask,
    take: next(Queue.take(queue), accept),
    takeUpTo: (max) => next(Queue.takeBetween(queue, 1, max), (envelopes) => envelopes.map(accept)),
    abandonInHand: Effect.sync(() => {
      busySince = undefined
      for (const envelope of inHand) envelope.abandon?.(restarted)
      inHand.clear()
    }),
    stats: () => ({ depth: Queue.sizeUnsafe(queue), capacity, handled, dropped, refused }),
    busySince: () => busySince
  }
})
