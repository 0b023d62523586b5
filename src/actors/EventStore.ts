/**
 * EventStore: the one writer of the event log. Owns the order of events, the newest ones in memory and the head that
 * readers wait for; storage itself is a capability (EventStorage).
 *
 * Whatever waits in the mailbox becomes one transaction and is acknowledged together after its fsync, so the price of a
 * commit is shared by all who wait. Bounds: the mailbox, the weight of the events in it, the size of one transaction, the
 * memory window. A full disk refuses writes and heals by itself; a lost connection crashes the actor, whose restart reads
 * back from storage what was stored after all: events, and the marks that are moved with them (Mark.ts).
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { ActorUnavailable } from "../services/ActorUnavailable.ts"
import { daemonSource, type EventRun, runWeight, type SeqRange } from "../services/events/Event.ts"
import { type AppendError, EventLog, type LogBounds, StoreFailed, StoreFull } from "../services/events/EventLog.ts"
import { isHidden, noFilters } from "../services/events/EventQuery.ts"
import type { MarkMove, MarkMoved } from "../services/events/Mark.ts"
import { RecentEvents, type RecentLimits } from "../services/events/RecentEvents.ts"
import { RunJoiner } from "../services/events/RunJoiner.ts"
import { EventStorage, type StorageLost } from "../services/storage/EventStorage.ts"
import { endlessLimits } from "./kernel/Child.ts"
import * as Mailbox from "./kernel/Mailbox.ts"
import { Supervisor } from "./kernel/Supervisor.ts"
import { checkMark, type Marked, StoreMarks } from "./StoreMarks.ts"
import { beforeNewest, fromMemory, fromSeqs, fromStorage, seekInStorage, upTo } from "./storeReads.ts"
import { countOf, transactionAppendsMax, transactionsOf } from "./transactions.ts"

interface Append {
  readonly runs: ReadonlyArray<EventRun>
  readonly weight: number
  readonly marked: Marked | undefined
  readonly answer: (outcome: Effect.Effect<SeqRange, StoreFull | StoreFailed>) => void
}

/** More appends than connections that can wait for one: beyond it senders wait, which is the back-pressure. */
const mailboxCapacity = 8192

/** Text that may wait for the store at once, two transactions; the FIFOs and large HTTP events share it. */
const waitingWeightMax = 8 * 1024 * 1024

/** Below this an append is not counted: the mailbox's capacity already bounds what small ones weigh together. */
const lightWeight = 4096

/** One page of the catch-up. */
const catchUpEvents = 1000

/** How often a store that refuses writes is asked whether it takes them again. */
const probeEvery = Duration.seconds(5)

/**
 * A commit that takes longer hangs in the disk: who asks from then on is refused at once, so that a disk that answers
 * nothing does not collect every connection. What waits already goes on waiting: it may still be stored.
 */
const commitPatienceNanos = 10_000_000_000n

/** A reader waits for the commit of what the daemon has just done, and not for a disk that does not finish one. */
const recordedPatience = Duration.seconds(1)

/** The last commit may wait for a slow disk, not for a dead one. */
const flushDeadline = Duration.seconds(5)

export interface EventStoreOptions {
  readonly recent: RecentLimits
}

const make = Effect.fnUntraced(function* (options: EventStoreOptions) {
  const storage = yield* EventStorage
  const supervisor = yield* Supervisor
  const mailbox = yield* Mailbox.make<Append>({ actor: "EventStore", capacity: mailboxCapacity, whenFull: "wait" })
  const weight = yield* Semaphore.make(waitingWeightMax)
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock

  const opened = yield* storage.state
  let bounds: LogBounds = opened
  const recent = new RecentEvents(options.recent, yield* beforeNewest(storage, opened, options.recent.events))
  /** Who waits for the head, and the seq it has to pass. */
  const waiting = new Map<() => void, number>()
  /** What `record` was given and is not done with; as many as the daemon does things at once. */
  const recording = new Set<Deferred.Deferred<void>>()
  /** Audit entries that were appended since the start. */
  let appendedHidden = 0
  const marks = new StoreMarks(yield* storage.marks)
  let degraded: string | undefined
  let committingSince: bigint | undefined

  const advance = () => {
    bounds = { ...bounds, last: recent.last }
    for (const [wake, seq] of waiting) {
      if (seq >= recent.lastShown) continue
      waiting.delete(wake)
      wake()
    }
  }

  const push = (runs: ReadonlyArray<EventRun>, range: SeqRange) => {
    let firstSeq = range.first
    let hidden = 0
    for (const { fields, level, messages, offsets, receivedAt, source, who } of runs) {
      recent.push({ firstSeq, receivedAt, offsets, source, who, level, fields, messages })
      firstSeq += messages.length
      if (isHidden(level)) hidden += messages.length
    }
    appendedHidden += hidden
    if (hidden > 0) bounds = { ...bounds, hidden: bounds.hidden + hidden }
  }

  /** Brings the memory window up to what storage holds: at the start, and after an append whose outcome was lost. */
  const catchUp = Effect.gen(function* () {
    let state = yield* storage.state
    while (recent.last < state.last) {
      // Retention goes on meanwhile: what it has removed by now cannot be read any more.
      recent.skipTo(state.removedThrough)
      const from = recent.last
      const page = yield* storage.scan({
        after: from,
        before: state.last + 1,
        order: "oldest-first",
        limit: catchUpEvents,
        filters: noFilters
      })
      for (const event of page.events) {
        recent.passTo(event.seq - 1)
        recent.push({ ...event, firstSeq: event.seq, messages: [event.message] })
      }
      recent.passTo(page.through)
      // Page by page: the head that readers are told of is the one that memory has.
      advance()
      state = yield* storage.state
      if (recent.last === from && from < state.last && from >= state.removedThrough)
        return yield* Effect.die(new Error(`the store does not tell what comes after event ${from}`))
    }
    bounds = state
    advance()
  })

  // Nobody reads before what an earlier run acknowledged can be seen.
  yield* catchUp

  const commit = Effect.fnUntraced(function* (appends: ReadonlyArray<Append>) {
    const { going, moved, refuse } = marks.admit(appends)
    const joiner = new RunJoiner()
    for (const append of going) joiner.addAll(append.runs)
    const { runs } = joiner
    committingSince = clock.monotonicTimeNanosUnsafe()
    const range = yield* Effect.ensuring(storage.append(runs, moved), committed)
    degraded = undefined
    marks.moved(moved)
    refuse()
    push(runs, range)
    advance()
    let first = range.first
    for (const append of going) {
      const last = first + countOf(append.runs) - 1
      append.answer(Effect.succeed({ first, last }))
      first = last + 1
    }
  })

  const hangs = () =>
    committingSince !== undefined && clock.monotonicTimeNanosUnsafe() - committingSince > commitPatienceNanos
  const committed = Effect.sync(() => {
    committingSince = undefined
  })

  const refuse = (appends: ReadonlyArray<Append>, error: StoreFull | StoreFailed) =>
    Effect.sync(() => {
      degraded = error.message
      for (const append of appends) append.answer(Effect.fail(error))
    })

  const handle = (appends: ReadonlyArray<Append>): Effect.Effect<void, StorageLost> =>
    Effect.catchTags(commit(appends), {
      StorageFull: ({ reason }) => refuse(appends, new StoreFull({ reason })),
      StorageFailed: ({ reason }) => refuse(appends, new StoreFailed({ reason, stored: "no" })),
      StorageLost: (lost) =>
        Effect.andThen(refuse(appends, new StoreFailed({ reason: lost.reason, stored: "unknown" })), Effect.fail(lost))
    })

  const send = (runs: ReadonlyArray<EventRun>, weight: number, deadline?: Duration.Duration) =>
    mailbox.ask<SeqRange, StoreFull | StoreFailed>(
      (reply) => ({ runs, weight, marked: undefined, answer: (outcome) => Deferred.doneUnsafe(reply, outcome) }),
      deadline
    )

  const sendMarked = (runs: ReadonlyArray<EventRun>, weight: number, move: MarkMove) =>
    mailbox.ask<SeqRange, StoreFull | StoreFailed | MarkMoved>((reply) => ({
      runs,
      weight,
      marked: { move, refuse: (error) => Deferred.doneUnsafe(reply, Effect.fail(error)) },
      answer: (outcome) => Deferred.doneUnsafe(reply, outcome)
    }))

  /** Where nobody writes, nobody would notice that the store takes events again. One probe waits at a time. */
  let probing = false
  const probe = Effect.gen(function* () {
    yield* Effect.sleep(probeEvery)
    if (degraded === undefined || probing) return
    probing = true
    const receivedAt = yield* Clock.currentTimeNanos
    const shared = { receivedAt, source: daemonSource, who: undefined, level: "info", fields: undefined } as const
    const run = { ...shared, messages: ["[system-api] the event store takes events again"] }
    yield* Effect.ignore(send([run], 0)).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          probing = false
        })
      )
    )
  })

  const run = Effect.gen(function* () {
    yield* catchUp
    marks.reset(yield* storage.marks)
    yield* Effect.forkChild(Effect.forever(probe))
    while (true) {
      for (const transaction of transactionsOf(yield* mailbox.takeUpTo(transactionAppendsMax)))
        yield* handle(transaction)
    }
  })

  // The store is the heart of the daemon and its disk may be gone for long: it never gives up, and says it is degraded.
  yield* supervisor.start({ name: "EventStore", run, restart: "permanent", limits: endlessLimits, mailbox })

  // Whoever appends is gone by now; what they left in the mailbox is stored before storage closes.
  yield* Effect.addFinalizer(() => Effect.ignore(send([], 0, flushDeadline)))

  /** Its weight counts until it is answered: an asker that leaves does not take its message out of the mailbox. */
  const sendHeavy = <E>(sent: Effect.Effect<SeqRange, E>, permits: number) =>
    Effect.uninterruptibleMask((restore) =>
      restore(weight.take(permits)).pipe(
        Effect.andThen(Effect.forkIn(Effect.ensuring(sent, weight.release(permits)), scope)),
        Effect.flatMap((fiber) => restore(Fiber.join(fiber)))
      )
    )

  const weighed = <E>(runs: ReadonlyArray<EventRun>, send: (weight: number) => Effect.Effect<SeqRange, E>) =>
    Effect.suspend((): Effect.Effect<SeqRange, E | StoreFailed> => {
      if (hangs()) return Effect.fail(new StoreFailed({ reason: hanging, stored: "no" }))
      let weight = 0
      for (const run of runs) weight += runWeight(run)
      const sent = send(weight)
      return weight <= lightWeight ? sent : sendHeavy(sent, Math.min(weight, waitingWeightMax))
    })

  const append = (runs: ReadonlyArray<EventRun>) =>
    weighed(runs, (weight) => Effect.mapError(send(runs, weight), toAppendError))

  return EventLog.of({
    append,
    appendMarked: (runs, mark) =>
      Effect.andThen(
        checkMark(mark),
        weighed(runs, (weight) =>
          Effect.mapError(sendMarked(runs, weight, mark), (error) =>
            error._tag === "MarkMoved" ? error : toAppendError(error)
          )
        )
      ),
    mark: (name) => Effect.sync(() => marks.get(name)),
    record: Effect.fnUntraced(function* (message, { fields, level = "info", who } = {}) {
      const receivedAt = yield* Clock.currentTimeNanos
      const run = {
        receivedAt,
        source: daemonSource,
        who,
        level,
        fields,
        messages: [`[system-api] ${message.toWellFormed()}`]
      }
      const done = Deferred.makeUnsafe<void>()
      recording.add(done)
      yield* Effect.catch(append([run]), (error) =>
        Effect.logError(`event not recorded: ${error.message}`, message)
      ).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            recording.delete(done)
            Deferred.doneUnsafe(done, Effect.void)
          })
        )
      )
    }),
    recorded: Effect.suspend(() =>
      recording.size === 0
        ? Effect.void
        : Effect.asVoid(
            Effect.timeoutOption(
              Effect.forEach([...recording], (done) => Deferred.await(done), { discard: true }),
              recordedPatience
            )
          )
    ),
    query: (query) => Effect.suspend(() => fromMemory(recent, query) ?? fromStorage(storage, upTo(recent.last, query))),
    seek: (query) =>
      Effect.suspend(() => {
        const bounded = upTo(recent.last, query)
        return fromSeqs(bounds, recent, bounded) ?? seekInStorage(storage, bounded)
      }),
    retain: (limits) =>
      Effect.suspend(() => {
        const before = appendedHidden
        return Effect.tap(storage.retain(limits), ({ bytes, first, hidden, removedThrough }) =>
          Effect.sync(() => {
            // What was appended meanwhile may be counted twice, until the next time: never less than there is.
            const most = hidden + appendedHidden - before
            bounds = { bytes, first, hidden: most, removedThrough, last: recent.last }
            recent.forget(removedThrough)
          })
        )
      }).pipe(
        Effect.mapError(({ _tag, reason }) =>
          _tag === "StorageFull" ? new StoreFull({ reason }) : new StoreFailed({ reason, stored: "unknown" })
        )
      ),
    bounds: () => bounds,
    awaitAfter: (seq) =>
      Effect.callback((resume) => {
        if (recent.lastShown > seq) return resume(Effect.void)
        const wake = () => resume(Effect.void)
        waiting.set(wake, seq)
        return Effect.sync(() => waiting.delete(wake))
      }),
    recent,
    degraded: () => (hangs() ? hanging : degraded)
  })
})

const hanging = "the disk does not finish a commit"

type SendError = StoreFull | StoreFailed | Mailbox.ActorRestarted | Mailbox.MailboxFull | Mailbox.AskTimedOut

const toAppendError = (error: SendError): AppendError =>
  error._tag === "StoreFull" || error._tag === "StoreFailed"
    ? error
    : new ActorUnavailable({ actor: error.actor, reason: error.message })

/** The EventLog capability, served by this actor. Fails to build when the store cannot be read. */
export const layer = (options: EventStoreOptions) => Layer.effect(EventLog, make(options))
