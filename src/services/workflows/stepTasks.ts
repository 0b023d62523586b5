/**
 * What a step asks the daemon for: operations with a kind, a name and an input, once or several times, and what undoes each
 * of them. What came of earlier steps is put in as values; what an operation was told of is checked by itself.
 */
import * as Result from "effect/Result"
import type { Json, NewOperation } from "../operations/Operation.ts"
import { isStepReference, type StepOperation } from "./Definition.ts"
import { operationShapes } from "./operationMembers.ts"
import type { PlannedInput, PlannedStep, PlannedValue } from "./WorkflowInput.ts"

/** What is asked for. */
export type Task = Pick<NewOperation, "kind" | "name" | "input">

/** Members of results, by step: one for each part, in their order. */
export type Made = ReadonlyMap<string, ReadonlyArray<Readonly<Record<string, Json>>>>

export const partsOf = ({ count }: PlannedStep): number => count ?? 1

/** Fails with what cannot be put in. */
export const taskOf = (
  step: PlannedStep,
  part: number,
  workspace: string,
  made: Made,
  steps: ReadonlyArray<PlannedStep>
): Result.Result<Task, string> =>
  Result.map(fill(step.input, made, steps), (input): Task => {
    const { operation } = step
    if (operation === null) return actionTask(step.action ?? "", input)
    const { numbered } = operationShapes[operation]
    const own = numbered === undefined || step.count === null ? {} : { [numbered]: `${text(input[numbered])}-${part}` }
    return operationTask(operation, { workspace, ...input, ...own })
  })

/** What undoes one part of it that was done, in the order in which that is done. */
export const undoTasks = (
  step: PlannedStep,
  made: Made,
  own: Readonly<Record<string, Json>>,
  steps: ReadonlyArray<PlannedStep>
): ReadonlyArray<readonly [how: "compensate" | "remove", task: Result.Result<Task, string>]> => {
  const { compensate, operation } = step
  const configured =
    compensate === null
      ? []
      : [
          [
            "compensate",
            // Of the step itself it knows the part that it undoes.
            Result.map(
              fill(
                compensate.input,
                new Map([...made, [step.name, [own]]]),
                steps.map((one) => (one.name === step.name ? { ...one, count: null } : one))
              ),
              (input) => actionTask(compensate.action, input)
            )
          ] as const
        ]
  const undo = operation === null ? undefined : operationShapes[operation].undo
  if (undo === undefined) return configured
  const id = own[undo === "server.delete" ? "server_id" : "taskserv_id"]
  const removal =
    typeof id === "string"
      ? Result.succeed(removalOf(undo, id, thingOf(own)))
      : Result.fail("it did not tell what it made")
  return [...configured, ["remove", removal]]
}

/** By the id; `name` is in whose turn. */
export const removalOf = (operation: StepOperation, id: string, name: string): Task => ({
  kind: operation,
  name,
  input: { [operation === "server.delete" ? "server_id" : "taskserv_id"]: id }
})

/** What operations on one thing are called, whoever asks for them. */
const thingOf = (members: Readonly<Record<string, Json>>): string =>
  `${text(members["workspace"])}/${text(members["hostname"] ?? members["name"])}`

const actionTask = (action: string, args: Readonly<Record<string, Json>>): Task => ({
  kind: "action",
  name: action,
  input: { args }
})

const operationTask = (kind: string, input: Readonly<Record<string, Json>>): Task => {
  const id = input["server_id"] ?? input["taskserv_id"]
  return { kind, name: id === undefined ? thingOf(input) : text(id), input }
}

const fill = (
  input: PlannedInput,
  made: Made,
  steps: ReadonlyArray<PlannedStep>
): Result.Result<Record<string, Json>, string> => {
  const filled: Record<string, Json> = {}
  for (const [name, value] of Object.entries(input)) {
    const values: Array<Json> = []
    for (const entry of isList(value) ? value : [value]) {
      const found = resolve(entry, made, steps)
      if (Result.isFailure(found)) return Result.fail(`${name}: ${found.failure}`)
      // What is a list itself is spread in a list.
      if (isList(value) && Array.isArray(found.success)) for (const one of found.success) values.push(one)
      else values.push(found.success)
    }
    filled[name] = isList(value) ? values : (values[0] ?? null)
  }
  return Result.succeed(filled)
}

const isList = (value: PlannedInput[string]): value is ReadonlyArray<PlannedValue> => Array.isArray(value)

const resolve = (value: PlannedValue, made: Made, steps: ReadonlyArray<PlannedStep>): Result.Result<Json, string> => {
  if (!isStepReference(value)) return Result.succeed(value)
  const { member, step } = value
  const parts = (made.get(step) ?? []).map((result) => result[member])
  const lacking = parts.length === 0 || parts.some((one) => one === undefined || one === null)
  if (lacking) return Result.fail(`nothing came of step ${step} that is called ${member}`)
  const known = parts.filter((one) => one !== undefined)
  const several = steps.find(({ name }) => name === step)?.count ?? null
  if (several !== null) return Result.succeed(known)
  return Result.succeed(known[0] ?? null)
}

const text = (value: Json | undefined): string => (typeof value === "string" ? value : "")

/**
 * The members of a result that later steps may refer to. Of an action's outputs what a shell's `$(…)` would give, as far
 * as it was kept.
 */
export const membersOf = (step: PlannedStep, result: Json): Readonly<Record<string, Json>> => {
  const members = objectOf(result)
  if (step.operation !== null) return members
  return {
    stdout: streamText(members["stdout"]),
    stderr: streamText(members["stderr"]),
    exit_code: members["exit_code"] ?? null,
    duration_ms: members["duration_ms"] ?? null
  }
}

const objectOf = (value: Json | undefined): Readonly<Record<string, Json>> =>
  typeof value === "object" && value !== null && !isArray(value) ? value : {}

const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

const streamText = (stream: Json | undefined): string => {
  const { head, tail } = objectOf(stream)
  return `${text(head)}${text(tail)}`.replace(/\n+$/u, "")
}
