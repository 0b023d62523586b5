/**
 * What is shown of a workflow beside its operation. The steps of one that has ended are in its result; of one that has not,
 * and of one that ended without running, they are made of the operations it has asked for, as the run itself does.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isFinal, type Operation } from "../operations/Operation.ts"
import type { OperationsUnavailable } from "../operations/Operations.ts"
import type { OperationStore } from "../operations/OperationStore.ts"
import { decide } from "./decide.ts"
import { historyOf } from "./history.ts"
import { StepState, stepStates } from "./stepStates.ts"
import { WorkflowInput } from "./WorkflowInput.ts"

const decodeInput = Schema.decodeUnknownOption(WorkflowInput)

const decodeResult = Schema.decodeUnknownOption(Schema.Struct({ steps: Schema.Array(StepState) }))

/** Undefined: it was stored by another version of the daemon, in a form that this one does not know. */
export const inputOf = ({ input }: Operation): WorkflowInput | undefined => Option.getOrUndefined(decodeInput(input))

export const stepsOf = (
  operation: Operation,
  { children }: Pick<OperationStore["Service"], "children">
): Effect.Effect<ReadonlyArray<StepState>, OperationsUnavailable> =>
  Effect.gen(function* () {
    const kept = isFinal(operation.status) ? decodeResult(operation.result) : Option.none()
    if (Option.isSome(kept)) return kept.value.steps
    const input = inputOf(operation)
    if (input === undefined) return []
    const history = historyOf(operation.id, input, yield* children(operation.id))
    const now = yield* Clock.currentTimeMillis
    const situation = {
      startedAt: operation.startedAt ?? now,
      cancelledAt: operation.cancelRequestedAt,
      over: isFinal(operation.status),
      now
    }
    return stepStates(decide(input, history, situation), history)
  })
