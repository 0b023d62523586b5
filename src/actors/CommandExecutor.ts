/**
 * The actor that starts every process of the daemon. It owns one lane per name (who runs, who waits) and the fibers that
 * attend the commands; what a command does from its start to the end of its group is in Attendant.ts.
 *
 * Lanes and fibers belong to the layer and not to the actor's fiber, so a restart of the actor loses neither: it begins
 * by bringing every lane in order. A request it held when it failed is answered with `ExecutorUnavailable`.
 *
 * A request may ask to be told when its turn has come, ahead of the start, and when it was started, and say when it is to
 * end early; what is to end before its start is never started.
 *
 * Bounds: per name `concurrency` running and `queueLength` waiting, else `ActionBusy`, but for who is counted elsewhere
 * (`unbounded`); `lingeringMax` groups that live on after their answer; a lane is forgotten when it is empty. On `stop`,
 * or when the layer closes, every group gets TERM, then KILL, and whoever waits an answer.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { attend, reapWait, stopGrace } from "../services/commands/Attendant.ts"
import {
  type ActionBusy,
  Executor,
  type ExecutorTotals,
  ExecutorUnavailable,
  RunCancelled,
  type RunError,
  type RunRequest,
  type RunResult
} from "../services/commands/Executor.ts"
import {
  busy,
  isEmpty,
  isFull,
  type Job,
  type Lane,
  makeLane,
  reportJob,
  reportLane,
  takeTurns
} from "../services/commands/Lane.ts"
import { type CommandLost, type RunningCommand, Spawner } from "../services/commands/Spawner.ts"
import * as Mailbox from "./kernel/Mailbox.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

const actor = "CommandExecutor"
const whyStopped = "the daemon is stopping"

/** Messages are handled in microseconds; a mailbox this full means a thousand callers in one turn, who then wait. */
const mailboxCapacity = 1024

/** Commands that leave processes behind are few; beyond this the group that has lingered longest is ended early. */
export const lingeringMax = 64

/** How long the stop waits for commands that have had KILL and for their answers; then their fibers are interrupted. */
const stopWait = Duration.sum(Duration.sum(stopGrace, reapWait), Duration.seconds(1))

type Message =
  | { readonly _tag: "Run"; readonly job: Job; readonly reply: Mailbox.Reply<void, ActionBusy> }
  /** A command of this name has ended: its place is free. */
  | { readonly _tag: "Freed"; readonly name: string }

export const layer: Layer.Layer<Executor, never, Supervisor | Spawner> = Layer.effect(
  Executor,
  Effect.gen(function* () {
    const supervisor = yield* Supervisor
    const spawner = yield* Spawner
    const mailbox = yield* Mailbox.make<Message>({ actor, capacity: mailboxCapacity, whenFull: "wait" })
    const fibers = yield* FiberSet.make<void, never>()
    const stopping = yield* Deferred.make<void>()
    const lanes = new Map<string, Lane>()
    const lingering = new Set<Job>()
    const totals: { -readonly [K in keyof ExecutorTotals]: number } = {
      started: 0,
      finished: 0,
      timedOut: 0,
      failed: 0,
      refused: 0,
      abandoned: 0,
      evicted: 0
    }
    let lastId = 0

    const stopped = (name: string) => new ExecutorUnavailable({ name, why: whyStopped })

    /** It had its turn and was told to end before it was started. */
    const notStarted = Effect.fnUntraced(function* ({ ending, request: { name } }: Job) {
      return yield* (yield* Deferred.await(ending)) === "stopping" ? stopped(name) : new RunCancelled({ name })
    })

    /** Says that a place is free. Who held it is `done` already, so a lost message delays only who waits. */
    const freed = (job: Job) =>
      Effect.raceFirst(Effect.orDie(mailbox.tell({ _tag: "Freed", name: job.request.name })), Deferred.await(stopping))

    /** Gives the place back before the answer, so that a caller who asks again at once finds it free. */
    const settleResult = (job: Job, result: Effect.Effect<RunResult, RunError>) => {
      job.phase = "done"
      return Deferred.doneUnsafe(job.result, result)
    }

    const linger = (job: Job) =>
      Effect.suspend(() => {
        lingering.add(job)
        const [oldest] = lingering
        if (lingering.size <= lingeringMax || oldest === undefined) return Effect.void
        lingering.delete(oldest)
        totals.evicted += 1
        const what = `${lingeringMax} commands have left processes behind; ending those of ${oldest.request.name}`
        return Effect.andThen(Effect.logWarning(what), Deferred.succeed(oldest.ending, "told"))
      })

    const answer = Effect.fnUntraced(function* (job: Job, result: RunResult, lingers: boolean) {
      const lane = lanes.get(job.request.name)
      if (lane !== undefined) lane.lastDurationMs = result.durationMs
      totals.finished += 1
      if (result.timedOut) totals.timedOut += 1
      if (lingers) yield* linger(job)
      settleResult(job, Effect.succeed(result))
      yield* freed(job)
    })

    /** What `onStarted` does is done before the answer; it holds up neither the command nor the end of its group. */
    const begun = ({ request }: Job, { live, pid, startedAt }: RunningCommand) => {
      const { name, onStarted = () => Effect.void } = request
      return onStarted({ pid, startedAt, live }).pipe(
        Effect.catchCause((cause) => Effect.logWarning(`after ${name} was started`, cause)),
        Effect.forkChild({ startImmediately: true })
      )
    }

    /** Its caller is answered, and its place is taken until its process has ended. */
    const keepPlace = (job: Job, command: RunningCommand, lost: CommandLost) =>
      Effect.gen(function* () {
        if (Deferred.doneUnsafe(job.result, Effect.fail(lost))) totals.failed += 1
        yield* Effect.logWarning(`${lost.message}; no other is started beside it`)
        yield* command.exit
        job.phase = "done"
        yield* Effect.logInfo(`process ${lost.pid} has ended at last`)
        yield* freed(job)
      })

    const runJob = (job: Job) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { ending, request } = job
          const { endWhen, onTurn } = request
          if (endWhen !== undefined) {
            yield* Effect.forkChild(Effect.andThen(endWhen, Deferred.succeed(ending, "early")), {
              startImmediately: true
            })
          }
          if (onTurn !== undefined) yield* onTurn
          if (yield* Deferred.isDone(ending)) return yield* notStarted(job)
          const command = yield* spawner.spawn(request)
          job.pid = command.pid
          totals.started += 1
          // A stop ends what it finds running; this one may have had its turn just then.
          if (yield* Deferred.isDone(stopping)) yield* Deferred.succeed(ending, "stopping")
          const marking = yield* begun(job, command)
          const answerWith = (result: RunResult, lingers: boolean) =>
            Effect.andThen(Fiber.await(marking), answer(job, result, lingers))
          const attended = attend(command, request, { ending, stopping, answer: answerWith })
          yield* request.keepsPlace === true
            ? Effect.catch(attended, (lost) => keepPlace(job, command, lost))
            : attended
        })
      ).pipe(
        Effect.onExit((exit) => {
          lingering.delete(job)
          if (Exit.isSuccess(exit)) return Effect.void
          const { name } = job.request
          const failure = Cause.hasInterruptsOnly(exit.cause)
            ? Effect.fail(stopped(name))
            : Effect.failCause(exit.cause)
          if (!settleResult(job, failure)) return Effect.logWarning(`after ${name} had answered`, exit.cause)
          totals[isCancelled(exit.cause) ? "abandoned" : "failed"] += 1
          return freed(job)
        }),
        Effect.exit,
        Effect.asVoid
      )

    /** Starts whoever's turn it is, and forgets the lane itself when nobody is in it. */
    const settle = Effect.fnUntraced(function* (lane: Lane) {
      for (const job of takeTurns(lane)) yield* FiberSet.run(fibers, runJob(job))
      if (isEmpty(lane)) lanes.delete(lane.name)
    })

    const admit = Effect.fnUntraced(function* (job: Job): Effect.fn.Return<void, ActionBusy> {
      if (job.phase !== "waiting") return
      const { name, concurrency, queueLength } = job.request
      const lane = lanes.get(name) ?? makeLane(name)
      // The newest request knows the configuration in force.
      lane.concurrency = Math.max(1, concurrency)
      if (job.request.unbounded !== true) lane.queueLength = queueLength
      yield* settle(lane)
      if (job.request.unbounded !== true && isFull(lane)) {
        totals.refused += 1
        return yield* busy(lane)
      }
      lane.waiting.push(job)
      lanes.set(name, lane)
      yield* settle(lane)
    })

    const handle = (message: Message): Effect.Effect<void> => {
      switch (message._tag) {
        case "Run":
          return Effect.matchEffect(admit(message.job), {
            onFailure: (error) => Effect.asVoid(Deferred.fail(message.reply, error)),
            onSuccess: () => Effect.asVoid(Deferred.succeed(message.reply, undefined))
          })
        case "Freed": {
          const lane = lanes.get(message.name)
          return lane === undefined ? Effect.void : settle(lane)
        }
      }
    }

    const loop = Effect.gen(function* () {
      for (const lane of lanes.values()) yield* settle(lane)
      while (true) yield* handle(yield* mailbox.take)
    })

    /** The caller is gone: a command that waits is dropped, one that runs goes on or ends, as its request says. */
    const abandon = (job: Job) =>
      Effect.suspend(() => {
        if (job.phase === "done") return Effect.void
        totals.abandoned += 1
        if (job.phase === "waiting") {
          job.phase = "done"
          return Effect.void
        }
        return job.request.onAbandon === "terminate" ? Deferred.succeed(job.ending, "told") : Effect.void
      })

    /** Takes a request back that nobody will start; one that was started has its answer coming. */
    const giveUp = (job: Job, why: string) =>
      Effect.suspend(() => {
        if (job.phase !== "waiting") return Effect.void
        job.phase = "done"
        return Effect.fail(new ExecutorUnavailable({ name: job.request.name, why }))
      })

    /** As long as it waits; one whose turn has come sees to that itself (`runJob`). */
    const dropWhen = (job: Job, end: Effect.Effect<void>) =>
      Effect.andThen(
        end,
        Effect.suspend(() => {
          if (job.phase !== "waiting") return Effect.never
          job.phase = "done"
          totals.abandoned += 1
          return Effect.fail(new RunCancelled({ name: job.request.name }))
        })
      )

    const run = Effect.fnUntraced(function* (request: RunRequest): Effect.fn.Return<RunResult, RunError> {
      const job: Job = {
        id: (lastId += 1),
        request,
        askedAt: yield* Clock.currentTimeMillis,
        result: Deferred.makeUnsafe(),
        ending: Deferred.makeUnsafe(),
        phase: "waiting",
        pid: undefined
      }
      const admitted = mailbox
        .ask<void, ActionBusy>((reply) => ({ _tag: "Run", job, reply }))
        .pipe(
          Effect.catchTag("ActorRestarted", (error) => giveUp(job, error.message)),
          // Not with this mailbox, which lets senders wait, and this ask, which has no deadline.
          Effect.catchTag(["MailboxFull", "AskTimedOut"], Effect.die)
        )
      const refused = Effect.andThen(Deferred.await(stopping), giveUp(job, whyStopped))
      const answered = Effect.raceFirst(refused, admitted).pipe(
        Effect.andThen(request.onAdmitted ?? Effect.void),
        Effect.andThen(Deferred.await(job.result))
      )
      return yield* (
        request.endWhen === undefined ? answered : Effect.raceFirst(answered, dropWhen(job, request.endWhen))
      ).pipe(Effect.onInterrupt(() => abandon(job)))
    })

    const report = Effect.sync(() => ({
      lanes: [...lanes.values()].map(reportLane).filter(({ running, waiting }) => running.length + waiting.length > 0),
      lingering: [...lingering].map((job) => ({ name: job.request.name, ...reportJob(job) })),
      totals: { ...totals }
    }))

    yield* supervisor.start({ name: actor, run: loop, restart: "permanent", mailbox })

    const stop = Effect.gen(function* () {
      yield* Deferred.succeed(stopping, undefined)
      for (const lane of lanes.values()) {
        for (const job of lane.waiting) settleResult(job, Effect.fail(stopped(lane.name)))
        for (const job of lane.running) yield* Deferred.succeed(job.ending, "stopping")
      }
      for (const job of lingering) yield* Deferred.succeed(job.ending, "stopping")
    })

    yield* Effect.addFinalizer(() =>
      Effect.andThen(stop, Effect.interruptible(Effect.timeoutOption(FiberSet.awaitEmpty(fibers), stopWait)))
    )

    return Executor.of({ run, report, stop, stopping: Deferred.await(stopping) })
  })
)

const isCancelled = (cause: Cause.Cause<RunError>): boolean => Cause.squash(cause) instanceof RunCancelled
