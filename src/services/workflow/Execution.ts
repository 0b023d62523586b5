/**
 * What is known of one execution of a workflow while this daemon runs it: the run that is under way, what it waits for,
 * what the journal says, and whether it is on its way back.
 *
 * A run goes forward until it ends, waits durably, or has to be undone. From then on it is `undoing`: compensations run,
 * and nothing keeps their activities from beginning.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type * as Workflow from "effect/workflow/Workflow"
import { type WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { Journal } from "./Journal.ts"

type Result = Workflow.Result<unknown, unknown>

export interface Registered {
  readonly workflow: Workflow.Any
  readonly execute: (
    payload: object,
    executionId: string
  ) => Effect.Effect<unknown, unknown, WorkflowInstance | WorkflowEngine>
  readonly scope: Scope.Scope
}

export interface Execution {
  readonly id: string
  readonly registered: Registered
  readonly payload: object
  readonly parent: Execution | undefined
  /** Where it is undone: every run has a scope beneath it, closed with the outcome of the last. */
  readonly scope: Scope.Closeable
  readonly journal: Journal
  /** Of its keys in the journal, which it shares with the execution that began it. */
  readonly prefix: string
  readonly inFlight: Map<string, Fiber.Fiber<Result>>
  /** Completed when it has its result. */
  readonly done: Deferred.Deferred<void>
  /** Completed when it is to end. */
  readonly interruption: Deferred.Deferred<void>
  instance: WorkflowInstance["Service"]
  fiber: Fiber.Fiber<Result> | undefined
  wanted: boolean
  interrupted: boolean
  unsafely: boolean
  /** How it went before it was undone: nothing goes forward any more, whatever a replay would do. */
  outcome: Cause.Cause<unknown> | undefined
  undoing: boolean
  /** An activity that undoes was not begun, because the daemon stops: the rest is done after its next start. */
  cutShort: boolean
}

export const makeExecution = (
  id: string,
  registered: Registered,
  payload: object,
  parent: Execution | undefined,
  journal: Journal
): Execution => ({
  id,
  registered,
  payload,
  parent,
  journal,
  scope: Scope.makeUnsafe(),
  prefix: parent === undefined ? "" : `${id}/`,
  inFlight: new Map(),
  done: Deferred.makeUnsafe(),
  interruption: Deferred.makeUnsafe(),
  instance: WorkflowInstance.initial(registered.workflow, id),
  fiber: undefined,
  wanted: false,
  interrupted: false,
  unsafely: false,
  outcome: undefined,
  undoing: false,
  cutShort: false
})

/** Keys of the journal. */
export const activityKey = ({ prefix }: Pick<Execution, "prefix">, name: string, attempt: number): string =>
  `a/${prefix}${attempt}/${name}`
export const deferredKey = ({ prefix }: Pick<Execution, "prefix">, name: string): string => `d/${prefix}${name}`
export const clockKey = ({ prefix }: Pick<Execution, "prefix">, name: string): string => `c/${prefix}${name}`
export const outcomeKey = ({ prefix }: Pick<Execution, "prefix">): string => `o/${prefix}`

export const isActivityKey = (key: string): boolean => key.startsWith("a/")

/** Nothing new is to be done, but for undoing what was. */
export const isBarred = ({ interrupted, outcome, undoing }: Execution): boolean =>
  !undoing && (interrupted || outcome !== undefined)

/** Something will be undone if it fails. */
export const canUndo = ({ instance: { scope } }: Execution): boolean => {
  const { state } = scope
  return state._tag === "Open" && (state.finalizer !== undefined || (state.finalizers?.size ?? 0) > 0)
}
