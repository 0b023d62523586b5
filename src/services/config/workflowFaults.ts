/**
 * What is wrong with a workflow that has the right shape: names that nothing has, cycles, values that do not fit what they
 * are given to. Told when the file is read, and not when it is two in the morning and the third step needs it.
 */
import { findCycle } from "../workflows/graph.ts"
import { partsMax, stepOperations } from "../workflows/Definition.ts"
import { operationShapes } from "../workflows/operationMembers.ts"
import { argumentFaults } from "./ArgumentSchema.ts"
import type { ActionConfig } from "./Config.ts"
import { inputFaults, parameterFault, type Scope, scopeOf } from "./inputFaults.ts"
import { addProblems, describe, inside, type KeyPath, type Problem } from "./Problem.ts"
import type { InputTable, StepTable, WorkflowTable } from "./WorkflowSection.ts"

export interface KnownActions {
  /** Those without faults of their own. */
  readonly sound: ReadonlyMap<string, ActionConfig>
  /** All that are in the file, so that one fault is told once. */
  readonly written: ReadonlySet<string>
}

export const workflowFaults = (table: WorkflowTable, actions: KnownActions): ReadonlyArray<Problem> => {
  const faults: Array<Problem> = []
  table.parameters.forEach((parameter, index) => {
    addProblems(faults, inside(["parameters", index], argumentFaults(parameter)))
  })
  addProblems(faults, duplicates("parameters", table.parameters))
  addProblems(faults, duplicates("steps", table.steps))
  const cycle = findCycle(table.steps)
  if (cycle !== undefined) {
    const index = table.steps.findIndex(({ name }) => name === cycle[0])
    faults.push({ path: ["steps", index, "needs"], text: `goes in a circle: ${cycle.join(" needs ")}` })
  }
  const names = table.steps.map(({ name }) => name)
  const scope = scopeOf(table)
  table.steps.forEach((step, index) => {
    addProblems(faults, inside(["steps", index], stepFaults(step, names, scope, actions)))
  })
  return faults
}

const duplicates = (key: string, entries: ReadonlyArray<{ readonly name: string }>): ReadonlyArray<Problem> => {
  const seen = new Set<string>()
  return entries.flatMap(({ name }, index) => {
    if (!seen.has(name)) {
      seen.add(name)
      return []
    }
    return [{ path: [key, index, "name"], text: `${name} is given twice` }]
  })
}

const stepFaults = (
  step: StepTable,
  names: ReadonlyArray<string>,
  scope: Scope,
  actions: KnownActions
): ReadonlyArray<Problem> => {
  const faults: Array<Problem> = []
  step.needs.forEach((need, index) => {
    if (names.includes(need)) return
    const others = names.filter((name) => name !== step.name)
    const allowed = others.length === 0 ? "nothing: it is the only step" : `the steps ${others.join(", ")}`
    faults.push({ path: ["needs", index], text: `found ${describe(need, false)}, allowed: ${allowed}` })
  })
  if (step.operation !== undefined) {
    if (step.action !== undefined)
      faults.push({ path: ["operation"], text: "given beside action, allowed: one of them" })
    const { members, oneOf } = operationShapes[step.operation]
    addProblems(faults, inside(["input"], inputFaults(step.input, members, step.name, scope)))
    if (oneOf !== undefined && oneOf.filter((name) => Object.hasOwn(step.input, name)).length !== 1) {
      faults.push({ path: ["input"], text: `needs one of ${oneOf.join(" and ")}` })
    }
  } else if (step.action === undefined) {
    faults.push({ path: [], text: "has neither action nor operation, needs one of them" })
  } else {
    addProblems(faults, actionFaults(step.action, ["action"], step.input, ["input"], step.name, scope, actions))
  }
  addProblems(faults, countFaults(step, scope))
  addProblems(faults, compensationFaults(step, scope, actions))
  return faults
}

const actionFaults = (
  name: string,
  at: KeyPath,
  input: InputTable,
  inputAt: KeyPath,
  step: string,
  scope: Scope,
  actions: KnownActions
): ReadonlyArray<Problem> => {
  if (!actions.written.has(name)) {
    const all = [...actions.written].join(", ")
    const allowed = all === "" ? "the name of an action, and there is none" : `the actions ${all}`
    return [{ path: at, text: `found ${describe(name, false)}, allowed: ${allowed}` }]
  }
  const action = actions.sound.get(name)
  if (action === undefined) return []
  const members = action.args.map((spec) => ({ spec, list: false }))
  return inside(inputAt, inputFaults(input, members, step, scope))
}

const countFaults = ({ count, operation }: StepTable, scope: Scope): ReadonlyArray<Problem> => {
  if (count === undefined) return []
  if (operation === undefined || operationShapes[operation].numbered === undefined) {
    const allowed = stepOperations.filter((name) => operationShapes[name].numbered !== undefined).join(", ")
    return [{ path: ["count"], text: `is for operation = ${allowed}` }]
  }
  const spec = { name: "count", type: "int", min: 1, max: partsMax } as const
  const allowed = `an integer from 1 to ${partsMax}`
  if (typeof count === "number") {
    return Number.isInteger(count) && count >= 1 && count <= partsMax
      ? []
      : [{ path: ["count"], text: `found ${count}, allowed: ${allowed}` }]
  }
  const text =
    count.parameter === undefined || count.step !== undefined || count.member !== undefined
      ? `found a table, allowed: ${allowed}, or { parameter = "NAME" }`
      : parameterFault(count.parameter, spec, scope)
  return text === undefined ? [] : [{ path: ["count"], text }]
}

const compensationFaults = (step: StepTable, scope: Scope, actions: KnownActions): ReadonlyArray<Problem> => {
  const { compensate } = step
  if (compensate === undefined) return []
  if (typeof compensate === "string") {
    // Of what the step is given, it must take everything: whoever wants something else says so.
    return actionFaults(compensate, ["compensate"], step.input, ["compensate"], step.name, scope, actions)
  }
  const own: Scope = { ...scope, self: step.name }
  const at = ["compensate", "input"]
  return compensate.input === undefined
    ? actionFaults(compensate.action, ["compensate", "action"], step.input, ["compensate"], step.name, own, actions)
    : actionFaults(compensate.action, ["compensate", "action"], compensate.input, at, step.name, own, actions)
}
