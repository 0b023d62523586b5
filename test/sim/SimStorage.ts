/**
 * The event store's disk and the thread that serves it. Requests are served in order, one at a time, and each takes
 * time; a request that was sent is carried out whether its sender still waits or not, as the real thread does.
 *
 * An append is on the disk as a whole or not at all. Where the thread dies, or the process, the seed says which of the
 * two became of the append in hand. Faults are switches that the steps of a run set.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Event, type EventRun, runWeight, type SeqRange, timeAt } from "../../src/services/events/Event.ts"
import type { LogBounds, RetainLimits, RetainResult } from "../../src/services/events/EventLog.ts"
import { type EventPage, type EventQuery, isHidden } from "../../src/services/events/EventQuery.ts"
import { EventStorage, StorageFailed, StorageFull, StorageLost } from "../../src/services/storage/EventStorage.ts"
import { naiveRetain, naiveScan, naiveSeek } from "../harness/FakeStorage.ts"
import type { Random } from "./Random.ts"
import type { Trace } from "./Trace.ts"
import type { Process, World } from "./World.ts"

/** `lost-before` and `lost-after`: the thread dies with the next write, before or after it is on the disk. */
export type StorageFault = "none" | "full" | "failing" | "lost-before" | "lost-after" | "hanging"

type Fault = StorageFull | StorageFailed | StorageLost

interface Request {
  readonly kind: "append" | "scan" | "retain" | "state"
  /** Of an append: what it would store. */
  readonly stores: Stores
  readonly perform: () => void
  readonly lose: (reason: string) => void
  /** Who sent it waits for it no longer. */
  deserted: boolean
}

interface Stores {
  readonly runs: ReadonlyArray<EventRun>
  readonly marks: ReadonlyMap<string, string>
}

export interface Commit {
  readonly events: ReadonlyArray<Event>
  /** Whoever sent it is not told that it was stored, and may send it again. */
  readonly untold: boolean
}

/** Rows one retain removes and one page has: few, so that reading and removing go on over several. */
const retainRowsMax = 20
const pageRowsMax = 24

/** How often a reader meets a fault while reads fail. */
const readFaultChance = 0.5

const hangPollMs = 250

/** The longest a request takes on a disk that has nothing, in milliseconds. */
export const wellMs = 3

export class SimStorage {
  fault: StorageFault = "none"
  readsFail = false
  /** The longest a request takes, in milliseconds. */
  slownessMs = wellMs
  /** What the log holds, oldest first; what retention removed is gone. */
  events: Array<Event> = []
  last = 0
  removedThrough = 0
  /** How far the sources have been read that feed the log. */
  readonly marks = new Map<string, string>()
  private weight = 0
  onCommit: (commit: Commit) => void = () => {}
  private queue: Array<Request> = []
  private busy = false
  private readonly world: World
  private readonly random: Random
  private readonly trace: Trace

  constructor(world: World, random: Random, trace: Trace) {
    this.world = world
    this.random = random
    this.trace = trace
  }

  get isWell(): boolean {
    return this.fault === "none" && !this.readsFail && this.slownessMs <= wellMs
  }

  get writing(): boolean {
    return this.queue.some(({ kind }) => kind === "append")
  }

  heal(): void {
    this.fault = "none"
    this.readsFail = false
    this.slownessMs = wellMs
  }

  layer(owner: Process): Layer.Layer<EventStorage> {
    return Layer.sync(EventStorage, () =>
      EventStorage.of({
        append: (runs, marks = new Map()) =>
          this.ask(owner, "append", (own) => this.append(own), { runs, marks: new Map(marks) }),
        marks: this.ask(owner, "state", () => this.read(() => new Map(this.marks))),
        scan: (query) => this.ask(owner, "scan", () => this.read(() => this.page(query))),
        seek: (query) => this.ask(owner, "scan", () => this.read(() => naiveSeek(this.events, query))),
        retain: (limits) => this.ask(owner, "retain", () => this.retain(limits)),
        state: this.ask(owner, "state", () => this.read(() => this.state()))
      })
    )
  }

  /** The process is gone: of what its thread had in hand the seed says whether it was done. */
  crash(): void {
    const [inHand] = this.busy ? this.queue : []
    this.queue = []
    this.busy = false
    if (inHand?.kind !== "append") return
    this.trace.count("crash while a commit is in hand")
    if (this.random.chance(0.5)) this.store(inHand.stores, true)
  }

  private ask<A, E>(
    owner: Process,
    kind: Request["kind"],
    work: (own: Request) => Effect.Effect<A, E>,
    stores: Stores = { runs: [], marks: new Map() }
  ): Effect.Effect<A, E | StorageLost> {
    return Effect.callback((resume) => {
      const request: Request = {
        kind,
        stores,
        perform: () => resume(work(request)),
        lose: (reason) => resume(Effect.fail(new StorageLost({ reason }))),
        deserted: false
      }
      this.queue.push(request)
      this.serve(owner)
      return Effect.sync(() => {
        request.deserted = true
      })
    })
  }

  private serve(owner: Process): void {
    if (this.busy || this.queue.length === 0) return
    this.busy = true
    const finish = () => {
      const [head] = this.queue
      if (head === undefined) return
      if (this.fault === "hanging" && head.kind !== "scan") return void this.world.after(hangPollMs, finish, owner)
      this.queue.shift()
      this.busy = false
      head.perform()
      this.serve(owner)
    }
    this.world.after(this.random.next() * this.slownessMs, finish, owner)
  }

  private append(own: Request): Effect.Effect<SeqRange, Fault> {
    const refused = this.refusal()
    if (refused !== undefined) return refused
    if (this.fault === "lost-before") return this.die()
    const range = this.store(own.stores, own.deserted || this.fault === "lost-after")
    return this.fault === "lost-after" ? this.die() : Effect.succeed(range)
  }

  private refusal(): Effect.Effect<never, Fault> | undefined {
    if (this.fault === "full") {
      this.trace.count("store full met work")
      return Effect.fail(new StorageFull({ reason: "no space left on device" }))
    }
    if (this.fault !== "failing") return undefined
    this.trace.count("store failing met work")
    return Effect.fail(new StorageFailed({ reason: "disk I/O error" }))
  }

  private die(): Effect.Effect<never, StorageLost> {
    this.trace.say(`disk: the storage thread dies (${this.fault}), ${this.queue.length} requests with it`)
    this.trace.count(`store ${this.fault} met work`)
    this.fault = "none"
    const reason = "the storage worker ended"
    const pending = this.queue
    this.queue = []
    for (const request of pending) request.lose(reason)
    return Effect.fail(new StorageLost({ reason }))
  }

  private store({ marks, runs }: Stores, untold: boolean): SeqRange {
    const first = this.last + 1
    for (const [name, value] of marks) this.marks.set(name, value)
    const stored: Array<Event> = []
    for (const run of runs) {
      const { messages, offsets: _, ...shared } = run
      messages.forEach((message, i) =>
        stored.push({ ...shared, receivedAt: timeAt(run, i), seq: ++this.last, message })
      )
    }
    this.events.push(...stored)
    this.weight += weightOf(stored)
    this.onCommit({ events: stored, untold })
    return { first, last: this.last }
  }

  private read<A>(look: () => A): Effect.Effect<A, StorageFailed> {
    if (!this.readsFail || !this.random.chance(readFaultChance)) return Effect.succeed(look())
    this.trace.count("failing read met work")
    return Effect.fail(new StorageFailed({ reason: "disk I/O error" }))
  }

  private state(): LogBounds {
    const { last, removedThrough } = this
    const shown = this.events.filter(({ level, seq }) => seq > removedThrough && !isHidden(level)).length
    return {
      first: removedThrough + 1,
      last,
      removedThrough,
      hidden: last - removedThrough - shown,
      bytes: this.weight
    }
  }

  /** As EventTable's: a page looks at a number of rows, and says how far it came. */
  private page(query: EventQuery): EventPage {
    const newestFirst = query.order === "newest-first"
    const isAudit = query.filters.levels?.includes("audit") === true
    const low = isAudit ? query.after + 1 : Math.max(query.after + 1, this.removedThrough + 1)
    const high = Math.min(query.before - 1, this.last)
    if (low > high) return { events: [], through: newestFirst ? low : high, done: true }
    const span = this.random.between(1, pageRowsMax)
    const from = newestFirst ? Math.max(low, high - span + 1) : low
    const to = newestFirst ? high : Math.min(high, low + span - 1)
    const { events } = naiveScan(this.events, { first: from, last: to }, { ...query, after: from - 1, before: to + 1 })
    const through = events.length === query.limit ? (events.at(-1)?.seq ?? to) : newestFirst ? from : to
    return { events, through, done: through === (newestFirst ? low : high) }
  }

  private retain(limits: RetainLimits): Effect.Effect<RetainResult, Fault> {
    const refused = this.refusal()
    if (refused !== undefined) return refused
    if (this.fault === "lost-before" || this.fault === "lost-after") return this.die()
    const first = this.removedThrough + 1
    const { auditRemoved, gone, more, through } = naiveRetain(
      this.events,
      this.last,
      this.weight,
      limits,
      retainRowsMax
    )
    if (through !== undefined) this.removedThrough = through
    this.weight -= weightOf(this.events.filter(({ seq }) => gone.has(seq)))
    this.events = this.events.filter(({ seq }) => !gone.has(seq))
    if (through !== undefined) this.trace.count("retention removed events")
    if (auditRemoved > 0) this.trace.count("retention removed audit entries")
    const removed = through === undefined ? null : { first, last: through }
    return Effect.succeed({ ...this.state(), removed, auditRemoved, more })
  }
}

const weightOf = (events: ReadonlyArray<Event>): number =>
  events.reduce((sum, { message, ...shared }) => sum + runWeight({ ...shared, messages: [message] }), 0)
