/**
 * FileWatch: what the actors have in common that own something read from files (the certificate of a listener, the CAs
 * and revocation lists of its clients). Notices replaced files, publishes what they hold once it is good, and keeps what
 * is in force when it is not.
 *
 * It polls, for the files are replaced by renames and by links put elsewhere (Kubernetes, certbot), which inotify on a
 * file does not see. Bounds: one look at each file per `pollEvery`; what is wrong is told once. Files half replaced are
 * waited for; who asks for a reload is told at once, and so is everybody.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { ActorUnavailable } from "../services/ActorUnavailable.ts"
import { EventLog } from "../services/events/EventLog.ts"
import { Disk } from "../services/files/Disk.ts"
import { endlessLimits } from "./kernel/Child.ts"
import * as Mailbox from "./kernel/Mailbox.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

type Outcome = "changed" | "unchanged"

type Message<E> = { readonly _tag: "Look" } | { readonly _tag: "Reload"; readonly reply: Mailbox.Reply<Outcome, E> }

export interface WatchOptions<A, E> {
  /** Of the actor. */
  readonly name: string
  readonly paths: ReadonlyArray<string>
  readonly initial: A
  /** Reads the files; what it returns for unchanged ones is the same as before by `isSame`. */
  readonly load: (before: A) => Effect.Effect<A, E, Disk>
  readonly isSame: (a: A, b: A) => boolean
  /** For the log: what is in force from now on, and how that came. */
  readonly describe: (value: A, how: string) => string
  /** The same of what is wrong: what stays in force, and why. */
  readonly describeFault: (error: E) => string
  /** At the end of each look, unless the files are known to be wrong. It may put in force what it has made by itself. */
  readonly tend: (
    current: A,
    publish: (value: A, how: string) => Effect.Effect<void>
  ) => Effect.Effect<void, never, Disk>
}

export interface FileWatch<A, E> {
  readonly current: () => A
  /** What is in force, then each that replaces it. */
  readonly changes: Stream.Stream<A>
  /** Reads the files at once; what is wrong changes nothing. */
  readonly reload: Effect.Effect<Outcome, E | ActorUnavailable>
  /** What is wrong with the files: has been for a while, or was found by a reload that somebody asked for. */
  readonly degraded: () => string | undefined
}

/** As long as a new file may wait; a call of stat costs microseconds. */
const pollEvery = Duration.seconds(10)

/** Copying a few files takes a tool less; what does not fit together for longer is a mistake. */
const settleNanos = 60n * 1_000_000_000n

/** Looks that wait behind a slow disk are one too many already; so are reloads by more than a few at a time. */
const mailboxCapacity = 16

/** A disk that takes longer to read small files is not going to; 32 MiB of revocations take a second. */
const reloadDeadline = Duration.seconds(10)

interface Problem {
  readonly since: bigint
  readonly message: string
  /** Somebody has asked for a reload, and been told. */
  readonly wasAsked: boolean
  readonly isReported: boolean
}

export const watch = Effect.fnUntraced(function* <A, E extends { readonly message: string }>(
  options: WatchOptions<A, E>
) {
  const { describe, describeFault, initial, isSame, load, name, paths, tend } = options
  const supervisor = yield* Supervisor
  const disk = yield* Disk
  const log = yield* EventLog
  const mailbox = yield* Mailbox.make<Message<E>>({ actor: name, capacity: mailboxCapacity, whenFull: "wait" })
  const published = yield* SubscriptionRef.make(initial)
  const current = () => SubscriptionRef.getUnsafe(published)

  /** What the files were when they were last read and good. */
  let seen: string | undefined
  let problem: Problem | undefined

  const stampOf = (path: string) =>
    Effect.match(disk.stat(path), { onSuccess: (entry) => entry?.stamp ?? "missing", onFailure: (error) => error.code })
  const stamps = Effect.map(Effect.forEach(paths, stampOf), (all) => all.join(" "))

  const publish = Effect.fnUntraced(function* (value: A, how: string) {
    yield* SubscriptionRef.set(published, value)
    const told = describe(value, how)
    yield* Effect.logInfo(told)
    yield* log.record(told)
  })

  const keep = Effect.fnUntraced(function* (error: E, isAsked: boolean) {
    const now = yield* Clock.monotonicTimeNanos
    const since = problem?.since ?? now
    const wasReported = problem?.isReported === true
    const isDue = now - since >= settleNanos
    const message = describeFault(error)
    problem = { since, message, wasAsked: isAsked || problem?.wasAsked === true, isReported: wasReported || isDue }
    if (!isDue || wasReported) return
    yield* Effect.logError(message)
    yield* log.record(message, { level: "error" })
  })

  /** Reads the files, publishes what differs, keeps what is in force when they are wrong. */
  const examine = Effect.fnUntraced(function* (before: string, isAsked: boolean) {
    const loaded = yield* Effect.result(load(current()))
    if (Result.isFailure(loaded)) {
      yield* keep(loaded.failure, isAsked)
      return yield* Effect.fail(loaded.failure)
    }
    seen = before
    problem = undefined
    if (isSame(loaded.success, current())) return "unchanged" as const
    yield* publish(loaded.success, "replaced")
    return "changed" as const
  })

  const look = Effect.gen(function* () {
    const now = yield* stamps
    if (now !== seen || problem !== undefined) yield* Effect.ignore(examine(now, false))
    if (problem === undefined) yield* tend(current(), publish)
  })

  const handle = (message: Message<E>) =>
    message._tag === "Look"
      ? look
      : Effect.flatMap(Effect.exit(Effect.flatMap(stamps, (now) => examine(now, true))), (exit) =>
          Deferred.done(message.reply, exit)
        )

  const run = Effect.scoped(
    Effect.gen(function* () {
      const tick = Effect.ignore(mailbox.tell({ _tag: "Look" }))
      yield* Effect.forkScoped(Effect.repeat(tick, Schedule.spaced(pollEvery)))
      while (true) yield* handle(yield* mailbox.take)
    })
  ).pipe(Effect.provideService(Disk, disk))

  // The files may be wrong for months while what is in force still serves.
  yield* supervisor.start({ name, run, restart: "permanent", limits: endlessLimits, mailbox })

  const watched: FileWatch<A, E> = {
    current,
    changes: SubscriptionRef.changes(published),
    reload: Effect.mapError(
      mailbox.ask<Outcome, E>((reply) => ({ _tag: "Reload", reply }), reloadDeadline),
      (error) => (isUnavailable(error) ? new ActorUnavailable({ actor: error.actor, reason: error.message }) : error)
    ),
    degraded: () => (problem !== undefined && (problem.wasAsked || problem.isReported) ? problem.message : undefined)
  }
  return watched
})

type Unavailable = Mailbox.ActorRestarted | Mailbox.MailboxFull | Mailbox.AskTimedOut

const isUnavailable = <E>(error: E | Unavailable): error is Unavailable =>
  error instanceof Mailbox.ActorRestarted ||
  error instanceof Mailbox.MailboxFull ||
  error instanceof Mailbox.AskTimedOut
