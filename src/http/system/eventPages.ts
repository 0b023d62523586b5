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

/** The newest `count` events before `before`, as a stretch: where nothing is hidden it is known by its numbers. */
export const newest = (log: Log, after: number, before: number, count: number): Effect.Effect<Stretch, ReadError> => {
  const { first, last } = log.bounds()
  const low = Math.max(after, first - 1)
  const end = Math.min(before, last + 1)
  return Effect.map(log.seek({ after: low, before: end, order: "newest-first", count }), (seq) => ({
    after: Math.max(low, seq - 1),
    before: end,
    filters: noFilters
  }))
}

/** All there is of it. */
export const whatever = (log: Log, after: number, before: number): Stretch => {
  const { first, last } = log.bounds()
  return { after: Math.max(after, first - 1), before: Math.min(before, last + 1), filters: noFilters }
}

export interface FirstPage extends EventPage {
  /** What comes after it, where that is not all. */
  readonly rest: Stretch | undefined
  /** Where the last page ends. */
  readonly end: number
}

/**
 * The first page that has an event, of the oldest `limit` events of the stretch; none before it had any. Where the rest
 * ends has to be counted only if there is a rest.
 */
export const firstPage = (
  log: Log,
  stretch: Stretch,
  limit = Number.POSITIVE_INFINITY
): Effect.Effect<FirstPage, ReadError> =>
  Effect.flatMap(
    log.query({ ...stretch, order: "oldest-first", limit: Math.min(limit, pageEvents) }),
    (page): Effect.Effect<FirstPage, ReadError> => {
      const { done, events, through } = page
      if (done || events.length === limit) return Effect.succeed({ ...page, rest: undefined, end: through })
      const rest = { ...stretch, after: through }
      if (events.length === 0) return firstPage(log, rest, limit)
      if (limit === Number.POSITIVE_INFINITY) return Effect.succeed({ ...page, rest, end: stretch.before - 1 })
      return Effect.map(
        log.seek({ after: through, before: stretch.before, order: "oldest-first", count: limit - events.length }),
        (end) => ({ ...page, rest: { ...rest, before: end + 1 }, end })
      )
    }
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
