/** What the errors of operations are over HTTP. */
import type {
  IdempotencyConflict,
  OperationNotFound,
  OperationsUnavailable,
  TooManyOperations
} from "../../services/operations/Operations.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"

export const operationFailure = (
  error: IdempotencyConflict | OperationNotFound | OperationsUnavailable | TooManyOperations
): HttpFailure => {
  switch (error._tag) {
    case "OperationNotFound":
      return failure(404, error.message)
    case "IdempotencyConflict":
      return failure(422, error.message, undefined, "IDEMPOTENCY_KEY_REUSED")
    case "TooManyOperations":
      return failure(429, error.message, { "retry-after": String(error.retry_after_seconds) }, "TOO_MANY_OPERATIONS")
    case "OperationsUnavailable":
      // The store is opened anew within a second.
      return error.full ? failure(507, error.message) : failure(503, error.message, { "retry-after": "1" })
  }
}
