/**
 * Makes what is run of a definition and what a caller says: parameters checked one by one, each by its own rules and all
 * of them told, and put where the steps refer to them, as values. No text is made of them.
 *
 * Bounds: `partsMax` operations in all, retries and what undoes them apart; `planBytesMax` of what is stored.
 */
import * as Result from "effect/Result"
import * as Arguments from "../commands/Arguments.ts"
import type { ArgumentSpec } from "../config/ArgumentSchema.ts"
import {
  type Input,
  type InputValue,
  isParameterReference,
  partsMax,
  type Scalar,
  type WorkflowDefinition
} from "./Definition.ts"
import type { PlannedInput, PlannedStep, PlannedValue, WorkflowInput } from "./WorkflowInput.ts"

export interface Asked {
  readonly workspace: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly check_mode: boolean
}

/** A long parameter that every step is given is stored with each. */
const planBytesMax = 1024 * 1024

type Values = ReadonlyMap<string, Scalar>

/** Fails with what is wrong, a line for each. */
export const planWorkflow = (
  definition: WorkflowDefinition,
  asked: Asked
): Result.Result<WorkflowInput, ReadonlyArray<string>> => {
  const read = readParameters(definition, asked.parameters)
  if (Result.isFailure(read)) return Result.fail(read.failure)
  const values = read.success
  const steps = definition.steps.map((step): PlannedStep => {
    const { name, needs, retries, retry_delay_ms, task, timeout_ms } = step
    const count = step.count === undefined ? null : scalarOf(step.count, values)
    return {
      name,
      action: task._tag === "Action" ? task.action : null,
      operation: task._tag === "Operation" ? task.operation : null,
      input: inputOf(step.input, values),
      count: typeof count === "number" ? count : null,
      needs,
      retries,
      retry_delay_ms,
      timeout_ms,
      compensate:
        step.compensate === undefined
          ? null
          : { action: step.compensate.action, input: inputOf(step.compensate.input, values) }
    }
  })
  const faults = countFaults(steps)
  if (faults.length > 0) return Result.fail(faults)
  const plan: WorkflowInput = {
    workspace: asked.workspace,
    workflow_type: definition.name,
    parameters: Object.fromEntries(values),
    check_mode: asked.check_mode,
    timeout_ms: definition.timeout_ms,
    steps
  }
  const bytes = Buffer.byteLength(JSON.stringify(plan))
  return bytes > planBytesMax
    ? Result.fail([`parameters: put where they are used, they make ${bytes} bytes, allowed: ${planBytesMax}`])
    : Result.succeed(plan)
}

const readParameters = (
  { name: type, parameters }: WorkflowDefinition,
  given: Asked["parameters"]
): Result.Result<Values, ReadonlyArray<string>> => {
  const faults: Array<string> = []
  const values = new Map<string, Scalar>()
  const known = new Set(parameters.map(({ name }) => name))
  for (const name of Object.keys(given)) {
    if (known.has(name)) continue
    const shown = JSON.stringify(name.slice(0, 64).toWellFormed())
    const allowed = known.size === 0 ? "none" : [...known].join(", ")
    faults.push(`parameters: ${shown} is no parameter of ${type}, allowed: ${allowed}`)
  }
  for (const spec of parameters) {
    // Each on its own, so that a second one that is wrong is told too.
    const asked = Object.hasOwn(given, spec.name) ? { [spec.name]: given[spec.name] } : {}
    const checked = Result.flatMap(Arguments.compile([spec]), ({ validate }) => validate(asked))
    if (Result.isFailure(checked)) {
      const error = checked.failure
      faults.push(
        error._tag === "ArgumentError"
          ? `parameters.${spec.name}: found ${error.found}, allowed: ${error.allowed}`
          : `parameters.${spec.name}: ${error.message}`
      )
    } else {
      for (const { name, value } of checked.success) values.set(name, typed(spec, value))
    }
  }
  return faults.length > 0 ? Result.fail(faults) : Result.succeed(values)
}

/** Arguments are text in the end; here they keep what they are. */
const typed = ({ type }: ArgumentSpec, text: string): Scalar => {
  if (type === "int") return Number(text)
  return type === "bool" ? text === "true" : text
}

const countFaults = (steps: ReadonlyArray<PlannedStep>): ReadonlyArray<string> => {
  const counted = steps.filter(({ count }) => count !== null)
  const wrong = counted.filter(({ count }) => count !== null && (count < 1 || count > partsMax))
  if (wrong.length > 0) {
    return wrong.map(({ count, name }) => `step ${name}: its count is ${count}, allowed: 1 to ${partsMax}`)
  }
  const parts = steps.reduce((sum, { count }) => sum + (count ?? 1), 0)
  return parts > partsMax ? [`all counts together make ${parts} operations, allowed: ${partsMax}`] : []
}

const inputOf = (input: Input, values: Values): PlannedInput =>
  Object.fromEntries(
    Object.entries(input).map(([name, value]) => [
      name,
      isList(value) ? value.map((entry) => valueOf(entry, values)) : valueOf(value, values)
    ])
  )

const isList = (value: InputValue | ReadonlyArray<InputValue>): value is ReadonlyArray<InputValue> =>
  Array.isArray(value)

const valueOf = (value: InputValue, values: Values): PlannedValue =>
  isParameterReference(value) ? scalarOf(value, values) : value

/** That there is such a parameter was checked with the configuration. */
const scalarOf = (value: Scalar | { readonly parameter: string }, values: Values): Scalar =>
  typeof value === "object" ? (values.get(value.parameter) ?? "") : value
