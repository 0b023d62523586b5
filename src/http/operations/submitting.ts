/**
 * Asks for an operation on behalf of a request, and answers with it: 202, where to find it, and how it is.
 *
 * A handler reads its key first, its body next, and checks what was sent; what depends on the state of things the
 * operation checks when its turn has come. A request that is sent again would else be refused for what it has done:
 *
 *     const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
 *     const input = yield* readInput(call)
 *     const submitted = yield* submit(operations, call, { kind, name, input, idempotency })
 *     return accepted(operations, call, submitted)
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { anonymousId } from "../../services/identity/Principal.ts"
import type { NewOperation } from "../../services/operations/Operation.ts"
import type { Operations, Submitted } from "../../services/operations/Operations.ts"
import type { Call } from "../edge/Call.ts"
import { isVersioned } from "../edge/errorBody.ts"
import type { HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { justificationOf } from "../edge/justification.ts"
import { operationFailure } from "./failures.ts"
import { operationEntry, type Positions } from "./operationEntry.ts"

/** Whom the operation names as its maker. */
export const whoOf = (call: Call): string => call.who ?? anonymousId

/** Durable when it succeeds. */
export const submit = (
  operations: Pick<Operations["Service"], "submit">,
  call: Call,
  asked: Pick<NewOperation, "kind" | "name" | "input" | "idempotency">
): Effect.Effect<Submitted, HttpFailure> => {
  const justification = justificationOf(call)
  const why = "said" in justification ? (justification.said ?? null) : null
  return Effect.mapError(operations.submit({ ...asked, who: whoOf(call), why, parent: null }), operationFailure)
}

/** In the API that was asked: nobody is sent to a listener's other APIs, which may not be there. */
export const locationOf = (call: Call, id: string): string =>
  `${isVersioned(call.path) ? "/v1" : "/api/v1"}/operations/${id}`

/**
 * The same for who asks again with the same key, but for the field that says so. An API without operations of its own says
 * where else the operation is shown.
 */
export const accepted = (
  operations: Positions,
  call: Call,
  { operation, replayed }: Submitted,
  location: string = locationOf(call, operation.id)
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeaders(jsonResponse(operationEntry(operation, operations), 202), {
    location,
    ...replayedField(replayed)
  })

export const replayedField = (replayed: boolean): Readonly<Record<string, string>> =>
  replayed ? { "idempotent-replayed": "true" } : {}
