/**
 * Makes the entries of `[workflows]`: each decoded on its own, so that one wrong entry hides no other, checked, and written
 * out in the form that the built-in ones have.
 */
import * as Result from "effect/Result"
import type { Compensation, Input, InputValue, StepDefinition, WorkflowDefinition } from "../workflows/Definition.ts"
import { argumentSpec } from "./ArgumentSchema.ts"
import { decode } from "./decode.ts"
import { type Entries, eachEntry } from "./resolveEntries.ts"
import { type KnownActions, workflowFaults } from "./workflowFaults.ts"
import {
  type InputTable,
  type ReferenceTable,
  type StepTable,
  workflowNameAllowed,
  workflowNamePattern,
  WorkflowTable
} from "./WorkflowSection.ts"

export const resolveWorkflows = (section: unknown, actions: KnownActions): Entries<WorkflowDefinition> =>
  eachEntry("workflows", section, workflowNamePattern, workflowNameAllowed, (name, value) =>
    Result.flatMap(decode(WorkflowTable, value, []), (table) => {
      const faults = workflowFaults(table, actions)
      return faults.length > 0 ? Result.fail(faults) : Result.succeed(workflow(name, table))
    })
  )

const workflow = (name: string, table: WorkflowTable): WorkflowDefinition => ({
  name,
  description: table.description,
  timeout_ms: table.timeout_ms,
  concurrency: table.concurrency,
  parameters: table.parameters.map(argumentSpec),
  steps: table.steps.map(step)
})

const step = (table: StepTable): StepDefinition => {
  const { name, needs, retries, retry_delay_ms, timeout_ms } = table
  const input = inputOf(table.input)
  return {
    name,
    task:
      table.operation === undefined
        ? { _tag: "Action", action: table.action ?? "" }
        : { _tag: "Operation", operation: table.operation },
    input,
    count: typeof table.count === "object" ? { parameter: table.count.parameter ?? "" } : table.count,
    needs: [...new Set(needs)],
    retries,
    retry_delay_ms,
    timeout_ms,
    compensate: compensation(table.compensate, input)
  }
}

const compensation = (table: StepTable["compensate"], input: Input): Compensation | undefined => {
  if (table === undefined) return undefined
  if (typeof table === "string") return { action: table, input }
  return { action: table.action, input: table.input === undefined ? input : inputOf(table.input) }
}

const inputOf = (table: InputTable): Input =>
  Object.fromEntries(
    Object.entries(table).map(([name, value]) => [name, isList(value) ? value.map(valueOf) : valueOf(value)])
  )

type Value = string | number | boolean | ReferenceTable

const isList = (value: Value | ReadonlyArray<Value>): value is ReadonlyArray<Value> => Array.isArray(value)

/** The faults of a workflow make sure that a reference is one of the two kinds. */
const valueOf = (value: Value): InputValue => {
  if (typeof value !== "object") return value
  if (value.step !== undefined) return { step: value.step, member: value.member ?? "" }
  return { parameter: value.parameter ?? "" }
}
