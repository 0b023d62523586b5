/**
 * Reads over the log that are longer than one page: in bounded pages, so that no read holds the store, and with bounded
 * memory, so that no client that does not read holds the daemon's.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ActorUnavailable } from "../../services/ActorUnavailable.ts"
import type { Event } from "../../services/events/Event.ts"
import type { EventLog, StoreFailed } from "../../services/events/EventLog.ts"
import { type EventFilters, type EventPage, noFilters } from "../../services/events/EventQuery.ts"

/** Text one collected answer may hold in memory; what is left out follows with X-Next-After. */
const collectedBytesMax = 1024 * 1024

/** Events in one page of an answer that is streamed. */
const pageEvents = 1000

export interface Collected {
  /** Oldest first. */
  readonly events: ReadonlyArray<Event>
  /** The `after` that goes on from here. */
  readonly through: number
}

export type ReadError = StoreFailed | ActorUnavailable
type Read = Effect.Effect<Collected, ReadError>
type Log = EventLog["Service"]

/** The oldest events after `after` that match. */
export const collectAfter = (log: Log, after: number, before: number, limit: number, filters: EventFilters): Read =>
  Effect.gen(function* () {
    const events: Array<Event> = []
    let bytes = 0
    let through = after
    while (events.length < limit && bytes < collectedBytesMax) {
      const wanted = limit - events.length
      const page = yield* log.query({ after: through, before, order: "oldest-first", limit: wanted, filters })
      for (const event of page.events) {
        events.push(event)
        bytes += event.message.length + (event.fields?.length ?? 0)
      }
      through = Math.max(through, page.through)
      if (page.done) break
    }
    return { events, through }
  })

/** The newest events before `before` that match; oldest first, like every answer. */
export const collectNewest = (log: Log, after: number, before: number, limit: number, filters: EventFilters): Read =>
  Effect.gen(function* () {
    const last = log.bounds().last
    const events: Array<Event> = []
    let bytes = 0
    let from = Math.min(before, last + 1)
    while (events.length < limit && bytes < collectedBytesMax) {
      const wanted = limit - events.length
      const page = yield* log.query({ after, before: from, order: "newest-first", limit: wanted, filters })
      for (const event of page.events) {
        events.push(event)
        bytes += event.message.length + (event.fields?.length ?? 0)
      }
      from = page.through
      if (page.done) break
    }
    return { events: events.toReversed(), through: Math.min(before - 1, last) }
  })

/** A stretch of the log; both ends are exclusive. */
export interface Stretch {
  readonly after: number
  readonly before: number
  readonly filters: EventFilters
}

/** The newest `count` events before `before`, as a stretch: without filters it is known by its numbers. */
export const newest = (log: Log, after: number, before: number, count: number): Stretch => {
  const { first, last } = log.bounds()
  const end = Math.min(before, last + 1)
  return { after: Math.max(after, first - 1, end - 1 - count), before: end, filters: noFilters }
}

/** The oldest `limit` events after `after`. */
export const oldest = (log: Log, after: number, before: number, limit: number): Stretch => {
  const { first, last } = log.bounds()
  const start = Math.max(after, first - 1)
  return { after: start, before: Math.min(before, last + 1, start + limit + 1), filters: noFilters }
}

/** Its first page that has an event, or its last; none of the pages before it had any. */
export const firstPage = (log: Log, stretch: Stretch): Effect.Effect<EventPage, ReadError> =>
  Effect.filterOrElse(
    log.query({ ...stretch, order: "oldest-first", limit: pageEvents }),
    (page) => page.events.length > 0 || page.done,
    (page) => firstPage(log, { ...stretch, after: page.through })
  )

/** Its pages, one after another: the next is read when the one before has been sent. */
export const pagesOf = (
  log: Log,
  { after, before, filters }: Stretch
): Stream.Stream<ReadonlyArray<Event>, ReadError> =>
  Stream.paginate(after, (cursor) =>
    Effect.map(log.query({ after: cursor, before, order: "oldest-first", limit: pageEvents, filters }), (page) => [
      page.events.length === 0 ? [] : [page.events],
      page.done ? Option.none() : Option.some(page.through)
    ])
  )
