/**
 * Audit entries on their way to the log, in order, exactly once where the store says what it did.
 *
 * One fiber appends what waits, as one transaction. What the log refuses is kept and tried again, because a disk that is
 * full is made room on; whoever waits to hear whether an entry is durable is told at once. After a commit whose outcome
 * is unknown the log itself is asked whether it has the entry: nobody else writes any like it.
 *
 * Bounds: `waitingWeightMax` of text. What comes beyond it is lost, counted, and told in an entry once there is room.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { type Event, type EventRun, runWeight } from "../events/Event.ts"
import type { AppendError, EventLog } from "../events/EventLog.ts"
import type { EventFilters } from "../events/EventQuery.ts"
import type { Summed } from "./auditEvent.ts"

/** Some eight thousand entries: a minute of a machine that is administered by many scripts, while its disk is full. */
const waitingWeightMax = 4 * 1024 * 1024

/** One transaction; a commit is shared with whatever else waits for the log. */
const batchMax = 256

/**
 * How long an entry that nobody waits for may wait for others: a commit of its own delays the events of whoever comes
 * next, and so many milliseconds before a power failure is no more than an entry on its way has had anyhow.
 */
const linger = Duration.millis(10)

/** A store that refuses is asked again this often. */
const retryEvery = Duration.seconds(1)

const auditOnly: EventFilters = { levels: ["audit"] }

export interface NotRecorded {
  readonly reason: string
  /** There is no room for it. */
  readonly full: boolean
}

export type Reply = (refused: NotRecorded | undefined) => void

interface Waiting {
  readonly runs: ReadonlyArray<EventRun>
  readonly weight: number
  /** Told when it is durable, or why it is not; it is not tried again for whoever asks that. */
  readonly reply: Reply | undefined
  /** Completes when it is in the log or given up. */
  settled: Deferred.Deferred<void> | undefined
}

const weightOf = (runs: ReadonlyArray<EventRun>): number => runs.reduce((sum, run) => sum + runWeight(run), 0)

export class AuditQueue {
  recorded = 0
  failed = 0
  private waiting: Array<Waiting> = []
  private weight = 0
  private problem: string | undefined
  private lost: { count: number; readonly firstAt: bigint; lastAt: bigint } | undefined
  private readonly some = Latch.makeUnsafe()
  /** Open while somebody waits, or a whole batch does. */
  private readonly hurry = Latch.makeUnsafe()
  private readonly log: EventLog["Service"]
  private readonly entryOfLost: (lost: Summed) => EventRun

  constructor(log: EventLog["Service"], entryOfLost: (lost: Summed) => EventRun) {
    this.log = log
    this.entryOfLost = entryOfLost
  }

  /** Whether so much waits that what can be summed up should be. */
  get isCrowded(): boolean {
    return this.weight > waitingWeightMax / 2
  }

  get degraded(): string | undefined {
    const lost = this.lost === undefined ? "" : `; ${this.lost.count} entries are lost`
    if (this.problem !== undefined) {
      return `audit entries are not recorded: ${this.problem}; ${this.waiting.length} wait${lost}`
    }
    return lost === "" ? undefined : `audit entries were not recorded${lost}`
  }

  offer(runs: ReadonlyArray<EventRun>, reply?: Reply): void {
    const weight = weightOf(runs)
    if (this.weight + weight > waitingWeightMax) {
      if (reply === undefined) this.lose(runs)
      else reply({ reason: "too many entries wait", full: false })
      return
    }
    this.waiting.push({ runs, weight, reply, settled: undefined })
    this.weight += weight
    this.some.openUnsafe()
    if (reply !== undefined || this.waiting.length >= batchMax) this.hurry.openUnsafe()
  }

  /** Completes when everything offered before is in the log or given up. */
  get settled(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const last = this.waiting.at(-1)
      if (last === undefined) return Effect.void
      last.settled ??= Deferred.makeUnsafe<void>()
      this.hurry.openUnsafe()
      return Deferred.await(last.settled)
    })
  }

  /** Appends what is offered, for ever. */
  get run(): Effect.Effect<never> {
    return Effect.forever(this.some.await.pipe(Effect.andThen(this.company), Effect.andThen(this.appendBatch)))
  }

  /** Nothing more will reach the log: how many entries have not. */
  giveUp(): number {
    let left = this.lost?.count ?? 0
    for (const { reply, runs } of this.take(this.waiting.length)) {
      left += runs.length
      this.failed += runs.length
      reply?.({ reason: "the daemon stops", full: false })
    }
    return left
  }

  private readonly company = Effect.suspend(() => Effect.timeoutOption(this.hurry.await, linger))

  private readonly appendBatch = Effect.suspend(() => {
    const lost = this.lost === undefined ? undefined : { ...this.lost }
    const batch = this.waiting.slice(0, batchMax)
    const runs = batch.flatMap((one) => one.runs)
    const all = lost === undefined ? runs : [this.entryOfLost(lost), ...runs]
    return Effect.matchEffect(this.log.append(all), {
      onSuccess: () => Effect.sync(() => this.stored(batch, lost?.count)),
      onFailure: (error) => this.notStored(error, batch, all, lost?.count)
    })
  })

  private stored(batch: ReadonlyArray<Waiting>, lost: number | undefined): void {
    this.problem = undefined
    // What was lost while the entry about it was on its way is told in another.
    if (lost !== undefined && this.lost !== undefined) {
      this.lost.count -= lost
      if (this.lost.count === 0) this.lost = undefined
    }
    for (const { runs } of batch) this.recorded += runs.length
    for (const { reply } of this.take(batch.length)) reply?.(undefined)
    if (this.waiting.length === 0) this.hurry.closeUnsafe()
    if (this.waiting.length === 0 && this.lost === undefined) this.some.closeUnsafe()
  }

  private notStored(
    error: AppendError,
    batch: ReadonlyArray<Waiting>,
    all: ReadonlyArray<EventRun>,
    lost: number | undefined
  ): Effect.Effect<void> {
    this.problem = error.message
    // An actor that ended with the commit in hand knows no more of it than a store that was lost.
    const isKnown = error._tag === "StoreFull" || (error._tag === "StoreFailed" && error.stored === "no")
    const outcome = !isKnown ? this.isInLog(all.at(-1)) : Effect.succeed(false)
    return Effect.flatMap(outcome, (isStored) => {
      if (isStored) return Effect.sync(() => this.stored(batch, lost))
      this.refuseThoseWhoWait(error)
      return Effect.sleep(retryEvery)
    })
  }

  /**
   * Whether the newest entry of the log is this one; asked until the log answers. What it takes first, though it is
   * nothing, it takes when it has read back from its store what was stored after all.
   */
  private isInLog(run: EventRun | undefined): Effect.Effect<boolean> {
    const asked = Effect.andThen(this.log.append([]), this.newest(Number.MAX_SAFE_INTEGER))
    return Effect.matchEffect(asked, {
      onSuccess: (event) =>
        Effect.succeed(
          event !== undefined &&
            event.receivedAt === run?.receivedAt &&
            event.fields === run.fields &&
            event.message === run.messages[0]
        ),
      onFailure: () => Effect.andThen(Effect.sleep(retryEvery), this.isInLog(run))
    })
  }

  private newest(before: number): Effect.Effect<Event | undefined, AppendError> {
    const query = { after: 0, before, order: "newest-first", limit: 1, filters: auditOnly } as const
    return Effect.flatMap(this.log.query(query), ({ done, events: [event], through }) =>
      event !== undefined || done ? Effect.succeed(event) : this.newest(through)
    )
  }

  private refuseThoseWhoWait(error: AppendError): void {
    const kept: Array<Waiting> = []
    for (const one of this.waiting) {
      if (one.reply === undefined) {
        kept.push(one)
        continue
      }
      this.weight -= one.weight
      this.failed += one.runs.length
      one.reply({ reason: error.message, full: error._tag === "StoreFull" })
      if (one.settled !== undefined) Deferred.doneUnsafe(one.settled, Effect.void)
    }
    this.waiting = kept
    if (kept.length === 0 && this.lost === undefined) this.some.closeUnsafe()
  }

  private take(count: number): ReadonlyArray<Waiting> {
    const taken = this.waiting.slice(0, count)
    this.waiting = this.waiting.slice(count)
    for (const { settled, weight } of taken) {
      this.weight -= weight
      if (settled !== undefined) Deferred.doneUnsafe(settled, Effect.void)
    }
    return taken
  }

  private lose(runs: ReadonlyArray<EventRun>): void {
    const at = runs[0]?.receivedAt ?? 0n
    this.failed += runs.length
    this.lost ??= { count: 0, firstAt: at, lastAt: at }
    this.lost.count += runs.length
    this.lost.lastAt = at
  }
}
