/** What the errors of the inventory are over HTTP. */
import * as Effect from "effect/Effect"
import type { IdempotencyConflict, OperationsUnavailable } from "../../services/operations/Operations.ts"
import type { AlreadyProvisioned } from "../../services/provisioning/Inventory.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { operationFailure } from "../operations/failures.ts"

export const inventoryFailure = (
  error: AlreadyProvisioned | IdempotencyConflict | OperationsUnavailable
): HttpFailure => (error._tag === "AlreadyProvisioned" ? failure(409, error.message) : operationFailure(error))

/** The row of the path's id or name; what was asked for is shown, cut. */
export const found = <A>(
  row: Effect.Effect<A | null, OperationsUnavailable>,
  what: string,
  asked: string
): Effect.Effect<A, HttpFailure> =>
  Effect.filterOrFail(
    Effect.mapError(row, inventoryFailure),
    (value) => value !== null,
    () => failure(404, `there is no ${what} ${JSON.stringify(asked.slice(0, 64))}`)
  )
