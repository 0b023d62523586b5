/**
 * How the event log is read: from memory where that tells, from its store otherwise, and never beyond the head that readers
 * are told of.
 */
import * as Effect from "effect/Effect"
import { type LogBounds, StoreFailed } from "../services/events/EventLog.ts"
import { type EventPage, type EventQuery, noFilters, type SeekQuery } from "../services/events/EventQuery.ts"
import type { RecentEvents } from "../services/events/RecentEvents.ts"
import type { EventStorage } from "../services/storage/EventStorage.ts"

/** What every follower of the log asks for, over and over: the next events, unfiltered, and they are still at hand. */
export const fromMemory = (recent: RecentEvents, query: EventQuery): Effect.Effect<EventPage> | undefined => {
  if (query.filters !== noFilters || query.order !== "oldest-first") return undefined
  const page = recent.page(query.after, query.before, query.limit)
  return page === undefined ? undefined : Effect.succeed(page)
}

/** Where nothing is hidden the numbers tell; the newest are counted in memory. */
export const fromSeqs = (
  { first, hidden, last }: LogBounds,
  recent: RecentEvents,
  { after, before, count, order }: SeekQuery
): Effect.Effect<number> | undefined => {
  const low = Math.max(after + 1, first)
  const high = Math.max(low - 1, Math.min(before - 1, last))
  if (order === "oldest-first") return hidden === 0 ? Effect.succeed(Math.min(high, low + count - 1)) : undefined
  if (hidden === 0) return Effect.succeed(Math.max(low, high - count + 1))
  if (high < recent.lastShown || count > recent.size) return undefined
  return Effect.succeed(count === 0 ? high + 1 : Math.max(low, recent.newestFrom(count)))
}

export const seekInStorage = (storage: EventStorage["Service"], query: SeekQuery): Effect.Effect<number, StoreFailed> =>
  Effect.flatMap(
    Effect.mapError(storage.seek(query), ({ reason }) => new StoreFailed({ reason, stored: "no" })),
    ({ done, found, through }) => {
      if (done) return Effect.succeed(through)
      const rest = { ...query, count: query.count - found }
      return seekInStorage(
        storage,
        query.order === "oldest-first" ? { ...rest, after: through } : { ...rest, before: through }
      )
    }
  )

/** The seq after which the newest of the log begin, as many as are kept at hand. */
export const beforeNewest = (storage: EventStorage["Service"], { first, hidden, last }: LogBounds, count: number) =>
  hidden === 0
    ? Effect.succeed(Math.max(first - 1, last - count))
    : Effect.map(
        seekInStorage(storage, { after: first - 1, before: last + 1, order: "newest-first", count }),
        (seq) => seq - 1
      )

/**
 * The store holds an append before the head says so, and for as long as this actor is being restarted: whoever was shown
 * such an event and went on after it would be told that it is not in this log.
 */
export const upTo = <Q extends { readonly before: number }>(head: number, query: Q): Q =>
  query.before <= head + 1 ? query : { ...query, before: head + 1 }

export const fromStorage = (
  storage: EventStorage["Service"],
  query: EventQuery
): Effect.Effect<EventPage, StoreFailed> =>
  Effect.mapError(storage.scan(query), ({ reason }) => new StoreFailed({ reason, stored: "no" }))
