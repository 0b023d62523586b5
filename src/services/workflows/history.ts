/**
 * What has become of a workflow so far: its child operations by what the workflow calls them. It is all that its state is
 * made of, while it runs and when somebody looks at it.
 */
import { childId } from "../operations/childId.ts"
import {
  isFinal,
  type Json,
  type Operation,
  type OperationFault,
  type OperationStatus
} from "../operations/Operation.ts"
import { membersOf, partsOf } from "./stepTasks.ts"
import type { PlannedStep, WorkflowInput } from "./WorkflowInput.ts"

export interface Child {
  /** Null: it could not even be asked for. */
  readonly id: string | null
  readonly status: OperationStatus
  readonly error: OperationFault | null
  /** What later steps may refer to. */
  readonly members: Readonly<Record<string, Json>>
  readonly createdAt: number
  readonly endedAt: number | null
  /** It has not made what it should, and something of it is there all the same. */
  readonly left: boolean
  /** It was cancelled because it took too long. */
  readonly late: boolean
}

/** By name. */
export type History = ReadonlyMap<string, Child>

/** Parts and tries count from 1. No step's name has a slash. */
export const tryName = (step: string, part: number, attempt: number): string => `${step}/${part}/${attempt}`

/**
 * `clear`: what a try has left, ahead of the next one. When the whole is undone, `compensate`: by the configured action;
 * `remove`: what an operation has made, or left.
 */
export type Undoing = "clear" | "compensate" | "remove"

const undoings: ReadonlyArray<Undoing> = ["clear", "compensate", "remove"]

export const undoName = (tried: string, how: Undoing): string => `${tried}/${how}`

/** Nothing goes forward any more once that was asked for. */
export const hasBegunToUndo = (history: History): boolean => {
  for (const name of history.keys()) if (name.endsWith("/compensate") || name.endsWith("/remove")) return true
  return false
}

/** `known`: what does not show in the operation itself. */
export const childOf = (
  step: PlannedStep,
  operation: Operation,
  known: { readonly left?: boolean; readonly late?: boolean } = {}
): Child => {
  const { createdAt, error, id, status } = operation
  const endedAt = isFinal(status) ? (operation.endedAt ?? operation.updatedAt) : null
  return {
    id,
    status,
    error,
    members: status === "completed" ? membersOf(step, operation.result) : {},
    createdAt,
    endedAt,
    left: known.left ?? false,
    late: status === "cancelled" && (known.late ?? (endedAt ?? createdAt) >= createdAt + step.timeout_ms)
  }
}

/** Of the children of one workflow, those that are its steps' tries and what undoes them. */
export const historyOf = (
  id: string,
  { steps }: WorkflowInput,
  children: ReadonlyArray<Operation>
): Map<string, Child> => {
  const byId = new Map(children.map((child) => [child.id, child]))
  const history = new Map<string, Child>()
  const add = (step: PlannedStep, name: string): boolean => {
    const found = byId.get(childId(id, name))
    if (found !== undefined) history.set(name, childOf(step, found))
    return found !== undefined
  }
  for (const step of steps) {
    for (let part = 1; part <= partsOf(step); part++) {
      for (let attempt = 1; ; attempt++) {
        const name = tryName(step.name, part, attempt)
        if (!add(step, name)) break
        for (const how of undoings) add(step, undoName(name, how))
      }
    }
  }
  return history
}
