/**
 * A WorkflowEngine (effect/workflow) within this process, whose executions survive it: each keeps a journal, and after a
 * restart is run again from its start, where what the journal knows is not done again.
 *
 *  - An activity that has ended is answered from the journal. One that had begun answers what its policy says (Unrun.ts),
 *    or runs again where it has none (Activities.ts).
 *  - Deferreds keep their values, clocks the time at which they began.
 *  - A run that fails and has something to undo writes down how it failed before it undoes anything; after a restart in
 *    the midst it replays only to know what there is to undo, and ends as it did (Runs.ts).
 *  - A run that waits for a deferred is preempted when it comes, as Effect's engines do.
 *
 * Semantics are those of Effect's `layerMemory`, against which it is tested; `SuspendOnFailure` is not among them.
 *
 * Bounds: an execution stays in memory until `forget`. On failure: an unwritable store is asked again until `giveUp`
 * completes, which is when nothing that happens counts any more.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import type { ProcessMark } from "../operations/OperationStore.ts"
import { makeActivities } from "./Activities.ts"
import { type EngineOptions, makeEngineState } from "./EngineState.ts"
import { activityKey, clockKey, deferredKey, type Execution } from "./Execution.ts"
import { encodedExits } from "./exits.ts"
import { insistently } from "./Journal.ts"
import { makeRuns } from "./Runs.ts"

export interface EmbeddedEngine {
  readonly engine: WorkflowEngine.WorkflowEngine["Service"]
  /** From within an activity that has a policy: that it begins, or has begun with this process. Durable. */
  readonly begin: (executionId: string, name: string, process: ProcessMark | null) => Effect.Effect<void>
  /** Completes when the run of this execution has seen again all that an earlier daemon has done of it. */
  readonly replayed: (executionId: string) => Effect.Effect<void>
  readonly hasReplayed: (executionId: string) => boolean
  readonly isUndoing: (executionId: string) => boolean
  /** Ends this execution when it waits next, or at once where it waits; also one that has yet to begin. */
  readonly interrupt: (executionId: string) => Effect.Effect<void>
  /** Completes when this execution waits for something that is beyond this daemon's life. */
  readonly parked: (executionId: string) => Effect.Effect<void>
  /** It has ended, and that is known elsewhere. */
  readonly forget: (executionId: string) => Effect.Effect<void>
  /** Begins no activity any more. */
  readonly halt: Effect.Effect<void>
}

export const makeEmbeddedEngine = Effect.fnUntraced(function* (
  options: EngineOptions
): Effect.fn.Return<EmbeddedEngine, never, Scope.Scope> {
  const state = yield* makeEngineState(options)
  const { executions, halting, note, noteExit, scope, store, workflows, written } = state
  const clocks = yield* FiberMap.make<string>()
  const runs = makeRuns(state, () => engine)

  const known = (executionId: string) => {
    const execution = executions.get(executionId)
    return execution === undefined
      ? Effect.die(new Error(`execution ${executionId} is not running`))
      : Effect.succeed(execution)
  }

  const withKnown = (executionId: string, act: (execution: Execution) => Effect.Effect<void>) =>
    Effect.suspend(() => {
      const execution = executions.get(executionId)
      return execution === undefined ? Effect.void : act(execution)
    })

  /** With what it has begun, and clocks that nobody waits for any more. */
  const forget = (executionId: string): Effect.Effect<void> =>
    Effect.gen(function* () {
      const within = [...executions.values()].filter(({ parent }) => parent?.id === executionId)
      runs.forget(executionId)
      for (const { id } of within) yield* forget(id)
      for (const [key] of clocks) if (key.startsWith(`${executionId}/`)) yield* FiberMap.remove(clocks, key)
    })

  /** Of an execution that is not in memory: it finds its value when it is run. */
  const keepDeferred = Effect.fnUntraced(function* (
    operation: string,
    name: string,
    exit: Exit.Exit<unknown, unknown>
  ) {
    const entry = { begunAt: yield* Clock.currentTimeMillis, exit: yield* encodedExits.encode(exit), process: null }
    yield* written(insistently(store.note({ operation, key: deferredKey({ prefix: "" }, name), ...entry })))
  })

  const engine: WorkflowEngine.WorkflowEngine["Service"] = WorkflowEngine.makeUnsafe({
    register: Effect.fnUntraced(function* (workflow, execute) {
      workflows.set(workflow._tag, { workflow, execute, scope: yield* Effect.scope })
    }),
    execute: runs.execute,
    awaitComplete: (_workflow, executionId) =>
      Effect.suspend(() => {
        const execution = executions.get(executionId)
        return execution === undefined ? Effect.never : Deferred.await(execution.done)
      }),
    poll: (_workflow, executionId) =>
      Effect.suspend(() => {
        const exit = executions.get(executionId)?.fiber?.pollUnsafe()
        if (exit === undefined) return Effect.succeedNone
        return Exit.isSuccess(exit) ? Effect.succeedSome(exit.value) : Effect.die(exit.cause)
      }),
    interrupt: (_workflow, executionId) => withKnown(executionId, runs.interrupt),
    interruptUnsafe: (_workflow, executionId) =>
      withKnown(executionId, (execution) =>
        Effect.suspend(() => {
          execution.unsafely = true
          const { fiber } = execution
          return Effect.andThen(fiber === undefined ? Effect.void : Fiber.interrupt(fiber), runs.interrupt(execution))
        })
      ),
    resume: (_workflow, executionId) => withKnown(executionId, runs.resume),
    activityExecute: makeActivities(state),
    deferredResult: Effect.fnUntraced(function* ({ name }) {
      const execution = yield* known((yield* WorkflowEngine.WorkflowInstance).executionId)
      const exit = execution.journal.get(deferredKey(execution, name))?.exit ?? null
      return exit === null ? Option.none() : Option.some(yield* encodedExits.decode(exit))
    }),
    deferredDone: Effect.fnUntraced(function* ({ deferredName, executionId, exit }) {
      const execution = executions.get(executionId)
      if (execution === undefined) return yield* keepDeferred(executionId, deferredName, exit)
      const key = deferredKey(execution, deferredName)
      if (execution.journal.get(key) !== undefined) return
      yield* noteExit(execution, key, exit)
      const wake = runs.wake(execution, deferredName)
      const within = yield* Effect.serviceOption(WorkflowEngine.WorkflowInstance)
      // What undoes a run cannot wait for its end.
      if (Option.isSome(within) && within.value.executionId === executionId) yield* Effect.forkIn(wake, scope)
      else yield* wake
    }),
    scheduleClock: Effect.fnUntraced(function* (workflow, { clock, executionId }) {
      const execution = yield* known(executionId)
      const key = clockKey(execution, clock.name)
      if (execution.journal.get(key) === undefined) yield* note(execution, key, { exit: null, process: null })
      const now = yield* Clock.currentTimeMillis
      const passed = Math.max(0, now - (execution.journal.get(key)?.begunAt ?? now))
      const left = Math.max(0, Duration.toMillis(clock.duration) - passed)
      const due = engine.deferredDone(clock.deferred, {
        workflowName: workflow._tag,
        executionId,
        deferredName: clock.deferred.name,
        exit: Exit.void
      })
      yield* FiberMap.run(clocks, `${executionId}/${clock.name}`, Effect.delay(due, left), { onlyIfMissing: true })
    })
  })

  return {
    engine,
    begin: (executionId, name, process) =>
      withKnown(executionId, (execution) => note(execution, activityKey(execution, name, 1), { exit: null, process })),
    replayed: (executionId) => withKnown(executionId, ({ journal }) => Deferred.await(journal.replayed)),
    hasReplayed: (executionId) => {
      const execution = executions.get(executionId)
      return execution !== undefined && Deferred.isDoneUnsafe(execution.journal.replayed)
    },
    isUndoing: (executionId) => executions.get(executionId)?.undoing === true,
    interrupt: runs.interruptById,
    parked: runs.parked,
    forget,
    halt: Effect.asVoid(Deferred.succeed(halting, undefined))
  }
})
