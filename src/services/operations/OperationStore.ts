/**
 * What is kept of operations: the operations themselves, the journal of what they have done, their output. Durable when
 * a change succeeds. Free of what is underneath: SQLite in the storage thread today, a database of several daemons later.
 *
 * Every change of an operation's status is a comparison and a change in one: who comes too late is told, and changes nothing.
 * `OperationsUnavailable` from a change means that nobody knows whether it was made: ask, or do it again. `submit` with the
 * same id gives the operation that there is; `begin` and `end` that were made after all answer false, and `get` tells.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { KeptOutput } from "../commands/OutputLog.ts"
import type { FinalStatus, Json, NewOperation, Operation, OperationFault } from "./Operation.ts"
import type {
  IdempotencyConflict,
  OperationCounts,
  OperationQuery,
  OperationsUnavailable,
  Submitted,
  TooManyOperations
} from "./Operations.ts"

/** One thing that a run of an operation has begun, and how that ended. */
export interface JournalEntry {
  readonly operation: string
  /** Unique within the operation: what it is, its name, its attempt. */
  readonly key: string
  readonly begunAt: number
  /** An encoded Exit; null: it has not ended, as far as is known. */
  readonly exit: Json
  /** The process that was started for it. */
  readonly process: ProcessMark | null
}

/** Names a process for all time: its number alone is soon another's. */
export interface ProcessMark {
  /** Of the process, and of its group. */
  readonly pid: number
  /** Field 22 of /proc/PID/stat: clock ticks from the boot to its start. */
  readonly startTicks: string
  /** /proc/sys/kernel/random/boot_id */
  readonly bootId: string
}

export interface Ending {
  readonly status: FinalStatus
  readonly result: Json
  readonly error: OperationFault | null
  /** Null: what is kept stays. */
  readonly output: KeptOutput | null
}

export interface OperationRetention {
  /** Of operations that have ended. */
  readonly maxCount: number
  readonly maxAgeMs: number
  /** Of kept output. */
  readonly maxBytes: number
}

export class OperationStore extends Context.Service<
  OperationStore,
  {
    readonly submit: (
      asked: NewOperation,
      now: number,
      maxPending: number
    ) => Effect.Effect<Submitted, TooManyOperations | IdempotencyConflict | OperationsUnavailable>
    /** From pending to running; false: it was not pending. */
    readonly begin: (id: string, now: number) => Effect.Effect<boolean, OperationsUnavailable>
    readonly progress: (
      id: string,
      fraction: number | null,
      text: string | null,
      now: number
    ) => Effect.Effect<void, OperationsUnavailable>
    /** To a final status; false: it has one already. Its journal is removed. */
    readonly end: (id: string, ending: Ending, now: number) => Effect.Effect<boolean, OperationsUnavailable>
    /** One that is pending has ended with that; null: there is none. */
    readonly requestCancel: (
      id: string,
      who: string,
      now: number
    ) => Effect.Effect<Operation | null, OperationsUnavailable>
    readonly get: (id: string) => Effect.Effect<Operation | null, OperationsUnavailable>
    readonly list: (query: OperationQuery) => Effect.Effect<ReadonlyArray<Operation>, OperationsUnavailable>
    /** Pending and running ones, oldest first, those with a larger seq. */
    readonly unfinished: (
      after: number,
      limit: number
    ) => Effect.Effect<ReadonlyArray<Operation>, OperationsUnavailable>
    /** Those that it asked for and that are kept, oldest first. */
    readonly children: (parent: string) => Effect.Effect<ReadonlyArray<Operation>, OperationsUnavailable>
    readonly counts: Effect.Effect<OperationCounts, OperationsUnavailable>
    /** In the order in which they were begun. */
    readonly journal: (operation: string) => Effect.Effect<ReadonlyArray<JournalEntry>, OperationsUnavailable>
    /** Makes or replaces the entry; what has ended has none. */
    readonly note: (entry: JournalEntry) => Effect.Effect<void, OperationsUnavailable>
    readonly output: (id: string) => Effect.Effect<KeptOutput | null, OperationsUnavailable>
    /** What a running one has written so far, in the place of what was kept before. */
    readonly keepOutput: (id: string, output: KeptOutput) => Effect.Effect<void, OperationsUnavailable>
    /**
     * Removes some of what is beyond the limits, in the order of the ends; true: there is more. What one that has not ended
     * has asked for stays with it.
     */
    readonly prune: (limits: OperationRetention, now: number) => Effect.Effect<boolean, OperationsUnavailable>
  }
>()("systemapi/services/operations/OperationStore") {}
