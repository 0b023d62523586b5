/**
 * Runs of the embedded engine: an execution is run from its start, as often as it takes. A run ends when the workflow has,
 * or when it waits for something durable; what it waits for begins the next.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Workflow from "effect/workflow/Workflow"
import { makeDeferredState, WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { EngineState } from "./EngineState.ts"
import { canUndo, type Execution, isActivityKey, makeExecution, outcomeKey, type Registered } from "./Execution.ts"
import { loadJournal } from "./Journal.ts"

type Result = Workflow.Result<unknown, unknown>

export interface Asked {
  readonly executionId: string
  readonly payload: object
  readonly discard: boolean
  readonly parent?: WorkflowInstance["Service"] | undefined
  readonly detached?: boolean | undefined
}

export const makeRuns = (state: EngineState, engine: () => WorkflowEngine["Service"]) => {
  const { executions, noteExit, outcomes, scope, store, workflows } = state
  const tracked = makeDeferredState()
  /** To be interrupted, and their journal not read yet. */
  const unwanted = new Set<string>()

  /** Runs it, if it has not ended; once more, if it is running now. */
  const resume = (execution: Execution): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { fiber } = execution
      const exit = fiber?.pollUnsafe()
      if (exit !== undefined && Exit.isSuccess(exit) && exit.value._tag === "Complete") return Effect.void
      if (fiber === undefined || exit !== undefined) return run(execution)
      if (execution.wanted) return Effect.void
      execution.wanted = true
      const after = Effect.suspend(() => {
        execution.wanted = false
        return resume(execution)
      })
      return Effect.asVoid(Effect.forkIn(Effect.andThen(Fiber.await(fiber), after), scope))
    })

  /**
   * The body of a run, and what its end means: it is not over while it waits; it ends as it did where it was undone
   * already; it is over where it was interrupted.
   */
  const settled = Effect.fnUntraced(function* (execution: Execution) {
    const { id, instance, payload, registered } = execution
    const body = yield* Effect.forkChild(registered.execute(payload, id), { startImmediately: true })
    const exit = yield* Effect.onInterrupt(Fiber.await(body), () => Fiber.interrupt(body))
    const waits = instance.suspended && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    if (execution.outcome === undefined) {
      if (waits ? !execution.interrupted : Exit.isSuccess(exit) && !execution.unsafely) return yield* exit
      execution.outcome = waits || Exit.isSuccess(exit) ? Cause.interrupt() : exit.cause
      if (canUndo(execution)) {
        yield* noteExit(execution, outcomeKey(execution), Exit.failCause(execution.outcome), outcomes)
      }
    }
    instance.suspended = false
    instance.interrupted = Cause.hasInterruptsOnly(execution.outcome)
    execution.undoing = true
    return yield* Effect.failCause(execution.outcome)
  })

  const run = Effect.fnUntraced(function* (execution: Execution): Effect.fn.Return<void> {
    const { id, parent, registered, scope: whole } = execution
    // A scope of its own: a replay makes what there is to undo anew, instead of adding to it.
    const instance = WorkflowInstance.initial(registered.workflow, id, { scope: Scope.forkUnsafe(whole) })
    execution.instance = instance
    execution.fiber = yield* settled(execution).pipe(
      Workflow.intoResult,
      Effect.provideService(WorkflowEngine, engine()),
      (effect) => tracked.trackRun(instance, effect),
      Effect.map((result): Result => (execution.cutShort ? new Workflow.Suspended({}) : result)),
      Effect.tap((result) =>
        parent === undefined || result._tag !== "Complete" ? Effect.void : Effect.forkIn(resume(parent), scope)
      ),
      Effect.onExit((exit) => {
        if (Exit.isSuccess(exit) && exit.value._tag === "Suspended") return Effect.void
        // Runs before the last were replayed by it, with all that they had to undo.
        const closed = Scope.close(whole, Exit.void)
        return Exit.isSuccess(exit) ? Effect.andThen(closed, Deferred.succeed(execution.done, undefined)) : closed
      }),
      Effect.forkIn(registered.scope)
    )
  })

  const interrupt = (execution: Execution): Effect.Effect<void> =>
    Effect.suspend(() => {
      execution.interrupted = true
      Deferred.doneUnsafe(execution.interruption, Effect.void)
      return resume(execution)
    })

  const start = Effect.fnUntraced(function* (
    registered: Registered,
    id: string,
    payload: object,
    parent: Execution | undefined
  ) {
    const journal = parent?.journal ?? (yield* loadJournal(store, id, isActivityKey))
    const known = executions.get(id)
    if (known !== undefined) return known
    const execution = makeExecution(id, registered, payload, parent, journal)
    executions.set(id, execution)
    const outcome = journal.get(outcomeKey(execution))?.exit ?? null
    if (outcome !== null) {
      const exit = yield* outcomes.decode(outcome)
      if (Exit.isFailure(exit)) execution.outcome = exit.cause
    }
    yield* unwanted.delete(id) ? interrupt(execution) : resume(execution)
    return execution
  })

  // oxlint-disable-next-line no-explicit-any -- what it answers hangs on a flag that is known where it is called.
  const execute = Effect.fnUntraced(function* (workflow: Workflow.Any, asked: Asked): Effect.fn.Return<any> {
    const registered = workflows.get(workflow._tag)
    if (registered === undefined) return yield* Effect.die(new Error(`no workflow ${workflow._tag} is registered`))
    const above = asked.detached === true ? undefined : asked.parent?.executionId
    const parent = above === undefined ? undefined : executions.get(above)
    const execution =
      executions.get(asked.executionId) ?? (yield* start(registered, asked.executionId, asked.payload, parent))
    if (asked.discard) return undefined
    const { fiber, instance } = execution
    if (fiber === undefined) return new Workflow.Suspended({})
    const exit = yield* Fiber.await(fiber)
    // It was preempted, and is run again; whoever waits comes again.
    if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) && instance.suspended) {
      return new Workflow.Suspended({})
    }
    return yield* exit
  })

  /** Completes when it waits and nothing of it is under way; never if it ends. */
  const parked = (id: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const execution = executions.get(id)
      if (execution?.fiber === undefined) return Effect.void
      const { fiber, inFlight } = execution
      return Effect.flatMap(Fiber.await(fiber), (exit) => {
        if (Exit.isSuccess(exit) && exit.value._tag === "Complete") return Effect.never
        if (execution.fiber === fiber && inFlight.size === 0) return Effect.void
        return Effect.andThen(Effect.forEach(inFlight.values(), Fiber.await), parked(id))
      })
    })

  return {
    execute,
    resume,
    interrupt,
    /** Its next run has what it waited for; one that is under way is cut short where it waits for it. */
    wake: (execution: Execution, deferred: string) =>
      Effect.andThen(tracked.deferredDone(execution.id, deferred), resume(execution)),
    /** Also one that has yet to begin. */
    interruptById: (id: string) =>
      Effect.suspend(() => {
        const execution = executions.get(id)
        if (execution !== undefined) return interrupt(execution)
        unwanted.add(id)
        return Effect.void
      }),
    forget: (id: string) => {
      executions.delete(id)
      unwanted.delete(id)
    },
    parked
  }
}
