/**
 * What kinds of operations there are: each knows how to run its own, and how many at once. The actor Operations runs them
 * as durable workflows (effect/workflow): after a restart `run` is called again for what had not ended, and what it has
 * done through its context is not done again but answered from the journal.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { RunRequest, RunResult } from "../commands/Executor.ts"
import type { Json, NewOperation, Operation, OperationFailed } from "./Operation.ts"

/** What may be asked of the engine within a run: activities, durable clocks, compensation. */
export type Durable = WorkflowEngine | WorkflowInstance

export interface OperationContext {
  /**
   * Runs a command, one per operation: its output is the operation's. Succeeds however the command ended. A restart in its
   * midst fails it with `interrupted_by_restart`, or runs it again where `again` says that this may be. When the operation
   * is cancelled the command is ended, and this fails with `cancelled`.
   */
  readonly command: (
    request: OperationCommand,
    options: { readonly again: boolean }
  ) => Effect.Effect<RunResult, OperationFailed, Durable>
  /** Does something once and keeps what came of it, under a name that is its own within the operation. As `command`. */
  readonly once: (
    name: string,
    effect: Effect.Effect<Json, OperationFailed>,
    options: { readonly again: boolean }
  ) => Effect.Effect<Json, OperationFailed, Durable>
  /**
   * Asks for an operation of its own and waits for its end, once for each name; it succeeds however that ended. Its id is
   * `childId(this operation's id, name)`. When this operation is cancelled, the child is too, unless `keep`.
   */
  readonly child: (
    name: string,
    child: Pick<NewOperation, "kind" | "name" | "input">,
    options?: ChildOptions
  ) => Effect.Effect<Operation, OperationFailed, Durable>
  /** 0 to 1, and words; stored at most a few times a second. */
  readonly progress: (fraction: number | null, text: string | null) => Effect.Effect<void>
  /** A line of the operation's own output. */
  readonly say: (line: string) => Effect.Effect<void>
  readonly isCancelled: Effect.Effect<boolean>
  /** Completes when it is to be cancelled. */
  readonly cancelled: Effect.Effect<void>
  /**
   * Ends the run when the daemon stops; a later one runs it again. To be raced with a wait for nothing but time, which
   * would else hold up the stop.
   */
  readonly untilStop: Effect.Effect<never, never, Durable>
}

export interface ChildOptions {
  /** It goes on, and may be asked for, when this operation is cancelled: it undoes what was done. */
  readonly keep?: boolean
  /** Given the child as it was submitted: when this completes, the child is cancelled. */
  readonly cancelWhen?: (child: Operation) => Effect.Effect<void>
}

/** A RunRequest without what the operation itself says. */
export type OperationCommand = Omit<
  RunRequest,
  "queueLength" | "onAbandon" | "onAdmitted" | "onTurn" | "onStarted" | "endWhen" | "unbounded" | "live" | "who" | "why"
> & {
  /** Told each line of stdout as it comes, decoded, without its end; the longest 64 KiB. */
  readonly onLine?: (line: string) => Effect.Effect<void>
}

export interface OperationLimits {
  /** What is counted together, often the kind. */
  readonly group: string
  /** How many of the group run at once. */
  readonly concurrency: number
  /** How many of one kind and name run at once. */
  readonly perName: number
}

export interface OperationKind {
  readonly kind: string
  /** Asked at each turn: the configuration may have changed. */
  readonly limits: (name: string) => OperationLimits
  readonly run: (operation: Operation, context: OperationContext) => Effect.Effect<Json, OperationFailed, Durable>
}

export class OperationKinds extends Context.Service<OperationKinds, ReadonlyMap<string, OperationKind>>()(
  "systemapi/services/operations/OperationKinds"
) {}
