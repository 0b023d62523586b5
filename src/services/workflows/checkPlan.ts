/**
 * What can be said of a planned workflow before anything of it runs: whether what its steps are given is what the actions
 * and operations take. What depends on the results of earlier steps is found out when these are there.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Arguments from "../commands/Arguments.ts"
import type { ActionConfig } from "../config/Config.ts"
import { describeSchemaError } from "../describeSchemaError.ts"
import { DeleteServer, DeleteTaskserv, NewServer, NewTaskserv } from "../provisioning/requests.ts"
import { isStepReference, type StepOperation } from "./Definition.ts"
import { partsOf, taskOf } from "./stepTasks.ts"
import type { PlannedInput, PlannedStep, PlannedValue, WorkflowInput } from "./WorkflowInput.ts"

type Decode = (input: unknown) => Result.Result<unknown, Schema.SchemaError>

const requests: Readonly<Record<StepOperation, Decode>> = {
  "server.create": Schema.decodeUnknownResult(NewServer),
  "server.delete": Schema.decodeUnknownResult(DeleteServer),
  "taskserv.create": Schema.decodeUnknownResult(NewTaskserv),
  "taskserv.delete": Schema.decodeUnknownResult(DeleteTaskserv)
}

/** A line for each step that would fail whatever happens. */
export const planFaults = (input: WorkflowInput, actions: ReadonlyMap<string, ActionConfig>): ReadonlyArray<string> =>
  input.steps.flatMap((step) => {
    const fault = stepFault(step, input, actions)
    return fault === undefined ? [] : [`step ${step.name}: ${fault}`]
  })

const stepFault = (
  step: PlannedStep,
  { steps, workspace }: WorkflowInput,
  actions: ReadonlyMap<string, ActionConfig>
): string | undefined => {
  const { action, operation } = step
  if (action !== null) return actionFault(actions.get(action), action, step.input)
  if (operation === null || Object.values(step.input).some(refers)) return undefined
  // The last part has the longest name.
  const task = taskOf(step, partsOf(step), workspace, new Map(), steps)
  if (Result.isFailure(task)) return task.failure
  const decoded = requests[operation](task.success.input)
  return Result.isFailure(decoded) ? describeSchemaError(decoded.failure) : undefined
}

/** An action may have changed since the workflow was configured, or be gone, with a reload. */
const actionFault = (action: ActionConfig | undefined, name: string, input: PlannedInput): string | undefined => {
  if (action === undefined) return `there is no action ${JSON.stringify(name)}`
  for (const spec of action.args) {
    const value = input[spec.name]
    if (value === undefined || refers(value)) continue
    const checked = Result.flatMap(Arguments.compile([spec]), ({ validate }) => validate({ [spec.name]: value }))
    if (Result.isFailure(checked)) return checked.failure.message
  }
  return undefined
}

const refers = (value: PlannedValue | ReadonlyArray<PlannedValue>): boolean =>
  Array.isArray(value) ? value.some((entry) => isStepReference(entry)) : isStepReference(value)
