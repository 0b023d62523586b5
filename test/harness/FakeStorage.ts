/**
 * EventStorage in memory, with faults where a test puts them. What it holds outlives the layer, as a disk outlives the
 * daemon: build the layer again over the same storage for a restart.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Event, type EventRun, runWeight, timeAt } from "../../src/services/events/Event.ts"
import type { LogBounds, RetainLimits } from "../../src/services/events/EventLog.ts"
import {
  type EventFilters,
  type EventPage,
  type EventQuery,
  isHidden,
  type SeekQuery,
  type SeekResult
} from "../../src/services/events/EventQuery.ts"
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
  readonly marks: ReadonlyMap<string, string>
  /** Puts events in place as if an earlier run of the daemon had stored them. */
  readonly seed: (runs: ReadonlyArray<EventRun>) => void
}

export const makeFakeStorage = (): FakeStorage => {
  let events: Array<Event> = []
  let last = 0
  let removedThrough = 0
  const commits: Array<number> = []
  const marks = new Map<string, string>()

  const store = (runs: ReadonlyArray<EventRun>, moved: ReadonlyMap<string, string> = new Map()) => {
    const first = last + 1
    for (const [name, value] of moved) marks.set(name, value)
    for (const run of runs) {
      const { messages, offsets: _, ...shared } = run
      messages.forEach((message, i) => events.push({ ...shared, receivedAt: timeAt(run, i), seq: ++last, message }))
    }
    commits.push(last - first + 1)
    return { first, last }
  }
  const state = (): LogBounds => ({
    first: removedThrough + 1,
    last,
    removedThrough,
    // Whatever is not there and was not removed has been an audit entry.
    hidden:
      last - removedThrough - events.filter((event) => event.seq > removedThrough && !isHidden(event.level)).length,
    bytes: weightOf(events)
  })

  const retain = (limits: RetainLimits) => {
    const first = removedThrough + 1
    const removal = naiveRetain(events, last, weightOf(events), limits, fake.retainMax)
    removedThrough = Math.max(removedThrough, removal.through ?? 0)
    events = events.filter((event) => !removal.gone.has(event.seq))
    const removed = removal.through === undefined ? null : { first, last: removal.through }
    return { ...state(), removed, auditRemoved: removal.auditRemoved, more: removal.more }
  }

  const fake: FakeStorage = {
    get events() {
      return events
    },
    commits,
    marks,
    beforeStore: Effect.void,
    afterStore: Effect.void,
    beforeRead: Effect.void,
    retainMax: Number.POSITIVE_INFINITY,
    seed: (runs) => void store(runs),
    layer: Layer.succeed(EventStorage, {
      append: (runs, moved) =>
        Effect.gen(function* () {
          yield* fake.beforeStore
          const range = store(runs, moved)
          yield* fake.afterStore
          return range
        }),
      marks: Effect.suspend(() => Effect.map(fake.beforeRead, () => new Map(marks))),
      scan: (query) => Effect.suspend(() => Effect.map(fake.beforeRead, () => naiveScan(events, state(), query))),
      seek: (query) => Effect.suspend(() => Effect.map(fake.beforeRead, () => naiveSeek(events, query))),
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
  const low = filters.levels?.includes("audit") === true ? after + 1 : Math.max(after + 1, first)
  const high = Math.min(before - 1, last)
  const inOrder = order === "oldest-first" ? events : events.toReversed()
  const matching = inOrder.filter((event) => event.seq >= low && event.seq <= high && matches(event, filters))
  const page = matching.slice(0, limit)
  const end = order === "oldest-first" ? Math.max(high, after) : low
  const through = page.length < limit ? end : (page.at(-1)?.seq ?? end)
  return { events: page, through, done: through === end }
}

/** Events that readers are shown, counted from one end. */
export const naiveSeek = (events: ReadonlyArray<Event>, { after, before, count, order }: SeekQuery): SeekResult => {
  const shown = events.filter(({ level, seq }) => seq > after && seq < before && !isHidden(level))
  const counted = order === "oldest-first" ? shown.slice(0, count) : shown.toReversed().slice(0, count)
  const end = order === "oldest-first" ? Math.min(before - 1, events.at(-1)?.seq ?? after) : after + 1
  const none = order === "oldest-first" ? after : Math.min(before, (events.at(-1)?.seq ?? after) + 1)
  const through = counted.length === count ? (counted.at(-1)?.seq ?? none) : end
  return { through, found: counted.length, done: true }
}

/** What goes: the oldest of those that readers are shown, and by limits of their own the oldest audit entries. */
export const naiveRetain = (
  events: ReadonlyArray<Event>,
  last: number,
  weight: number,
  { audit, maxBytes, maxCount, receivedBefore }: RetainLimits,
  max: number
) => {
  const shown = events.filter(({ level }) => !isHidden(level))
  let surplus = maxBytes > 0 ? weight - maxBytes : 0
  const young = shown.findIndex(({ receivedAt }) => receivedBefore === null || receivedAt >= receivedBefore)
  const tooOld = young === -1 ? (receivedBefore === null ? 0 : shown.length) : young
  const tooMany = maxCount > 0 ? shown.length - maxCount : 0
  const going = shown.filter((event, i) => {
    const goes = i < tooMany || i < tooOld || surplus > 0
    surplus -= weightOf([event])
    return goes
  })
  const others = going.slice(0, max)
  const audits = events.filter(({ level, seq }) => isHidden(level) && seq !== last)
  const kept = events.filter(({ level }) => isHidden(level)).length
  const auditsGone: Array<Event> = []
  for (const event of audits) {
    const isMany = audit !== undefined && audit.maxCount > 0 && kept - auditsGone.length > audit.maxCount
    const isOld = audit !== undefined && audit.receivedBefore !== null && event.receivedAt < audit.receivedBefore
    if (!isMany && !isOld) break
    auditsGone.push(event)
  }
  return {
    through: others.at(-1)?.seq,
    gone: new Set([...others, ...auditsGone].map(({ seq }) => seq)),
    auditRemoved: auditsGone.length,
    more: others.length < going.length
  }
}

const fieldOf = ({ fields }: Event, name: string): string | undefined => {
  const members: unknown = JSON.parse(fields ?? "{}")
  const value = typeof members === "object" && members !== null ? new Map(Object.entries(members)).get(name) : undefined
  return typeof value === "string" ? value : undefined
}

const matches = (event: Event, { fields, levels, since, source, terms, until, who }: EventFilters): boolean =>
  (since === undefined || event.receivedAt >= since) &&
  (until === undefined || event.receivedAt < until) &&
  (source === undefined || event.source === source) &&
  (levels === undefined ? !isHidden(event.level) : levels.includes(event.level)) &&
  (who === undefined || event.who === who) &&
  (fields ?? []).every(({ isPrefix, name, text }) => {
    const value = fieldOf(event, name)
    return isPrefix ? value?.startsWith(text) === true : value === text
  }) &&
  (terms ?? []).every((term) => folded(event.message).includes(folded(term)))

const folded = (text: string): string => text.replace(/[A-Z]/gu, (letter) => letter.toLowerCase())
