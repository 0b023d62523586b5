/**
 * Workflows over HTTP: submitted by their type, with parameters that are checked one by one before anything is stored; seen
 * with their steps; cancelled, which undoes what was done. A workflow is an operation of its kind: the id of another is none
 * here.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import { isFinal, type Operation } from "../../services/operations/Operation.ts"
import type { Operations } from "../../services/operations/Operations.ts"
import type { OperationStore } from "../../services/operations/OperationStore.ts"
import { workflowOf, workflowTypes } from "../../services/workflows/builtInWorkflows.ts"
import { planFaults } from "../../services/workflows/checkPlan.ts"
import { planWorkflow } from "../../services/workflows/planWorkflow.ts"
import { NewWorkflow } from "../../services/workflows/requests.ts"
import { workflowKindName } from "../../services/workflows/workflowKind.ts"
import { inputOf, stepsOf } from "../../services/workflows/workflowView.ts"
import type { provisioningEndpoints } from "../api/endpoints.ts"
import type { WorkflowDetails, WorkflowEntry, WorkflowStatus } from "../api/provisioning/Workflows.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure, invalid } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { jsonReader } from "../edge/readJson.ts"
import type { Handlers } from "../edge/routes.ts"
import { operationFailure } from "../operations/failures.ts"
import { idempotencyOf } from "../operations/idempotency.ts"
import { operationEntry } from "../operations/operationEntry.ts"
import { endOf, operationPage } from "../operations/operationHandlers.ts"
import { integerParam, parseOperationQuery, waitSecondsMax } from "../operations/operationParams.ts"
import { accepted, submit, whoOf } from "../operations/submitting.ts"

export interface WorkflowHandlerServices {
  readonly config: CurrentConfig["Service"]
  readonly operations: Operations["Service"]
  readonly store: Pick<OperationStore["Service"], "children">
}

/** Parameters are bounded one by one; all of them at their longest are a mistake. */
const bodyMaxBytes = 1024 * 1024

/** A reader who gets more of them corrects these first. */
const faultsShownMax = 20

const readNewWorkflow = jsonReader(NewWorkflow, { maxBytes: bodyMaxBytes, unknown: "ignore" })

export const makeWorkflowHandlers = ({
  config,
  operations,
  store
}: WorkflowHandlerServices): Handlers<typeof provisioningEndpoints.workflows> => {
  /** The workflow of the path. */
  const find = Effect.fnUntraced(function* (call: Call): Effect.fn.Return<Operation, HttpFailure> {
    const asked = call.params["workflow"] ?? ""
    const notThere = failure(404, `there is no workflow ${JSON.stringify(asked.slice(0, 64))}`)
    const found = yield* Effect.mapError(operations.get(asked.toLowerCase()), (error) =>
      error._tag === "OperationNotFound" ? notThere : operationFailure(error)
    )
    return found.kind === workflowKindName ? found : yield* notThere
  })

  const entryOf = (operation: Operation): typeof WorkflowEntry.Type => {
    const input = inputOf(operation)
    return {
      ...operationEntry(operation, operations),
      workspace: input?.workspace ?? null,
      workflow_type: operation.name,
      parameters: input?.parameters ?? {}
    }
  }

  const steps = (operation: Operation) => Effect.mapError(stepsOf(operation, store), operationFailure)

  return {
    listWorkflows: (call) =>
      Effect.flatMap(Effect.fromResult(parseOperationQuery(call.query)), (query) =>
        Effect.mapError(operationPage(operations, { ...query, kind: workflowKindName }, entryOf), operationFailure)
      ),

    submitWorkflow: Effect.fnUntraced(function* (call) {
      const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
      const { check_mode, parameters, workflow_type, workspace } = yield* readNewWorkflow(call)
      const { actions, workflows } = config.get()
      const definition = workflowOf(workflows, workflow_type)
      if (definition === undefined) {
        const shown = JSON.stringify(workflow_type.slice(0, 64))
        return yield* invalid(`workflow_type: found ${shown}, allowed: ${workflowTypes(workflows).join(", ")}`)
      }
      const asked = { workspace, parameters: parameters ?? {}, check_mode: check_mode ?? false }
      const input = yield* Effect.fromResult(Result.mapError(planWorkflow(definition, asked), refused))
      const faults = planFaults(input, actions)
      if (faults.length > 0) return yield* refused(faults)
      const submitted = submit(operations, call, { kind: workflowKindName, name: definition.name, input, idempotency })
      return accepted(operations, call, yield* submitted)
    }),

    getWorkflow: Effect.fnUntraced(function* (call) {
      const seconds = yield* Effect.fromResult(integerParam(call.query, "wait", [0, waitSecondsMax], 0))
      const { id } = yield* find(call)
      const operation = yield* Effect.mapError(endOf(operations, id, Duration.seconds(seconds)), operationFailure)
      const body: typeof WorkflowDetails.Type = { ...entryOf(operation), steps: yield* steps(operation) }
      return jsonResponse(body)
    }),

    workflowStatus: Effect.fnUntraced(function* (call) {
      const operation = yield* find(call)
      const under = (yield* steps(operation)).filter(({ status }) => status === "running" || status === "compensating")
      const { id, progress, status } = operationEntry(operation, operations)
      const body: typeof WorkflowStatus.Type = { id, status, progress, current_steps: under.map(({ name }) => name) }
      return jsonResponse(body)
    }),

    cancelWorkflow: Effect.fnUntraced(function* (call) {
      const { id } = yield* find(call)
      const { accepted: isAccepted, operation } = yield* Effect.mapError(
        operations.cancel(id, whoOf(call)),
        operationFailure
      )
      if (!isAccepted) return yield* failure(409, `it has ended: ${operation.status}`)
      return jsonResponse(entryOf(operation), isFinal(operation.status) ? 200 : 202)
    })
  }
}

const refused = (faults: ReadonlyArray<string>): HttpFailure => {
  const more = faults.length > faultsShownMax ? `; and ${faults.length - faultsShownMax} more` : ""
  return invalid(`${faults.slice(0, faultsShownMax).join("; ")}${more}`)
}
