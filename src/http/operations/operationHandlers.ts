/**
 * Operations over HTTP: the list, one of them (at once, or as soon as it has ended), and the wish to cancel one.
 *
 * Bounds: a page holds `limit` entries and `pageBytesMax` of text, for a result may be large; it is read from the store
 * `readAtOnce` at a time, so that a page of large ones is not in memory as a whole before it is cut. A page may so have
 * fewer entries than asked for: X-Next-Cursor alone says that there are no more.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { isFinal, type Operation } from "../../services/operations/Operation.ts"
import type { OperationQuery, Operations, OperationsUnavailable } from "../../services/operations/Operations.ts"
import { failure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler } from "../edge/routes.ts"
import { stopping } from "../listener/Listener.ts"
import { operationFailure } from "./failures.ts"
import { operationEntry } from "./operationEntry.ts"
import { integerParam, parseOperationQuery, waitSecondsMax } from "./operationParams.ts"
import { whoOf } from "./submitting.ts"
import { mayKnow, operationOf } from "./visible.ts"

const pageBytesMax = 1024 * 1024

/** Of a result's 2 MiB at the worst; a page of small ones takes two requests to the store. */
const readAtOnce = 64

type Service = Operations["Service"]

/** Of what matches, entries until there are enough, and where the rest begins. */
export const operationPage = Effect.fnUntraced(function* (
  operations: Pick<Service, "list">,
  query: OperationQuery,
  render: (operation: Operation) => unknown,
  isShown: (operation: Operation) => boolean = () => true
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, OperationsUnavailable> {
  const entries: Array<string> = []
  let bytes = 0
  let before = query.before
  for (;;) {
    const limit = Math.min(readAtOnce, query.limit - entries.length + 1)
    const read = yield* operations.list({ ...query, before, limit })
    for (const operation of read) {
      if (entries.length === query.limit || bytes >= pageBytesMax) return pageResponse(entries, before)
      before = operation.seq
      if (!isShown(operation)) continue
      const text = JSON.stringify(render(operation))
      entries.push(text)
      bytes += text.length
    }
    if (read.length < limit) return pageResponse(entries, null)
  }
})

const pageResponse = (entries: ReadonlyArray<string>, next: number | null): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`[${entries.join(",")}]\n`, {
    contentType: "application/json",
    ...(next === null ? {} : { headers: { "x-next-cursor": String(next) } })
  })

export const makeOperationHandlers = (operations: Service) => {
  const render = (operation: Operation) => operationEntry(operation, operations)

  const listOperations: Handler = (call) =>
    Effect.flatMap(Effect.fromResult(parseOperationQuery(call.query)), (query) =>
      Effect.mapError(operationPage(operations, query, render, mayKnow(call)), operationFailure)
    )

  const getOperation: Handler = Effect.fnUntraced(function* (call) {
    const seconds = yield* Effect.fromResult(integerParam(call.query, "wait", [0, waitSecondsMax], 0))
    const ended = Effect.filterOrElse(
      operationOf(operations, call),
      ({ status }) => seconds === 0 || isFinal(status),
      ({ id }) => endOf(operations, id, Duration.seconds(seconds))
    )
    return jsonResponse(render(yield* Effect.mapError(ended, operationFailure)))
  })

  const cancelOperation: Handler = (call) =>
    Effect.matchEffect(
      Effect.flatMap(operationOf(operations, call), ({ id }) => operations.cancel(id, whoOf(call))),
      {
        onFailure: (error) => Effect.fail(operationFailure(error)),
        onSuccess: ({ accepted, operation }) =>
          accepted
            ? Effect.succeed(jsonResponse(render(operation), isFinal(operation.status) ? 200 : 202))
            : Effect.fail(failure(409, `it has ended: ${operation.status}`))
      }
    )

  return { listOperations, getOperation, cancelOperation }
}

/** As it is when it has ended, the time is over, or the listener begins to stop. */
export const endOf = (operations: Pick<Service, "get" | "wait">, id: string, atMost: Duration.Duration) =>
  Duration.isZero(atMost)
    ? operations.get(id)
    : Effect.flatMap(stopping, (end) =>
        Effect.raceFirst(operations.wait(id, atMost), Effect.andThen(Deferred.await(end), operations.get(id)))
      )
