/**
 * Processes of this machine as operations need them: which one has been started, so that it is known again, and ending
 * those that a killed daemon has left behind. Where the daemon touches the machine; tests have their own.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ProcessMark } from "../OperationStore.ts"

/** In the environment of each command of an operation, and of what it starts: the operation's id. */
export const operationVariable = "SYSTEMAPI_OPERATION_ID"

/** What an operation may have left behind. */
export interface Suspect {
  readonly operation: string
  /** Of its command, where it was known. */
  readonly process: ProcessMark | null
}

/** What was found of an operation, and ended. */
export interface Ended {
  readonly operation: string
  readonly pids: ReadonlyArray<number>
  /** They live on after KILL: the kernel holds them. */
  readonly left: ReadonlyArray<number>
}

export class Processes extends Context.Service<
  Processes,
  {
    /** Null: it is gone, or nothing can be known of it. */
    readonly mark: (pid: number) => Effect.Effect<ProcessMark | null>
    /** TERM to whatever is left of them, then KILL; bounded in time, and never a signal to somebody else's process. */
    readonly endLeftovers: (suspects: ReadonlyArray<Suspect>) => Effect.Effect<ReadonlyArray<Ended>>
  }
>()("systemapi/services/operations/leftovers/Processes") {}
