/** Rows of the operations table as they cross threads. */
import type { SQLOutputValue } from "node:sqlite"
import { isFinal, type OperationStatus, operationStatuses } from "../../operations/statuses.ts"
import { numberOf, numberOrNone, textOf, textOrNone } from "../columns.ts"
import type { StoredOperation } from "./commands.ts"

export const operationColumns =
  "seq, id, kind, name, input, who, why, parent, owner, idempotency_key, fingerprint, status, progress, progress_text, " +
  "result, error, created_at, updated_at, started_at, ended_at, cancel_requested_at, cancel_requested_by"

export type Row = Record<string, SQLOutputValue>

/** As the table has it. */
export const numberOfStatus = (status: OperationStatus): number => operationStatuses.indexOf(status)

export const pendingNumber = numberOfStatus("pending")
export const runningNumber = numberOfStatus("running")
/** Of those that have not ended, in SQL. */
export const unfinishedNumbers = operationStatuses.flatMap((status, i) => (isFinal(status) ? [] : [i])).join()

const statusOf = (number: number): OperationStatus => {
  const status = operationStatuses[number]
  if (status === undefined) throw new Error(`the operations file names an unknown status, ${number}`)
  return status
}

export const toOperation = (row: Row): StoredOperation => {
  const key = textOrNone(row["idempotency_key"])
  return {
    seq: numberOf(row["seq"]),
    id: textOf(row["id"]),
    kind: textOf(row["kind"]),
    name: textOf(row["name"]),
    input: textOf(row["input"]),
    who: textOf(row["who"]),
    why: textOrNone(row["why"]) ?? null,
    parent: textOrNone(row["parent"]) ?? null,
    idempotency:
      key === undefined ? null : { owner: textOf(row["owner"]), key, fingerprint: textOf(row["fingerprint"]) },
    status: statusOf(numberOf(row["status"])),
    progress: numberOrNone(row["progress"]) ?? null,
    progressText: textOrNone(row["progress_text"]) ?? null,
    result: textOf(row["result"]),
    error: textOrNone(row["error"]) ?? null,
    createdAt: numberOf(row["created_at"]),
    updatedAt: numberOf(row["updated_at"]),
    startedAt: numberOrNone(row["started_at"]) ?? null,
    endedAt: numberOrNone(row["ended_at"]) ?? null,
    cancelRequestedAt: numberOrNone(row["cancel_requested_at"]) ?? null,
    cancelRequestedBy: textOrNone(row["cancel_requested_by"]) ?? null
  }
}
