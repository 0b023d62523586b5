/**
 * A run of an action that is an operation, because the request wants to be answered before its end (`Prefer:
 * respond-async`, `?async=1`) or to be the same run when it is sent again (`Idempotency-Key`).
 *
 * Who wants to be answered early gets 202 and the operation, unless that has ended within the time they would wait. Who has
 * a key and no such wish is answered as ever, at the end, however long that takes; a client that leaves ends nothing, for
 * it may come back. When the daemon stops first, 503 says so: sent again, the request finds its run.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { actionKindName } from "../../services/actions/actionKind.ts"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import type { Idempotency, Json, Operation } from "../../services/operations/Operation.ts"
import { isFinal } from "../../services/operations/Operation.ts"
import type { Operations } from "../../services/operations/Operations.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { stopping } from "../listener/Listener.ts"
import { operationFailure } from "../operations/failures.ts"
import { idempotencyOf } from "../operations/idempotency.ts"
import { endOf } from "../operations/operationHandlers.ts"
import { type AsyncPreference, asyncPreference } from "../operations/preferences.ts"
import { accepted, locationOf, replayedField, submit } from "../operations/submitting.ts"

type Response = HttpServerResponse.HttpServerResponse

/** How a request wants to be answered. */
export interface AsOperation {
  readonly preference: AsyncPreference | undefined
  readonly idempotency: Idempotency | null
}

export interface ActionRun {
  readonly name: string
  readonly args: Readonly<Record<string, string | number | boolean>>
  /** What the request is answered at the end, where the command was run. */
  readonly answer: (operation: Operation) => Effect.Effect<Response, HttpFailure>
}

/** Of one look: how long is up to the operation. */
const waitAtOnce = Duration.hours(1)

export const makeActionOperations = (operations: Operations["Service"], config: CurrentConfig["Service"]) => {
  /** Undefined: it is run as ever, and is no operation. Reads the body if there is a key. */
  const wishes = Effect.fnUntraced(function* (
    call: Call,
    bodyMaxBytes: number
  ): Effect.fn.Return<AsOperation | undefined, HttpFailure> {
    const preference = yield* Effect.fromResult(asyncPreference(call))
    const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
    return preference === undefined && idempotency === null ? undefined : { preference, idempotency }
  })

  const untilEnd = (id: string): ReturnType<typeof operations.wait> =>
    Effect.filterOrElse(
      operations.wait(id, waitAtOnce),
      ({ status }) => isFinal(status),
      () => untilEnd(id)
    )

  /** The end, or how it is when half of the grace of the stop is over: the rest is for the answer. */
  const endOrStop = (id: string) =>
    Effect.flatMap(stopping, (stop) =>
      Effect.raceFirst(
        untilEnd(id),
        Deferred.await(stop).pipe(
          Effect.andThen(Effect.sleep(Duration.millis(config.get().limits.stop_timeout_ms / 2))),
          Effect.andThen(operations.get(id))
        )
      )
    )

  const run = Effect.fnUntraced(function* (
    call: Call,
    { answer, args, name }: ActionRun,
    { idempotency, preference }: AsOperation
  ) {
    const asked = { kind: actionKindName, name, input: { args } satisfies Json, idempotency }
    const submitted = yield* submit(operations, call, asked)
    const { id } = submitted.operation
    const fields = {
      ...replayedField(submitted.replayed),
      ...(preference?.applied === undefined ? {} : { "preference-applied": preference.applied })
    }
    const answered = (operation: Operation) =>
      Effect.mapBoth(operation.result === null ? notRun(name, operation) : answer(operation), {
        onFailure: (error) => failure(error.status, error.message, { ...error.headers, ...fields }, error.word),
        onSuccess: (response) => HttpServerResponse.setHeaders(response, fields)
      })
    if (preference === undefined) {
      const operation = yield* Effect.mapError(endOrStop(id), operationFailure)
      if (isFinal(operation.status)) return yield* answered(operation)
      return yield* failure(503, `${name} has not ended yet, and the daemon stops: send the same request again`, {
        ...fields,
        location: locationOf(call, id),
        "retry-after": "1"
      })
    }
    const seconds = Duration.seconds(preference.waitSeconds)
    const operation = Duration.isZero(seconds)
      ? submitted.operation
      : yield* Effect.mapError(endOf(operations, id, seconds), operationFailure)
    if (preference.waitSeconds > 0 && isFinal(operation.status)) return yield* answered(operation)
    return HttpServerResponse.setHeaders(accepted(operations, call, { ...submitted, operation }), fields)
  })

  return { wishes, run }
}

/** It has ended, and no command of it has. */
const notRun = (name: string, { error, status }: Operation): Effect.Effect<never, HttpFailure> => {
  if (status === "cancelled") return Effect.fail(failure(409, `${name} was cancelled`))
  const message = error?.message ?? "nobody knows why"
  switch (error?.code) {
    case "not_found":
      return Effect.fail(failure(400, message))
    case "invalid_input":
      return Effect.fail(failure(400, `action ${name}: ${message}`))
    default:
      return Effect.fail(failure(500, `Failed to execute action: ${name} - error: ${message}`))
  }
}
