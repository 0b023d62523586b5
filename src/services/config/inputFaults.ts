/**
 * Whether what a step is given fits what it is given to: every value by the rules of the argument it is for, as far as
 * they can be told before anybody submits the workflow.
 */
import * as Result from "effect/Result"
import * as Arguments from "../commands/Arguments.ts"
import type { StepOperation } from "../workflows/Definition.ts"
import { ancestors, findCycle } from "../workflows/graph.ts"
import { type Member, operationShapes } from "../workflows/operationMembers.ts"
import type { ActionArgument, ArgumentSpec } from "./ArgumentSchema.ts"
import { describe, type Problem } from "./Problem.ts"
import type { InputTable, ReferenceTable, WorkflowTable } from "./WorkflowSection.ts"

/** What values may refer to. */
export interface Scope {
  readonly parameters: ReadonlyMap<string, ActionArgument>
  /** Undefined: its result is an action's. */
  readonly steps: ReadonlyMap<string, { readonly operation: StepOperation | undefined; readonly several: boolean }>
  /** Of each step, what is done before it. */
  readonly before: ReadonlyMap<string, ReadonlySet<string>>
  /** The step that may be referred to beside those before it: what undoes a step knows what came of it. */
  readonly self?: string
}

type Type = ArgumentSpec["type"]

/** The types of parameters whose every value fits an argument of this type, as far as the type says. */
const fitting: Readonly<Record<Type, ReadonlyArray<Type>>> = {
  string: ["string", "enum"],
  // Whether it is one of the values is seen when it is given.
  enum: ["enum", "string"],
  int: ["int"],
  bool: ["bool"]
}

const literalOf: Readonly<Record<Type, "string" | "number" | "boolean">> = {
  string: "string",
  enum: "string",
  int: "number",
  bool: "boolean"
}

const called: Readonly<Record<Type, string>> = {
  string: "text",
  enum: "text",
  int: "an integer",
  bool: "true or false"
}

/** What an action leaves behind for later steps. */
export const actionResult: ReadonlyArray<string> = ["stdout", "stderr", "exit_code", "duration_ms"]

export const scopeOf = (table: WorkflowTable): Scope => ({
  parameters: new Map(table.parameters.map((parameter) => [parameter.name, parameter])),
  steps: new Map(table.steps.map(({ count, name, operation }) => [name, { operation, several: count !== undefined }])),
  // What goes in a circle has been told; nothing is before anything then.
  before: findCycle(table.steps) === undefined ? ancestors(table.steps) : new Map()
})

export const inputFaults = (
  input: InputTable,
  members: ReadonlyArray<Member>,
  step: string,
  scope: Scope
): ReadonlyArray<Problem> => {
  const faults: Array<Problem> = []
  const known = new Map(members.map((member) => [member.spec.name, member]))
  for (const [name, value] of Object.entries(input)) {
    const member = known.get(name)
    if (member === undefined) {
      const all = [...known.keys()].join(", ")
      faults.push({ path: [name], text: `is nothing that it takes, allowed: ${all === "" ? "nothing" : all}` })
    } else if (Array.isArray(value)) {
      if (member.list) {
        value.forEach((entry, index) => {
          const text = valueFault(entry, member, step, scope, false)
          if (text !== undefined) faults.push({ path: [name, index], text })
        })
      } else {
        faults.push({ path: [name], text: `found ${describe(value, false)}, allowed: ${called[member.spec.type]}` })
      }
    } else {
      const text = valueFault(value, member, step, scope, member.list)
      if (text !== undefined) faults.push({ path: [name], text })
    }
  }
  for (const { spec } of members) {
    if (spec.required && !Object.hasOwn(input, spec.name)) {
      faults.push({ path: [], text: `lacks ${spec.name}, which ${step} requires` })
    }
  }
  return faults
}

/** `whole`: it is to be a list all by itself. */
const valueFault = (
  value: unknown,
  { list, spec }: Member,
  step: string,
  scope: Scope,
  whole: boolean
): string | undefined => {
  if (isReference(value)) {
    const { member, parameter, step: from } = value
    if (parameter !== undefined && from === undefined && member === undefined) {
      return whole ? `found a parameter, allowed: an array` : parameterFault(parameter, spec, scope)
    }
    if (parameter === undefined && from !== undefined && member !== undefined) {
      return stepReferenceFault(from, member, { list, spec }, step, scope, whole)
    }
    return 'found another table, allowed: { parameter = "NAME" } or { step = "NAME", member = "NAME" }'
  }
  if (whole) return `found ${describe(value, false)}, allowed: an array`
  if (typeof value !== literalOf[spec.type]) return `found ${describe(value, false)}, allowed: ${called[spec.type]}`
  const checked = Result.flatMap(Arguments.compile([spec]), ({ validate }) => validate({ [spec.name]: value }))
  if (Result.isSuccess(checked)) return undefined
  const error = checked.failure
  return error._tag === "ArgumentError" ? `found ${error.found}, allowed: ${error.allowed}` : error.message
}

const isReference = (value: unknown): value is ReferenceTable => typeof value === "object" && value !== null

export const parameterFault = (
  name: string,
  spec: { readonly name: string; readonly type: Type },
  { parameters }: Scope
): string | undefined => {
  const parameter = parameters.get(name)
  if (parameter === undefined) {
    const all = [...parameters.keys()].join(", ")
    return `found the parameter ${describe(name, false)}, allowed: ${all === "" ? "none, for there are no parameters" : all}`
  }
  if (fitting[spec.type].includes(parameter.type)) return undefined
  return `found the parameter ${name}, which is of type ${parameter.type}, allowed: ${called[spec.type]}`
}

const stepReferenceFault = (
  from: string,
  member: string,
  target: Member,
  step: string,
  { before, self, steps }: Scope,
  whole: boolean
): string | undefined => {
  const source = steps.get(from)
  if (source === undefined) return `found the step ${describe(from, false)}, allowed: a step of this workflow`
  if (from !== self && before.size > 0 && before.get(step)?.has(from) !== true) {
    return `found the step ${from}, allowed: a step that ${step} needs, directly or not`
  }
  const shape = source.operation === undefined ? undefined : operationShapes[source.operation].result
  const names = shape === undefined ? actionResult : [...shape.keys()]
  if (!names.includes(member)) {
    return `found the member ${describe(member, false)}, allowed: ${names.join(", ")}`
  }
  const isList = shape?.get(member)?.list === true || (source.several && from !== self)
  if (isList && !target.list) return `found a list, because of ${from}, allowed: ${called[target.spec.type]}`
  if (!isList && whole) return `found ${member} of ${from}, which is no list, allowed: an array`
  const isNumber = shape === undefined && (member === "exit_code" || member === "duration_ms")
  const fits = isNumber ? target.spec.type === "int" : target.spec.type === "string" || target.spec.type === "enum"
  return fits ? undefined : `found ${member} of ${from}, allowed: ${called[target.spec.type]}`
}
