/**
 * A WorkflowEngine (effect/workflow) within this process, whose executions survive it: each keeps a journal, and after a
 * restart is run again from its start, where what the journal knows is not done again.
 *
 *  - An activity that has ended is answered from the journal. One that had begun answers what its policy says (Unrun.ts),
 *    or runs again where it has none.
 *  - Deferreds keep their values, clocks the time at which they are due.
 *  - A run that fails and has something to undo writes down how it failed before it undoes anything; after a restart in
 *    the midst it replays only to know what there is to undo, and ends as it did.
 *  - A run that waits for a deferred is preempted when it comes, as Effect's engines do; activities in its hand go on, and
 *    the replay joins them.
 *
 * Semantics are those of Effect's `layerMemory`, against which it is tested; `SuspendOnFailure` is not among them.
 *
 * Bounds: an execution stays in memory until `forget`. On failure: an unwritable store is asked again until `giveUp`
 * completes, which is when nothing that happens counts any more.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import type { ProcessMark } from "../operations/OperationStore.ts"
import {
  activityKey,
  canUndo,
  clockKey,
  deferredKey,
  type Execution,
  isActivityKey,
  isBarred,
  makeExecution,
  outcomeKey,
  type Registered
} from "./Execution.ts"
import { encodedExits, type ExitCodec } from "./exits.ts"
import { insistently, type Journal, type JournalStore, loadJournal } from "./Journal.ts"
import { Unrun } from "./Unrun.ts"

type Result = Workflow.Result<unknown, unknown>

const { WorkflowInstance } = WorkflowEngine

export interface EngineOptions {
  readonly store: JournalStore
  /** Of the errors of its workflows. */
  readonly outcomes: ExitCodec
  /** Completes when what is not on disk by now does not count: the stop has waited long enough. */
  readonly giveUp: Effect.Effect<void>
}

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
  readonly forget: (executionId: string) => void
  /** Begins no activity any more. */
  readonly halt: Effect.Effect<void>
}

export const makeEmbeddedEngine = Effect.fnUntraced(function* ({
  giveUp,
  outcomes,
  store
}: EngineOptions): Effect.fn.Return<EmbeddedEngine, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const clocks = yield* FiberMap.make<string>()
  const workflows = new Map<string, Registered>()
  const executions = new Map<string, Execution>()
  const runs = WorkflowEngine.makeDeferredState()
  /** Asked for before their journal was read. */
  const interruptedEarly = new Set<string>()
  const halting = yield* Deferred.make<void>()
  let halted = false

  /** Also where nothing can be interrupted; whoever has to give up ends as if it had been. */
  const written = <A>(effect: Effect.Effect<A>) =>
    Effect.raceFirst(Effect.interruptible(effect), Effect.andThen(giveUp, Effect.interrupt))

  const note = ({ journal }: Execution, key: string, entry: Parameters<Journal["note"]>[1]) =>
    written(journal.note(key, entry))

  const noteExit = Effect.fnUntraced(function* (
    execution: Execution,
    key: string,
    exit: Exit.Exit<unknown, unknown>,
    codec: ExitCodec = encodedExits
  ) {
    const process = execution.journal.get(key)?.process ?? null
    yield* note(execution, key, { exit: yield* codec.encode(exit), process })
  })

  /** One that is not running now; `wanted` when it is. */
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
      Effect.provideService(WorkflowEngine.WorkflowEngine, engine),
      (effect) => runs.trackRun(instance, effect),
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

  const load = Effect.fnUntraced(function* (
    registered: Registered,
    id: string,
    payload: object,
    parent: Execution | undefined
  ) {
    const journal = parent?.journal ?? (yield* loadJournal(store, id, isActivityKey))
    const known = executions.get(id)
    if (known !== undefined) return known
    const execution = makeExecution(id, registered, payload, parent, journal)
    const outcome = journal.get(outcomeKey(execution))?.exit ?? null
    if (outcome !== null) {
      const exit = yield* outcomes.decode(outcome)
      if (Exit.isFailure(exit)) execution.outcome = exit.cause
    }
    executions.set(id, execution)
    if (interruptedEarly.delete(id)) yield* interrupt(execution)
    else yield* resume(execution)
    return execution
  })

  // oxlint-disable-next-line no-explicit-any -- what it answers hangs on a flag that is known where it is called.
  const execute = Effect.fnUntraced(function* (workflow: Workflow.Any, options: Asked): Effect.fn.Return<any> {
    const registered = workflows.get(workflow._tag)
    if (registered === undefined) return yield* Effect.die(new Error(`no workflow ${workflow._tag} is registered`))
    const parent = options.detached === true ? undefined : options.parent
    const execution =
      executions.get(options.executionId) ??
      (yield* load(
        registered,
        options.executionId,
        options.payload,
        parent === undefined ? undefined : executions.get(parent.executionId)
      ))
    if (options.discard) return undefined
    const { fiber, instance } = execution
    if (fiber === undefined) return new Workflow.Suspended({})
    const exit = yield* Fiber.await(fiber)
    // It was preempted, and is run again; whoever waits comes again.
    if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) && instance.suspended) {
      return new Workflow.Suspended({})
    }
    return yield* exit
  })

  /** Runs the activity and notes how it ended. It belongs to the engine: a run that is preempted is no end of it. */
  const begin = (execution: Execution, activity: Activity.Any, key: string): Effect.Effect<Fiber.Fiber<Result>> => {
    const instance = WorkflowInstance.initial(execution.registered.workflow, execution.id)
    instance.interrupted = execution.instance.interrupted
    const policy = Context.get(activity.annotations, Unrun)
    const isSleep = activity.name.startsWith("DurableClock/") && !execution.undoing
    const body: Effect.Effect<unknown, unknown, WorkflowEngine.WorkflowInstance> = isSleep
      ? Effect.raceFirst(
          activity.executeEncoded,
          Effect.andThen(
            Effect.raceFirst(Deferred.await(execution.interruption), Deferred.await(halting)),
            Workflow.suspend(instance)
          )
        )
      : activity.executeEncoded
    const told = Effect.matchCauseEffect(Effect.provideService(Workflow.intoResult(body), WorkflowInstance, instance), {
      onSuccess: (result): Effect.Effect<Result> =>
        result._tag === "Complete" ? Effect.as(noteExit(execution, key, result.exit), result) : Effect.succeed(result),
      onFailure: (cause) => {
        const entry = execution.journal.get(key)
        const interrupted = policy?.interrupted
        if (halted || entry === undefined || interrupted === undefined || interrupted === null) {
          return Effect.failCause(cause)
        }
        // It was ended in its midst, and that is how it ended: after a restart too.
        return Effect.flatMap(interrupted(entry), (exit) =>
          Effect.andThen(noteExit(execution, key, exit), Effect.failCause(cause))
        )
      }
    })
    return Effect.uninterruptible(told).pipe(
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

  const activityExecute = Effect.fnUntraced(function* (activity: Activity.Any, attempt: number) {
    const { executionId } = yield* WorkflowInstance
    const execution = yield* known(executionId)
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
    if (halted) {
      if (execution.undoing) execution.cutShort = true
      return new Workflow.Suspended({})
    }
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(begin(execution, activity, key), (fiber) => restore(joined(execution, fiber)))
    )
  })

  const parked = (executionId: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const fiber = executions.get(executionId)?.fiber
      if (fiber === undefined) return Effect.void
      return Effect.flatMap(Fiber.await(fiber), (exit) =>
        Exit.isSuccess(exit) && exit.value._tag === "Complete" ? Effect.never : Effect.void
      )
    })

  const known = (executionId: string) => {
    const execution = executions.get(executionId)
    return execution === undefined
      ? Effect.die(new Error(`execution ${executionId} is not running`))
      : Effect.succeed(execution)
  }

  const deferredDone = Effect.fnUntraced(function* (options: DeferredDone) {
    const { deferredName, executionId, exit } = options
    const execution = executions.get(executionId)
    if (execution === undefined) {
      const key = deferredKey({ prefix: "" }, deferredName)
      const begunAt = yield* Clock.currentTimeMillis
      const encoded = yield* encodedExits.encode(exit)
      return yield* written(
        insistently(store.note({ operation: executionId, key, begunAt, exit: encoded, process: null }))
      )
    }
    const key = deferredKey(execution, deferredName)
    if (execution.journal.get(key) !== undefined) return
    yield* noteExit(execution, key, exit)
    const wake = Effect.andThen(runs.deferredDone(executionId, deferredName), resume(execution))
    const within = yield* Effect.serviceOption(WorkflowInstance)
    // What undoes a run cannot wait for its end.
    if (Option.isSome(within) && within.value.executionId === executionId) yield* Effect.forkIn(wake, scope)
    else yield* wake
  })

  const interrupt = (execution: Execution) =>
    Effect.suspend(() => {
      execution.interrupted = true
      Deferred.doneUnsafe(execution.interruption, Effect.void)
      return resume(execution)
    })

  const withKnown = (executionId: string, act: (execution: Execution) => Effect.Effect<void>) =>
    Effect.suspend(() => {
      const execution = executions.get(executionId)
      return execution === undefined ? Effect.void : act(execution)
    })

  const engine: WorkflowEngine.WorkflowEngine["Service"] = WorkflowEngine.makeUnsafe({
    register: Effect.fnUntraced(function* (workflow, run) {
      workflows.set(workflow._tag, { workflow, execute: run, scope: yield* Effect.scope })
    }),
    execute,
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
    interrupt: (_workflow, executionId) => withKnown(executionId, interrupt),
    interruptUnsafe: (_workflow, executionId) =>
      withKnown(executionId, (execution) =>
        Effect.suspend(() => {
          execution.unsafely = true
          const { fiber } = execution
          return Effect.andThen(fiber === undefined ? Effect.void : Fiber.interrupt(fiber), interrupt(execution))
        })
      ),
    resume: (_workflow, executionId) => withKnown(executionId, resume),
    activityExecute,
    deferredResult: Effect.fnUntraced(function* ({ name }) {
      const execution = yield* known((yield* WorkflowInstance).executionId)
      const exit = execution.journal.get(deferredKey(execution, name))?.exit ?? null
      return exit === null ? Option.none() : Option.some(yield* encodedExits.decode(exit))
    }),
    deferredDone,
    scheduleClock: Effect.fnUntraced(function* (workflow, { clock, executionId }) {
      const execution = yield* known(executionId)
      const key = clockKey(execution, clock.name)
      if (execution.journal.get(key) === undefined) yield* note(execution, key, { exit: null, process: null })
      const begunAt = execution.journal.get(key)?.begunAt ?? 0
      const passed = Math.max(0, (yield* Clock.currentTimeMillis) - begunAt)
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
    interrupt: (executionId) =>
      Effect.suspend(() => {
        const execution = executions.get(executionId)
        if (execution !== undefined) return interrupt(execution)
        interruptedEarly.add(executionId)
        return Effect.void
      }),
    parked,
    forget: (executionId) => {
      executions.delete(executionId)
      interruptedEarly.delete(executionId)
    },
    halt: Effect.suspend(() => {
      halted = true
      return Deferred.succeed(halting, undefined)
    })
  }
})

interface Asked {
  readonly executionId: string
  readonly payload: object
  readonly discard: boolean
  readonly parent?: WorkflowEngine.WorkflowInstance["Service"] | undefined
  readonly detached?: boolean | undefined
}

interface DeferredDone {
  readonly workflowName: string
  readonly executionId: string
  readonly deferredName: string
  readonly exit: Exit.Exit<unknown, unknown>
}
