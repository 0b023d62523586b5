/**
 * An operation: work with a name of its own, that is found again after its request, and after a restart, is over. This is
 * what is known of one; what can be done with them is in Operations.ts, what is kept of them in OperationStore.ts.
 *
 * It is pending, then running, then completed, failed or cancelled, and stays that.
 */
import * as Schema from "effect/Schema"
import type { OperationStatus } from "./statuses.ts"

export type Json = Schema.Json

export { type FinalStatus, finalStatuses, isFinal, type OperationStatus, operationStatuses } from "./statuses.ts"

/**
 * Why an operation has failed. `code` is a word that programs compare, in small letters: `command_failed`, `timed_out`,
 * `not_started`, `not_permitted`, `interrupted_by_restart`, `cancelled`, `invalid_input`, `not_found`, `already_exists`,
 * `conflict`, `no_address`, `invalid_result`, `template_failed`, `step_failed`, `unavailable`, `internal`; `details` is what
 * was known.
 */
export class OperationFailed extends Schema.TaggedError<OperationFailed>()("OperationFailed", {
  code: Schema.String,
  message: Schema.String,
  details: Schema.optionalKey(Schema.JsonObject),
  /** Kept as the operation's result: what came of it all the same. */
  result: Schema.optionalKey(Schema.Json)
}) {}

/** What is kept of an `OperationFailed`. */
export interface OperationFault {
  readonly code: string
  readonly message: string
  readonly details?: Schema.JsonObject
}

/** What asks for an operation. */
export interface NewOperation {
  /** UUID. */
  readonly id: string
  /** `action`, `server.create`, `workflow`: who knows how to run it (OperationKinds.ts). */
  readonly kind: string
  /** Of the thing it is about: those of one kind and name begin in the order in which they were asked for. */
  readonly name: string
  /** What its kind needs to run it, and no secrets: it is stored, and shown. */
  readonly input: Json
  /** Whom the log names, `anonymous` too. */
  readonly who: string
  /** As the request's X-Justification. */
  readonly why: string | null
  /** Id of the operation that asked for it. */
  readonly parent: string | null
  readonly idempotency: Idempotency | null
}

/** One key of one person stands for one request. */
export interface Idempotency {
  /** Principal.owner. */
  readonly owner: string
  readonly key: string
  /** SHA-256 of what was asked for. */
  readonly fingerprint: string
}

export interface Operation extends NewOperation {
  /** Counts from 1 in the order in which they were asked for. */
  readonly seq: number
  readonly status: OperationStatus
  /** 0 to 1. */
  readonly progress: number | null
  readonly progressText: string | null
  readonly result: Json
  readonly error: OperationFault | null
  /** UNIX times in milliseconds. */
  readonly createdAt: number
  readonly updatedAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  readonly cancelRequestedAt: number | null
  readonly cancelRequestedBy: string | null
}
