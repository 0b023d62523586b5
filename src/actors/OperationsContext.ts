/**
 * What a kind may do while it runs one of its operations (OperationKinds.ts), as activities of the engine: done once, and
 * answered from the journal ever after.
 *
 * Each begins only where the operation goes on: not when it is cancelled, unless it undoes what was done; not when the
 * daemon stops. A command or `once` that was begun and not ended by an earlier daemon has failed, where it may not be done
 * again. Loaded with the first operation that runs.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { KeptOutput, LiveOutput } from "../services/commands/OutputLog.ts"
import { readLines } from "../services/commands/OutputLines.ts"
import { type Executor, ExecutorUnavailable, type RunError, type RunResult } from "../services/commands/Executor.ts"
import { childId } from "../services/operations/childId.ts"
import { JournaledOperation, JournaledRun } from "../services/operations/journaled.ts"
import { operationVariable, type Processes } from "../services/operations/leftovers/Processes.ts"
import type { LiveRun } from "../services/operations/LiveOperation.ts"
import { type NewOperation, type Operation, OperationFailed } from "../services/operations/Operation.ts"
import type { OperationContext } from "../services/operations/OperationKinds.ts"
import type { OutputLimits } from "../services/operations/OperationOutput.ts"
import type { EmbeddedEngine } from "../services/workflow/EmbeddedEngine.ts"
import type { Entry } from "../services/workflow/Journal.ts"
import { type EncodedExit, Unrun, type UnrunPolicy } from "../services/workflow/Unrun.ts"

export interface ContextServices {
  readonly executor: Executor["Service"]
  readonly processes: Processes["Service"]
  readonly engine: EmbeddedEngine
  /** Completes when the daemon begins to stop. */
  readonly stopping: Effect.Effect<void>
  readonly isStopping: () => boolean
  readonly outputLimits: () => OutputLimits
  readonly keepOutput: (id: string, output: KeptOutput) => Effect.Effect<void>
  /**
   * Asks for the operation, or finds it; completes with its end. It is cancelled when `cancelWhen`, told of it once it is
   * there, completes; and when this is interrupted, unless it is to be kept.
   */
  readonly child: (
    asked: NewOperation,
    keep: boolean,
    cancelWhen: (child: Operation) => Effect.Effect<void>
  ) => Effect.Effect<Operation, OperationFailed>
  readonly progress: (id: string, run: LiveRun, fraction: number | null, text: string | null) => Effect.Effect<void>
}

const encodeFailure = Schema.encodeEffect(Schema.toCodecJson(OperationFailed))

const failedWith = (failure: OperationFailed): Effect.Effect<EncodedExit> =>
  Effect.map(Effect.orDie(encodeFailure(failure)), Exit.fail)

const cancelled = new OperationFailed({ code: "cancelled", message: "it was cancelled" })

/** What was begun by an earlier daemon, and not ended by it, as far as it could tell. */
const interruptedByRestart = ({ begunAt, process }: Entry) =>
  new OperationFailed({
    code: "interrupted_by_restart",
    message: "the daemon was ended before it had ended; whether it was done is not known",
    details: { started_at: new Date(begunAt).toISOString(), ...(process === null ? {} : { pid: process.pid }) }
  })

/** Seconds apart are what one can watch; the whole of what is kept is written each time. */
const snapshotEvery = "3 seconds"

export const makeContext = Effect.fnUntraced(function* (
  services: ContextServices,
  operation: Operation,
  run: LiveRun
): Effect.fn.Return<OperationContext> {
  const { engine, executor, isStopping, processes, stopping } = services
  const { id, who, why } = operation
  const barred = yield* failedWith(cancelled)
  let commands = 0

  const policyOf = (again: boolean): UnrunPolicy => ({
    barred,
    interrupted: again ? null : (entry) => failedWith(entry.earlier ? interruptedByRestart(entry) : cancelled)
  })

  /** That it is to be cancelled does not concern what is done to undo it. */
  const cancellation = Effect.suspend(() => (engine.isUndoing(id) ? Effect.never : Deferred.await(run.cancelled)))

  /** Ends the activity without a word in the journal: a later daemon begins it again. */
  const later = Effect.flatMap(WorkflowInstance, Workflow.suspend)

  const perform = Effect.fnUntraced(function* (
    activity: string,
    request: Parameters<OperationContext["command"]>[0],
    again: boolean
  ) {
    const { onLine, ...spec } = request
    const told = yield* Deferred.make<void>()
    const scope = yield* Effect.scope
    let lines: Fiber.Fiber<void> | undefined
    let output: LiveOutput | undefined
    const running = executor.run({
      ...spec,
      env: { ...spec.env, [operationVariable]: id },
      who,
      why: why ?? undefined,
      queueLength: 0,
      unbounded: true,
      onAbandon: "terminate",
      live: services.outputLimits(),
      onTurn: Effect.suspend(() =>
        isStopping()
          ? Effect.fail(new ExecutorUnavailable({ name: spec.name, why: "the daemon is stopping" }))
          : engine.begin(id, activity, null)
      ),
      onStarted: ({ live, pid }) =>
        Effect.gen(function* () {
          if (live !== undefined) {
            output = live
            run.output.begin(live)
            if (onLine !== undefined) lines = yield* Effect.forkIn(readLines(live, { onLine }), scope)
          }
          const mark = yield* processes.mark(pid)
          if (mark !== null) yield* engine.begin(id, activity, mark)
        }),
      endWhen: Effect.raceFirst(Effect.raceFirst(cancellation, stopping), Deferred.await(told))
    })
    const storing = yield* Effect.forkChild(storeGrowing)
    const exit = yield* Effect.exit(endedWith(running, told))
    yield* Fiber.interrupt(storing)
    const kept = exit._tag === "Success" && exit.value.output !== undefined ? exit.value.output : undefined
    if (output !== undefined) run.output.finish((kept ?? (yield* output.snapshot)).bytes)
    // The command is over: what is left of its lines is there to be read.
    if (lines !== undefined) yield* Fiber.await(lines)
    yield* Effect.flatMap(run.output.snapshot, store)
    if (Exit.isFailure(exit)) return yield* notRun(exit)
    return yield* judged(exit.value, again)
  })

  const store = Effect.fnUntraced(function* (output: KeptOutput) {
    if (output.bytes === run.storedBytes) return
    yield* services.keepOutput(id, output)
    run.storedBytes = output.bytes
  })

  const storeGrowing = Effect.forever(
    Effect.andThen(
      Effect.sleep(snapshotEvery),
      Effect.suspend(() => Effect.flatMap(run.output.snapshot, store))
    )
  )

  /** Whatever ends this fiber ends the command first. */
  const endedWith = (running: Effect.Effect<RunResult, RunError>, told: Deferred.Deferred<void>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkChild(restore(running)), (fiber) =>
        Effect.onInterrupt(restore(Fiber.join(fiber)), () =>
          Effect.andThen(Deferred.succeed(told, undefined), Fiber.await(fiber))
        )
      )
    )

  const notRun = (exit: Exit.Failure<RunResult, RunError>) =>
    Effect.catchTags(exit, {
      RunCancelled: () => (isStopping() ? later : Effect.fail(cancelled)),
      ExecutorUnavailable: (error) => (isStopping() ? later : Effect.fail(failure("not_started", error.message))),
      SpawnError: (error) => Effect.fail(failure("not_started", error.message)),
      ActionBusy: (error) => Effect.fail(failure("not_started", error.message)),
      CommandLost: (error) => Effect.fail(failure("command_lost", error.message))
    })

  /** A command that was ended for a reason of ours has not ended as it would have. */
  const judged = (result: RunResult, again: boolean) => {
    const { endedEarly, exit, output: _, pid, startedAt, ...rest } = result
    const well = exit._tag === "Exited" && exit.code === 0
    if (isStopping() && (endedEarly || !well)) {
      if (again) return later
      const details = { pid, started_at: new Date(startedAt).toISOString(), ...exitDetails(exit) }
      const message = "the daemon was stopped, and its command was ended"
      return Effect.fail(new OperationFailed({ code: "interrupted_by_restart", message, details }))
    }
    if (endedEarly && !engine.isUndoing(id)) return Effect.fail(cancelled)
    return Effect.succeed({ ...rest, endedEarly, exit, pid, startedAt })
  }

  const context: OperationContext = {
    command: (request, { again }) =>
      Effect.suspend(() => {
        commands += 1
        const name = commands === 1 ? "command" : `command ${commands}`
        return Activity.make({
          name,
          success: JournaledRun,
          error: OperationFailed,
          execute: perform(name, request, again),
          annotations: Unrun.context(policyOf(again))
        })
      }),
    once: (name, effect, { again }) =>
      Effect.suspend(() => {
        const activity = `once ${name}`
        const whole = Effect.raceFirst(effect, Effect.andThen(cancellation, Effect.fail(cancelled)))
        return Activity.make({
          name: activity,
          success: Schema.Json,
          error: OperationFailed,
          execute: again ? whole : Effect.andThen(engine.begin(id, activity, null), whole),
          annotations: Unrun.context(policyOf(again))
        })
      }),
    child: (name, child, { cancelWhen = () => Effect.never, keep = false } = {}) =>
      Activity.make({
        name: `child ${name}`,
        success: JournaledOperation,
        error: OperationFailed,
        execute: Effect.suspend(() => {
          const unwanted = keep ? Effect.never : cancellation
          const asked = { ...child, id: childId(id, name), who, why, parent: id, idempotency: null }
          return Effect.raceFirst(
            services.child(asked, keep, (made) => Effect.raceFirst(unwanted, cancelWhen(made))),
            // Both go on after the next start, where each finds the other.
            Effect.andThen(stopping, later)
          )
        }),
        annotations: Unrun.context({ barred: keep ? null : barred, interrupted: null })
      }),
    progress: (fraction, text) => services.progress(id, run, fraction, text),
    // What was said before a restart is there, and said again on the way back to where it was.
    say: (line) =>
      Effect.sync(() => {
        if (engine.hasReplayed(id)) run.output.say(line)
      }),
    isCancelled: Effect.sync(
      () => !engine.isUndoing(id) && Deferred.isDoneUnsafe(run.cancelled) && engine.hasReplayed(id)
    ),
    // Not before everything is seen again that was done before the wish was heard: what there is to undo comes from there.
    cancelled: Effect.andThen(cancellation, engine.replayed(id)),
    untilStop: Effect.andThen(stopping, later)
  }
  return context
})

const failure = (code: string, message: string) => new OperationFailed({ code, message })

const exitDetails = (exit: RunResult["exit"]) =>
  exit._tag === "Exited" ? { exit_code: exit.code } : { signal: exit.signal }
