/** Operations as the rest of the daemon sees them. Served by the actor Operations. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { LiveOutput } from "../commands/OutputLog.ts"
import type { FinalStatus, NewOperation, Operation, OperationStatus } from "./Operation.ts"

/** No operation has this id: none ever had, or it ended so long ago that it is not kept. */
export class OperationNotFound extends Schema.TaggedError<OperationNotFound>()("OperationNotFound", {
  id: Schema.String
}) {
  override get message() {
    return `there is no operation ${JSON.stringify(this.id.slice(0, 64))}`
  }
}

/** As many wait as may. */
export class TooManyOperations extends Schema.TaggedError<TooManyOperations>()("TooManyOperations", {
  pending: Schema.Int,
  retry_after_seconds: Schema.Int
}) {
  override get message() {
    return `${this.pending} operations wait already; try again in ${this.retry_after_seconds} s`
  }
}

/** The key was used for something else. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", {
  key: Schema.String
}) {
  override get message() {
    return `the Idempotency-Key ${JSON.stringify(this.key)} was used with another request`
  }
}

/** They cannot be stored or read at the moment. */
export class OperationsUnavailable extends Schema.TaggedError<OperationsUnavailable>()("OperationsUnavailable", {
  reason: Schema.String,
  /** No room on the disk. */
  full: Schema.Boolean
}) {
  override get message() {
    return `operations: ${this.reason}`
  }
}

export interface Submitted {
  readonly operation: Operation
  /** It is there already: the same key asked for it before. */
  readonly replayed: boolean
}

export interface OperationQuery {
  readonly statuses: ReadonlyArray<OperationStatus> | null
  readonly kind: string | null
  readonly who: string | null
  /** Newest first, those with a smaller seq; null: from the newest on. */
  readonly before: number | null
  readonly limit: number
}

export interface OperationCounts {
  readonly pending: number
  readonly running: number
  /** Kept, whatever their status. */
  readonly total: number
  /** Of kept output. */
  readonly outputBytes: number
}

/** What became of the wish to cancel: one that has ended stays as it is. */
export interface CancelResult {
  readonly operation: Operation
  readonly accepted: boolean
}

export class Operations extends Context.Service<
  Operations,
  {
    /** Durable when it succeeds. */
    readonly submit: (
      asked: Omit<NewOperation, "id">
    ) => Effect.Effect<Submitted, TooManyOperations | IdempotencyConflict | OperationsUnavailable>
    readonly get: (id: string) => Effect.Effect<Operation, OperationNotFound | OperationsUnavailable>
    readonly list: (query: OperationQuery) => Effect.Effect<ReadonlyArray<Operation>, OperationsUnavailable>
    /** As soon as it has ended, and as it is when the time is over. */
    readonly wait: (
      id: string,
      atMost: Duration.Duration
    ) => Effect.Effect<Operation, OperationNotFound | OperationsUnavailable>
    /** Best effort: one that waits is cancelled, one that runs is told to end. */
    readonly cancel: (id: string, who: string) => Effect.Effect<CancelResult, OperationNotFound | OperationsUnavailable>
    /** 1: it is the next of its kind and name; undefined: it does not wait. */
    readonly position: (operation: Operation) => number | undefined
    /** What it has written: live while it runs, what was kept of it afterwards. */
    readonly output: (id: string) => Effect.Effect<LiveOutput, OperationNotFound | OperationsUnavailable>
    readonly counts: Effect.Effect<OperationCounts, OperationsUnavailable>
    /** How many have ended so since the daemon's start. */
    readonly endings: () => Readonly<Record<FinalStatus, number>>
  }
>()("systemapi/services/operations/Operations") {}
