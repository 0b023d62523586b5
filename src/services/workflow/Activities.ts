/**
 * Activities of the embedded engine: done once, and answered from the journal ever after. One that runs belongs to the
 * engine and not to the run that began it: a run that is preempted leaves it in flight, and the replay joins it.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { EngineState } from "./EngineState.ts"
import { activityKey, type Execution, isBarred } from "./Execution.ts"
import { encodedExits } from "./exits.ts"
import { Unrun } from "./Unrun.ts"

type Result = Workflow.Result<unknown, unknown>

/** What Effect calls the activity of a clock that is too short to be kept. */
const isClock = (name: string): boolean => name.startsWith("DurableClock/")

export const makeActivities = (state: EngineState) => {
  const { executions, halting, isHalted, noteExit, scope } = state

  /** A clock holds up neither the end of its execution nor that of the daemon. */
  const awoken = (execution: Execution, instance: WorkflowInstance["Service"]) =>
    Effect.andThen(
      Effect.raceFirst(Deferred.await(execution.interruption), Deferred.await(halting)),
      Workflow.suspend(instance)
    )

  const ended = Effect.fnUntraced(function* (execution: Execution, key: string, result: Result) {
    if (result._tag === "Complete") yield* noteExit(execution, key, result.exit)
    return result
  })

  /** Ended in its midst, which is how it ended, after a restart too; unless the daemon stops, and it may go on later. */
  const cut = Effect.fnUntraced(function* (execution: Execution, key: string, policy: typeof Unrun.Service) {
    const entry = execution.journal.get(key)
    if (isHalted() || entry === undefined || policy?.interrupted === undefined || policy.interrupted === null) return
    yield* noteExit(execution, key, yield* policy.interrupted(entry))
  })

  const begin = (execution: Execution, activity: Activity.Any, key: string): Effect.Effect<Fiber.Fiber<Result>> => {
    const instance = WorkflowInstance.initial(execution.registered.workflow, execution.id)
    instance.interrupted = execution.instance.interrupted
    const policy = Context.get(activity.annotations, Unrun)
    const sleeps = isClock(activity.name) && !execution.undoing
    const body: Effect.Effect<unknown, unknown, WorkflowInstance> = sleeps
      ? Effect.raceFirst(activity.executeEncoded, awoken(execution, instance))
      : activity.executeEncoded
    return Workflow.intoResult(body).pipe(
      Effect.provideService(WorkflowInstance, instance),
      Effect.matchCauseEffect({
        onSuccess: (result) => ended(execution, key, result),
        onFailure: (cause) => Effect.andThen(cut(execution, key, policy), Effect.failCause(cause))
      }),
      Effect.uninterruptible,
      Effect.ensuring(Effect.sync(() => execution.inFlight.delete(key))),
      Effect.forkIn(scope, { startImmediately: true }),
      Effect.tap((fiber) =>
        Effect.sync(() => {
          if (fiber.pollUnsafe() === undefined) execution.inFlight.set(key, fiber)
        })
      )
    )
  }

  const joined = (execution: Execution, fiber: Fiber.Fiber<Result>) =>
    Effect.onInterrupt(Fiber.join(fiber), () => (execution.instance.suspended ? Effect.void : Fiber.interrupt(fiber)))

  return Effect.fnUntraced(function* (activity: Activity.Any, attempt: number) {
    const { executionId } = yield* WorkflowInstance
    const execution = executions.get(executionId)
    if (execution === undefined) return yield* Effect.die(new Error(`execution ${executionId} is not running`))
    const key = activityKey(execution, activity.name, attempt)
    const inFlight = execution.inFlight.get(key)
    if (inFlight !== undefined) return yield* joined(execution, inFlight)
    const entry = execution.journal.replay(key)
    if (entry !== undefined && entry.exit !== null) {
      return new Workflow.Complete({ exit: yield* encodedExits.decode(entry.exit) })
    }
    const policy = Context.get(activity.annotations, Unrun)
    if (entry?.earlier === true && policy !== undefined && policy.interrupted !== null) {
      const exit = yield* policy.interrupted(entry)
      yield* noteExit(execution, key, exit)
      return new Workflow.Complete({ exit })
    }
    if (isBarred(execution)) {
      if (policy === undefined || execution.outcome !== undefined) return new Workflow.Suspended({})
      if (policy.barred !== null) return new Workflow.Complete({ exit: policy.barred })
    }
    if (isHalted()) {
      if (execution.undoing) execution.cutShort = true
      return new Workflow.Suspended({})
    }
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(begin(execution, activity, key), (fiber) => restore(joined(execution, fiber)))
    )
  })
}
