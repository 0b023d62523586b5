/**
 * EventStorage in memory, with faults where a test puts them. What it holds outlives the layer, as a disk outlives the
 * daemon: build the layer again over the same storage for a restart.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Event, type EventRun, runWeight, timeAt } from "../../src/services/events/Event.ts"
import type { LogBounds, RetainLimits } from "../../src/services/events/EventLog.ts"
import type { EventFilters, EventPage, EventQuery } from "../../src/services/events/EventQuery.ts"
import {
  EventStorage,
  type StorageFailed,
  type StorageFull,
  type StorageLost
} from "../../src/services/storage/EventStorage.ts"

type WriteFault = StorageFull | StorageFailed | StorageLost
type ReadFault = StorageFailed | StorageLost

export interface FakeStorage {
  readonly layer: Layer.Layer<EventStorage>
  /** What is on the disk, oldest first. */
  readonly events: ReadonlyArray<Event>
  /** How many events each transaction stored. */
  readonly commits: ReadonlyArray<number>
  /** Runs before an append is stored: fail here and nothing is, wait here and the disk is slow. */
  beforeStore: Effect.Effect<void, WriteFault>
  /** Runs when an append is stored and nobody knows yet: fail here and its outcome is unknown. */
  afterStore: Effect.Effect<void, WriteFault>
  beforeRead: Effect.Effect<void, ReadFault>
  /** Events one retain removes at the most. */
  retainMax: number
  /** Puts events in place as if an earlier run of the daemon had stored them. */
  readonly seed: (runs: ReadonlyArray<EventRun>) => void
}

export const makeFakeStorage = (): FakeStorage => {
  let events: Array<Event> = []
  let last = 0
  let removedThrough = 0
  const commits: Array<number> = []

  const store = (runs: ReadonlyArray<EventRun>) => {
    const first = last + 1
    for (const run of runs) {
      const { messages, offsets: _, ...shared } = run
      messages.forEach((message, i) => events.push({ ...shared, receivedAt: timeAt(run, i), seq: ++last, message }))
    }
    commits.push(last - first + 1)
    return { first, last }
  }
  const state = (): LogBounds => ({ first: removedThrough + 1, last, removedThrough, bytes: weightOf(events) })

  const retain = ({ maxBytes, maxCount, receivedBefore }: RetainLimits) => {
    let through = removedThrough
    if (maxCount > 0) through = Math.max(through, last - maxCount)
    if (receivedBefore !== null) {
      const young = events.find((event) => event.receivedAt >= receivedBefore)
      through = Math.max(through, young === undefined ? last : young.seq - 1)
    }
    if (maxBytes > 0) {
      let weight = weightOf(events)
      for (const event of events) {
        if (weight <= maxBytes) break
        weight -= weightOf([event])
        through = Math.max(through, event.seq)
      }
    }
    const target = Math.min(through, removedThrough + fake.retainMax)
    if (target <= removedThrough) return { ...state(), removed: null, more: false }
    const removed = { first: removedThrough + 1, last: target }
    removedThrough = target
    events = events.filter((event) => event.seq > target)
    return { ...state(), removed, more: target < through }
  }

  const fake: FakeStorage = {
    get events() {
      return events
    },
    commits,
    beforeStore: Effect.void,
    afterStore: Effect.void,
    beforeRead: Effect.void,
    retainMax: Number.POSITIVE_INFINITY,
    seed: (runs) => void store(runs),
    layer: Layer.succeed(EventStorage, {
      append: (runs) =>
        Effect.gen(function* () {
          yield* fake.beforeStore
          const range = store(runs)
          yield* fake.afterStore
          return range
        }),
      scan: (query) => Effect.suspend(() => Effect.map(fake.beforeRead, () => naiveScan(events, state(), query))),
      retain: (limits) => Effect.suspend(() => Effect.map(fake.beforeStore, () => retain(limits))),
      state: Effect.suspend(() => Effect.map(fake.beforeRead, state))
    })
  }
  return fake
}

const weightOf = (events: ReadonlyArray<Event>): number =>
  events.reduce((sum, { message, ...shared }) => sum + runWeight({ ...shared, messages: [message] }), 0)

/** What a query means, in the fewest words: the model that every implementation is held against. */
export const naiveScan = (
  events: ReadonlyArray<Event>,
  { first, last }: Pick<LogBounds, "first" | "last">,
  { after, before, filters, limit, order }: EventQuery
): EventPage => {
  const low = Math.max(after + 1, first)
  const high = Math.min(before - 1, last)
  const inOrder = order === "oldest-first" ? events : events.toReversed()
  const matching = inOrder.filter((event) => event.seq >= low && event.seq <= high && matches(event, filters))
  const page = matching.slice(0, limit)
  const end = order === "oldest-first" ? Math.max(high, after) : low
  const through = page.length < limit ? end : (page.at(-1)?.seq ?? end)
  return { events: page, through, done: through === end }
}

const matches = (event: Event, { levels, since, source, terms, until }: EventFilters): boolean =>
  (since === undefined || event.receivedAt >= since) &&
  (until === undefined || event.receivedAt < until) &&
  (source === undefined || event.source === source) &&
  (levels === undefined || levels.includes(event.level)) &&
  (terms ?? []).every((term) => folded(event.message).includes(folded(term)))

const folded = (text: string): string => text.replace(/[A-Z]/gu, (letter) => letter.toLowerCase())
