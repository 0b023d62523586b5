/** Reads over the log that are longer than one page: each collects bounded pages, so that no read holds the store. */
import * as Effect from "effect/Effect"
import type { ActorUnavailable } from "../../services/ActorUnavailable.ts"
import type { Event } from "../../services/events/Event.ts"
import type { EventLog, StoreFailed } from "../../services/events/EventLog.ts"
import { type EventFilters, noFilters } from "../../services/events/EventQuery.ts"

/** Text one collected answer may hold in memory. */
const collectedBytesMax = 8 * 1024 * 1024

export interface Collected {
  /** Oldest first. */
  readonly events: ReadonlyArray<Event>
  /** The `after` that goes on from here. */
  readonly through: number
}

type Read = Effect.Effect<Collected, StoreFailed | ActorUnavailable>
type Log = EventLog["Service"]

/** The oldest events after `after`. */
export const collectAfter = (log: Log, after: number, before: number, limit: number, filters: EventFilters): Read =>
  Effect.gen(function* () {
    const events: Array<Event> = []
    let bytes = 0
    let through = after
    while (events.length < limit && bytes < collectedBytesMax) {
      const page = yield* log.query({
        after: through,
        before,
        order: "oldest-first",
        limit: limit - events.length,
        filters
      })
      for (const event of page.events) {
        events.push(event)
        bytes += event.message.length + (event.fields?.length ?? 0)
      }
      through = Math.max(through, page.through)
      if (page.done) break
    }
    return { events, through }
  })

/** The newest events before `before`; oldest first, like every answer. */
export const collectNewest = (log: Log, after: number, before: number, limit: number, filters: EventFilters): Read =>
  Effect.gen(function* () {
    const last = log.bounds().last
    if (filters === noFilters) {
      const start = Math.max(after, Math.min(before, last + 1) - 1 - limit)
      return yield* collectAfter(log, start, Math.min(before, last + 1), limit, filters)
    }
    const events: Array<Event> = []
    let bytes = 0
    let from = Math.min(before, last + 1)
    while (events.length < limit && bytes < collectedBytesMax) {
      const page = yield* log.query({
        after,
        before: from,
        order: "newest-first",
        limit: limit - events.length,
        filters
      })
      for (const event of page.events) {
        events.push(event)
        bytes += event.message.length + (event.fields?.length ?? 0)
      }
      from = page.through
      if (page.done) break
    }
    return { events: events.toReversed(), through: Math.min(before - 1, last) }
  })
