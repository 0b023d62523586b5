/** An operation on the wire: the same for every API, and for each answer that has one in it. */
import type { Operation, OperationFault } from "../../services/operations/Operation.ts"
import type { Operations } from "../../services/operations/Operations.ts"
import type { OperationEntry, OperationFaultEntry } from "../api/Operations.ts"
import { timeText } from "../identity/times.ts"

/** Who waits, and where in the queue, only the actor knows. */
export type Positions = Pick<Operations["Service"], "position">

/** In the order of the contract's members, which come first. */
export const operationEntry = (operation: Operation, { position }: Positions): typeof OperationEntry.Type => ({
  id: operation.id,
  status: operation.status,
  created_at: timeText(operation.createdAt),
  updated_at: timeText(operation.updatedAt),
  result: operation.result,
  error: operation.error === null ? null : faultEntry(operation.error),
  kind: operation.kind,
  name: operation.name,
  created_by: operation.who,
  why: operation.why,
  parent: operation.parent,
  progress:
    operation.progress === null && operation.progressText === null
      ? null
      : { fraction: operation.progress, text: operation.progressText },
  started_at: timeOrNull(operation.startedAt),
  ended_at: timeOrNull(operation.endedAt),
  cancel_requested_at: timeOrNull(operation.cancelRequestedAt),
  queue_position: position(operation) ?? null,
  input: operation.input
})

const faultEntry = ({ code, details, message }: OperationFault): typeof OperationFaultEntry.Type => ({
  error: code,
  message,
  ...(details === undefined ? {} : { details })
})

const timeOrNull = (atMs: number | null): string | null => (atMs === null ? null : timeText(atMs))
