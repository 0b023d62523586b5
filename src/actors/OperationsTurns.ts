/**
 * The turn of one operation: begun in the store, run by its kind, its end written down and told. Part of the actor
 * Operations; runs in fibers of its layer.
 *
 * An unwritable store is asked again until it takes what happened, or until the daemon has stopped: then a later one
 * finds the operation as it was written down last.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Executor } from "../services/commands/Executor.ts"
import type { EventLog, RecordOptions } from "../services/events/EventLog.ts"
import type { Processes } from "../services/operations/leftovers/Processes.ts"
import { beginRun, endOf, type LiveOperation, type LiveRun } from "../services/operations/LiveOperation.ts"
import {
  type FinalStatus,
  isFinal,
  type NewOperation,
  type Operation,
  type OperationFailed
} from "../services/operations/Operation.ts"
import type { OperationKind, OperationKinds } from "../services/operations/OperationKinds.ts"
import { OperationOutput, type OutputLimits } from "../services/operations/OperationOutput.ts"
import type { Operations, OperationsUnavailable } from "../services/operations/Operations.ts"
import type { Ending, OperationStore } from "../services/operations/OperationStore.ts"
import type { makeRunner } from "./OperationsRunner.ts"
import { insistently } from "../services/workflow/Journal.ts"

/** Progress is shown from memory; this is how often it is stored. */
const progressEvery = "250 millis"

/** How the runner is come by: its code is loaded with the first operation that runs. */
export type LoadRunner = Effect.Effect<{ readonly makeRunner: typeof makeRunner }>

export interface TurnServices {
  readonly load: LoadRunner
  readonly store: OperationStore["Service"]
  readonly kinds: OperationKinds["Service"]
  readonly executor: Executor["Service"]
  readonly processes: Processes["Service"]
  readonly log: EventLog["Service"]
  readonly lives: Map<string, LiveOperation>
  readonly outputLimits: () => OutputLimits
  readonly stopping: Deferred.Deferred<void>
  /** Completed when the stop has waited long enough. */
  readonly giveUp: Deferred.Deferred<void>
  /** Asks for it, or finds it: children are their parent's, and never too many. */
  readonly submitChild: (asked: NewOperation) => Effect.Effect<Operation, OperationFailed>
  readonly cancel: Operations["Service"]["cancel"]
}

export interface Turns {
  /** From pending to its end; `begun` is given of one that an earlier daemon has begun. */
  readonly take: (live: LiveOperation, begun: Operation | undefined) => Effect.Effect<void>
  readonly cancel: (live: LiveOperation) => Effect.Effect<void>
  /** The store knows that it has ended. */
  readonly ended: (live: LiveOperation, operation: Operation) => Effect.Effect<void>
  /** How many have ended so. */
  readonly endings: () => Readonly<Record<FinalStatus, number>>
}

export const makeTurns = Effect.fnUntraced(function* (
  services: TurnServices
): Effect.fn.Return<Turns, never, Scope.Scope> {
  const { giveUp, kinds, lives, log, outputLimits, stopping, store, submitChild } = services
  // Made now, it is closed after the finalizers that are added later: what runs is told of the stop before it is cut off.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const endings = { completed: 0, failed: 0, cancelled: 0 }
  const isStopping = () => Deferred.isDoneUnsafe(stopping)
  const gaveUp = Effect.andThen(Deferred.await(giveUp), Effect.interrupt)

  /** What nobody can write down any more is not done. */
  const surely = <A>(ask: Effect.Effect<A, OperationsUnavailable>): Effect.Effect<A> =>
    Effect.raceFirst(insistently(ask), gaveUp)

  const runner = yield* Effect.cached(
    Effect.gen(function* () {
      const { makeRunner } = yield* services.load
      return yield* makeRunner({
        ...services,
        stopping: Deferred.await(stopping),
        giveUp: Deferred.await(giveUp),
        isStopping,
        keepOutput: (id, output) => surely(store.keepOutput(id, output)),
        child,
        progress
      })
    }).pipe(Scope.provide(scope))
  )

  /** Shown at once, stored now and then: what is lost with a kill is a moment of it. */
  const progress = Effect.fnUntraced(function* (
    id: string,
    run: LiveRun,
    fraction: number | null,
    text: string | null
  ) {
    run.progress = { fraction, text, at: yield* Clock.currentTimeMillis }
    if (run.storing) return
    run.storing = true
    yield* Effect.forkIn(storeProgress(id, run), scope)
  })

  const storeProgress = Effect.fnUntraced(function* (id: string, run: LiveRun) {
    let stored: LiveRun["progress"]
    while (run.progress !== stored && lives.get(id)?.run === run) {
      stored = run.progress
      if (stored !== undefined) {
        yield* Effect.ignore(store.progress(id, stored.fraction, stored.text, stored.at))
      }
      yield* Effect.sleep(progressEvery)
    }
    run.storing = false
  })

  const cancelChild = ({ id, who }: Operation) =>
    services.cancel(id, who).pipe(
      Effect.catchTag("OperationNotFound", () => Effect.void),
      (ask) => Effect.asVoid(surely(ask))
    )

  const child = Effect.fnUntraced(function* (
    asked: NewOperation,
    keep: boolean,
    cancelWhen: (child: Operation) => Effect.Effect<void>
  ) {
    const made = yield* submitChild(asked)
    const live = lives.get(made.id)
    if (live === undefined) return isFinal(made.status) ? made : ((yield* surely(store.get(made.id))) ?? made)
    const ends = endOf(live)
    const cancels = Effect.andThen(cancelWhen(made), Effect.andThen(cancelChild(made), Effect.never))
    return yield* Effect.onInterrupt(Effect.raceFirst(ends, cancels), () =>
      // Whoever asked for it goes on without it: not at the stop, after which the two meet again.
      keep || isStopping() ? Effect.void : Effect.raceFirst(Effect.andThen(cancelChild(made), ends), gaveUp)
    )
  })

  const ended = Effect.fnUntraced(function* (live: LiveOperation, operation: Operation) {
    if (!lives.delete(live.id)) return
    if (isFinal(operation.status)) endings[operation.status] += 1
    const telling = yield* Effect.forkChild(log.record(...endEvent(operation)), { startImmediately: true })
    if (live.ended !== undefined) Deferred.doneUnsafe(live.ended, Effect.succeed(operation))
    yield* Fiber.join(telling)
  })

  /** Undefined: it was cancelled before its turn. */
  const begin = Effect.fnUntraced(function* (live: LiveOperation) {
    const { id } = live
    const now = yield* Clock.currentTimeMillis
    // In this order, and mostly in one commit.
    const [begun, operation] = yield* Effect.all([surely(store.begin(id, now)), surely(store.get(id))], {
      concurrency: "unbounded"
    })
    if (begun && operation !== null) return operation
    // Who is doubtful had ended already, and that was told.
    if (operation === null || live.doubtful) lives.delete(live.id)
    else yield* ended(live, operation)
    return undefined
  })

  const runOf = (operation: Operation, kind: OperationKind | undefined, run: LiveRun) =>
    kind === undefined
      ? Effect.succeed(failedWith("internal", `nothing here knows how to run operations of kind ${operation.kind}`))
      : Effect.flatMap(runner, ({ run: perform }) => perform(operation, kind, run)).pipe(
          Effect.catchCause((cause) =>
            Cause.hasInterruptsOnly(cause)
              ? Effect.undefined
              : Effect.as(
                  Effect.logError(`operation ${operation.id}`, cause),
                  failedWith("internal", "it failed for a reason that the process log tells")
                )
          )
        )

  const take = Effect.fnUntraced(function* (live: LiveOperation, known: Operation | undefined) {
    const operation = known ?? (yield* begin(live))
    if (operation === undefined) return
    if (operation.cancelRequestedAt !== null) live.unwanted = true
    const earlier = known === undefined ? null : yield* surely(store.output(known.id))
    const run = beginRun(live, new OperationOutput(outputLimits(), earlier), earlier?.bytes ?? 0)
    const ending = yield* runOf(operation, kinds.get(operation.kind), run)
    if (ending === undefined) return
    const now = yield* Clock.currentTimeMillis
    // What it said last is what it had come to: stored with its end, mostly in one commit.
    const { progress: last } = run
    const said = last === undefined ? Effect.void : store.progress(operation.id, last.fraction, last.text, last.at)
    yield* Effect.all([Effect.ignore(said), surely(store.end(operation.id, ending, now))], { concurrency: "unbounded" })
    // As it is kept, with what others have said of it meanwhile.
    const kept = yield* surely(store.get(operation.id))
    yield* ended(live, kept ?? { ...operation, ...ending, endedAt: now, updatedAt: now })
  })

  return {
    take,
    ended,
    endings: () => endings,
    cancel: (live) =>
      Effect.suspend(() => {
        live.unwanted = true
        if (live.run === undefined || !Deferred.doneUnsafe(live.run.cancelled, Effect.void)) return Effect.void
        return Effect.flatMap(runner, ({ cancel }) => cancel(live.id))
      })
  }
})

const endEvent = (operation: Operation): readonly [message: string, options: RecordOptions] => {
  const { cancelRequestedBy, error, id, kind, name, status, who } = operation
  const what = `operation ${id} (${kind} ${name})`
  switch (status) {
    case "failed":
      return [`${what} failed: ${error?.code ?? "internal"}: ${error?.message ?? ""}`, { who, level: "error" }]
    case "cancelled":
      return [`${what} cancelled by ${cancelRequestedBy ?? who}`, { who, level: "warning" }]
    default:
      return [`${what} ${status}`, { who }]
  }
}

const failedWith = (code: string, message: string): Ending => ({
  status: "failed",
  result: null,
  error: { code, message },
  output: null
})
