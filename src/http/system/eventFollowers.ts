/**
 * One client that follows the log: a cursor, and what comes after it, piece by piece, for as long as client and daemon
 * live.
 *
 * There is no queue per client, so a stuck one costs a page (EventQuery.pageBytesMax) and nobody else, and whatever a
 * slow one missed it reads from storage later. Only what retention removed meanwhile is lost to it, and a `gap` record
 * says exactly which events those were.
 *
 * Who follows everything shares the bytes (RenderedPieces); all wait together (LogPulse).
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Event } from "../../services/events/Event.ts"
import type { EventLog } from "../../services/events/EventLog.ts"
import { type EventFilters, noFilters } from "../../services/events/EventQuery.ts"
import { type Piece, RenderedPieces } from "../../services/events/RenderedPieces.ts"
import type { LogPulse } from "./LogPulse.ts"

/** How events, and what there is to say between them, are written to a stream. */
export interface Rendering {
  readonly event: (event: Event) => string
  readonly gap: (from: number, to: number, reason?: string) => string
  readonly keepAlive: string
}

export interface FollowOptions {
  /** Seq of the event after which it begins. */
  readonly start: number
  readonly filters: EventFilters
  /** The stream ends with it. */
  readonly end: Deferred.Deferred<void>
}

/** Events in one piece; a follower that catches up gets a megabyte or so at a time. */
const pieceEvents = 1000

/** All clients that follow the log in one rendering. */
export const makeFollowers = (log: EventLog["Service"], pulse: LogPulse, as: Rendering) => {
  const shared = new RenderedPieces(log.recent, as.event)
  const keepAlive = Buffer.from(as.keepAlive)
  let followers = 0

  const pieces = ({ end, filters, start }: FollowOptions): Stream.Stream<Uint8Array> => {
    let cursor = start
    let sentAt = pulse.now()
    const pass = ({ bytes, last }: Piece) => {
      cursor = last
      sentAt = pulse.now()
      return [bytes] as const
    }
    const wait: Effect.Effect<Pulled, Cause.Done> = Effect.suspend(() =>
      Effect.flatMap(pulse.wait(cursor, sentAt, end), (woken) =>
        woken === "silence" ? Effect.succeed(pass({ bytes: keepAlive, last: cursor })) : next
      )
    )
    /** Events that do not match only move the cursor. */
    const read: Effect.Effect<Pulled, Cause.Done> = Effect.suspend(() =>
      Effect.matchEffect(
        log.query({ after: cursor, before: everything, order: "oldest-first", limit: pieceEvents, filters }),
        {
          onSuccess: ({ done, events, through }) => {
            // Looked at after the query: what retention removed before it is not in the page.
            const skipped = Math.min(log.bounds().removedThrough, (events[0]?.seq ?? everything) - 1)
            const gap = skipped > cursor ? as.gap(cursor + 1, skipped) : ""
            const text = gap + events.map(as.event).join("")
            const last = Math.max(cursor, through, skipped)
            if (text !== "") return Effect.succeed(pass({ bytes: Buffer.from(text), last }))
            cursor = last
            return done ? wait : next
          },
          // The store is being reopened: the follower waits like everyone else.
          onFailure: () => Effect.andThen(Effect.sleep("1 second"), next)
        }
      )
    )
    const next: Effect.Effect<Pulled, Cause.Done> = Effect.suspend(() => {
      if (Deferred.isDoneUnsafe(end)) return Cause.done()
      // What retention has removed is gone, whoever still has it.
      if (filters !== noFilters || cursor < log.bounds().removedThrough) return read
      if (cursor >= log.recent.lastShown) return wait
      const piece = shared.after(cursor)
      return piece === undefined ? read : Effect.succeed(pass(piece))
    })
    return Stream.fromPull(Effect.succeed(next))
  }

  /** Counted from its first piece to its last; the bytes are let go with the last follower. */
  return (options: FollowOptions): Stream.Stream<Uint8Array> =>
    Stream.suspend(() => {
      followers += 1
      return Stream.ensuring(
        pieces(options),
        Effect.sync(() => {
          followers -= 1
          if (followers === 0) shared.clear()
        })
      )
    })
}

type Pulled = readonly [Uint8Array]

const everything = Number.MAX_SAFE_INTEGER
