/**
 * Starts, stops and restarts units: each request is an operation, which does it when its turn has come. Only what the
 * unit's entry allows; everything else is refused before anything is asked for.
 *
 * What became of it is told here too, beside the unit: a listener may serve this API and no other.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { UnitVerb } from "../../services/config/UnitSection.ts"
import { isFinal, type Operation } from "../../services/operations/Operation.ts"
import { OperationNotFound } from "../../services/operations/Operations.ts"
import { unitControlKind } from "../../services/units/unitControl.ts"
import type { Call } from "../edge/Call.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler } from "../edge/routes.ts"
import { forbidden } from "../identity/recording.ts"
import { operationFailure } from "../operations/failures.ts"
import { idempotencyOf } from "../operations/idempotency.ts"
import { operationEntry } from "../operations/operationEntry.ts"
import { endOf } from "../operations/operationHandlers.ts"
import { integerParam, waitSecondsMax } from "../operations/operationParams.ts"
import { accepted, submit } from "../operations/submitting.ts"
import { configuredUnit } from "./configuredUnit.ts"
import type { StatusServices } from "./statusRoutes.ts"

/** Nothing is read of a body; some clients send one all the same, such as `{}`. */
const bodyMaxBytes = 1024

export interface ControlServices extends Pick<StatusServices, "operations"> {
  readonly config: Pick<StatusServices["config"], "get">
}

export const makeControlHandlers = ({ config, operations }: ControlServices) => {
  const control =
    (verb: UnitVerb): Handler =>
    (call) =>
      Effect.gen(function* () {
        const unit = yield* configuredUnit(config, call)
        if (!unit.control.includes(verb)) return yield* forbidden(call, `${verb} is not allowed for ${unit.id}`)
        const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
        const submitted = yield* submit(operations, call, {
          kind: unitControlKind,
          name: unit.id,
          input: { verb },
          idempotency
        })
        return accepted(operations, call, submitted, `/services/${unit.id}/operations/${submitted.operation.id}`)
      })

  /** Of this unit, and what was asked for here. */
  const operationOf = (call: Call) => {
    const id = (call.params["operation"] ?? "").toLowerCase()
    const isIts = ({ kind, name }: Operation) => kind === unitControlKind && name === call.params["service"]
    return Effect.filterOrFail(operations.get(id), isIts, () => new OperationNotFound({ id }))
  }

  const serviceOperation: Handler = (call) =>
    Effect.gen(function* () {
      yield* configuredUnit(config, call)
      const seconds = yield* Effect.fromResult(integerParam(call.query, "wait", [0, waitSecondsMax], 0))
      const found = Effect.filterOrElse(
        operationOf(call),
        ({ status }) => seconds === 0 || isFinal(status),
        ({ id }) => endOf(operations, id, Duration.seconds(seconds))
      )
      return jsonResponse(operationEntry(yield* Effect.mapError(found, operationFailure), operations))
    })

  return {
    startService: control("start"),
    stopService: control("stop"),
    restartService: control("restart"),
    serviceOperation
  }
}
