/**
 * The actor that starts every process of the daemon. It owns one lane per name (who runs, who waits) and the fibers that
 * attend the commands; what a command does from its start to the end of its group is in Attendant.ts.
 *
 * Lanes and fibers belong to the layer and not to the actor's fiber, so a restart of the actor loses neither: it begins
 * by bringing every lane in order. A request it held when it failed is answered with `ExecutorUnavailable`.
 *
 * Bounds: per name `concurrency` running and `queueLength` waiting, else `ActionBusy`; `lingeringMax` groups that live on
 * after their answer; a lane is forgotten when it is empty. On stop every group gets TERM, then KILL, and whoever waits an
 * answer.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { attend, reapWait, stopGrace } from "../services/commands/Attendant.ts"
import {
  ActionBusy,
  type ActiveCommand,
  Executor,
  type ExecutorTotals,
  ExecutorUnavailable,
  type RunError,
  type RunRequest,
  type RunResult
} from "../services/commands/Executor.ts"
import { Spawner } from "../services/commands/Spawner.ts"
import * as Mailbox from "./kernel/Mailbox.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

const actor = "CommandExecutor"

/** Messages are handled in microseconds; a mailbox this full means a thousand callers in one turn, who then wait. */
const mailboxCapacity = 1024

/** Commands that leave processes behind are few; beyond this the group that has lingered longest is ended early. */
export const lingeringMax = 64

/** Retry-After is a guess: at least a second, and not so long that a freed queue stays empty. */
const retryAfterMax = 60

/** How long the stop waits for commands that have had KILL and for their answers; then their fibers are interrupted. */
const stopWait = Duration.sum(Duration.sum(stopGrace, reapWait), Duration.seconds(1))

interface Job {
  readonly id: number
  readonly request: RunRequest
  readonly askedAt: number
  readonly result: Deferred.Deferred<RunResult, RunError>
  /** Completed to end the command's group before its timeout. */
  readonly endNow: Deferred.Deferred<void>
  phase: "waiting" | "running" | "done"
  pid: number | undefined
}

interface Lane {
  readonly name: string
  concurrency: number
  queueLength: number
  running: Array<Job>
  waiting: Array<Job>
  /** Of the last command that ended; what Retry-After is guessed from. */
  lastDurationMs: number
}

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

    const stopped = (name: string) => new ExecutorUnavailable({ name, why: "the daemon is stopping" })

    /** From here on the job holds no place in its lane, even if the message that says so were lost. */
    const leave = (job: Job) =>
      Effect.suspend(() => {
        if (job.phase === "done") return Effect.void
        job.phase = "done"
        const tell = Effect.orDie(mailbox.tell({ _tag: "Freed", name: job.request.name }))
        return Effect.raceFirst(tell, Deferred.await(stopping))
      })

    const linger = (job: Job) =>
      Effect.suspend(() => {
        lingering.add(job)
        const [oldest] = lingering
        if (lingering.size <= lingeringMax || oldest === undefined) return Effect.void
        lingering.delete(oldest)
        totals.evicted += 1
        const what = `${lingeringMax} commands have left processes behind; ending those of ${oldest.request.name}`
        return Effect.andThen(Effect.logWarning(what), Deferred.succeed(oldest.endNow, undefined))
      })

    const answer = (job: Job, result: RunResult) =>
      Effect.suspend(() => {
        const lane = lanes.get(job.request.name)
        if (lane !== undefined) lane.lastDurationMs = result.durationMs
        totals.finished += 1
        if (result.timedOut) totals.timedOut += 1
        Deferred.doneUnsafe(job.result, Effect.succeed(result))
        return Effect.andThen(linger(job), leave(job))
      })

    const runJob = (job: Job) =>
      Effect.scoped(
        Effect.gen(function* () {
          const command = yield* spawner.spawn(job.request)
          job.pid = command.pid
          totals.started += 1
          const { endNow } = job
          yield* attend(command, job.request, { endNow, stopping, answer: (result) => answer(job, result) })
        })
      ).pipe(
        Effect.exit,
        Effect.flatMap((exit) => {
          lingering.delete(job)
          if (Exit.isFailure(exit)) {
            const unanswered = Deferred.doneUnsafe(job.result, Effect.failCause(exit.cause))
            if (unanswered) totals.failed += 1
            else
              return Effect.andThen(Effect.logWarning(`after ${job.request.name} had answered`, exit.cause), leave(job))
          }
          return leave(job)
        })
      )

    /** Forgets who has left, starts whoever's turn it is, and the lane itself when nobody is in it. */
    const settle = Effect.fnUntraced(function* (lane: Lane) {
      lane.running = lane.running.filter((job) => job.phase === "running")
      lane.waiting = lane.waiting.filter((job) => job.phase === "waiting")
      while (lane.running.length < lane.concurrency) {
        const job = lane.waiting.shift()
        if (job === undefined) break
        job.phase = "running"
        lane.running.push(job)
        yield* FiberSet.run(fibers, runJob(job))
      }
      if (lane.running.length === 0 && lane.waiting.length === 0) lanes.delete(lane.name)
    })

    const busy = (lane: Lane) => {
      totals.refused += 1
      const turns = (lane.waiting.length + 1) / lane.concurrency
      const seconds = Math.ceil((turns * lane.lastDurationMs) / 1000)
      return new ActionBusy({
        name: lane.name,
        running: lane.running.length,
        queued: lane.waiting.length,
        retry_after_seconds: Math.min(Math.max(seconds, 1), retryAfterMax)
      })
    }

    const admit = Effect.fnUntraced(function* (job: Job): Effect.fn.Return<void, ActionBusy> {
      if (job.phase !== "waiting") return
      const { name, concurrency, queueLength } = job.request
      const lane = lanes.get(name) ?? { name, concurrency, queueLength, running: [], waiting: [], lastDurationMs: 0 }
      lanes.set(name, lane)
      // The newest request knows the configuration in force.
      lane.concurrency = Math.max(1, concurrency)
      lane.queueLength = queueLength
      yield* settle(lane)
      if (lane.running.length >= lane.concurrency && lane.waiting.length >= lane.queueLength) return yield* busy(lane)
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
        if (job.phase === "waiting") return leave(job)
        return job.request.onAbandon === "terminate" ? Deferred.succeed(job.endNow, undefined) : Effect.void
      })

    const run = Effect.fnUntraced(function* (request: RunRequest): Effect.fn.Return<RunResult, RunError> {
      const { name } = request
      const job: Job = {
        id: (lastId += 1),
        request,
        askedAt: yield* Clock.currentTimeMillis,
        result: Deferred.makeUnsafe(),
        endNow: Deferred.makeUnsafe(),
        phase: "waiting",
        pid: undefined
      }
      const admitted = mailbox
        .ask<void, ActionBusy>((reply) => ({ _tag: "Run", job, reply }))
        .pipe(
          Effect.catchTag("ActorRestarted", (error) =>
            Effect.andThen(abandon(job), Effect.fail(new ExecutorUnavailable({ name, why: error.message })))
          ),
          // Not with this mailbox, which lets senders wait, and this ask, which has no deadline.
          Effect.catchTag(["MailboxFull", "AskTimedOut"], Effect.die)
        )
      const refuseWhenStopping = Effect.andThen(Deferred.await(stopping), Effect.fail(stopped(name)))
      return yield* Effect.raceFirst(refuseWhenStopping, admitted).pipe(
        Effect.andThen(Deferred.await(job.result)),
        Effect.onInterrupt(() => abandon(job))
      )
    })

    const active = (job: Job): ActiveCommand => {
      const { id, askedAt, pid } = job
      return { id, askedAt, pid, who: job.request.who, why: job.request.why }
    }

    const report = Effect.sync(() => ({
      lanes: [...lanes.values()].map(({ name, concurrency, queueLength, running, waiting }) => ({
        name,
        concurrency,
        queueLength,
        running: running.filter((job) => job.phase === "running").map(active),
        waiting: waiting
          .filter((job) => job.phase === "waiting")
          .map(({ id, askedAt, request: { who, why } }, n) => ({ id, askedAt, who, why, position: n + 1 }))
      })),
      lingering: [...lingering].map((job) => ({ name: job.request.name, ...active(job) })),
      totals: { ...totals }
    }))

    yield* supervisor.start({ name: actor, run: loop, restart: "permanent", mailbox })

    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        yield* Deferred.succeed(stopping, undefined)
        for (const lane of lanes.values()) {
          for (const job of lane.waiting) Deferred.doneUnsafe(job.result, Effect.fail(stopped(lane.name)))
          lane.waiting = []
        }
        yield* Effect.interruptible(Effect.timeoutOption(FiberSet.awaitEmpty(fibers), stopWait))
      })
    )

    return Executor.of({ run, report })
  })
)
