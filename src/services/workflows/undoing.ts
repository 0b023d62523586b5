/**
 * What has to be undone when a workflow does not get to its end: everything that was done, and everything that a try has
 * left behind, the latest first, one after the other. Each is undone once; one that cannot be is told and passed over.
 */
import * as Result from "effect/Result"
import { isFinal, type OperationFault } from "../operations/Operation.ts"
import { idOf } from "../provisioning/lifecycle.ts"
import { type Child, type History, tryName, undoName } from "./history.ts"
import { operationShapes } from "./operationMembers.ts"
import { type Made, partsOf, removalOf, type Task, taskOf, undoTasks } from "./stepTasks.ts"
import type { PlannedStep, WorkflowInput } from "./WorkflowInput.ts"

export interface Undo {
  readonly name: string
  readonly step: string
  /** Fails with why it cannot even be asked for. */
  readonly task: Result.Result<Task, string>
  readonly state: "due" | "running" | "done" | "failed"
  readonly fault: OperationFault | null
}

/** In the order in which they are undone. */
export const undosOf = (
  { steps: all, workspace }: WorkflowInput,
  steps: ReadonlyArray<PlannedStep>,
  history: History,
  made: Made
): ReadonlyArray<Undo> => {
  const found: Array<{ readonly at: number; readonly undos: ReadonlyArray<Undo> }> = []
  for (const step of steps) {
    for (let part = 1; part <= partsOf(step); part++) {
      for (let attempt = 1; ; attempt++) {
        const name = tryName(step.name, part, attempt)
        const child = history.get(name)
        if (child === undefined) break
        const task = () => Result.getOrThrow(taskOf(step, part, workspace, made, all))
        const undos = ofTry({ step, name, child, task }, history, made, all)
        if (undos.length > 0) found.push({ at: child.endedAt ?? child.createdAt, undos })
      }
    }
  }
  // What was found later is later among those of one millisecond: steps are in the order of their needs.
  return found
    .toReversed()
    .toSorted((a, b) => b.at - a.at)
    .flatMap(({ undos }) => undos)
}

interface Tried {
  readonly step: PlannedStep
  readonly name: string
  readonly child: Child
  /** What was asked for. */
  readonly task: () => Task
}

const ofTry = (
  { child, name, step, task: asked }: Tried,
  history: History,
  made: Made,
  steps: ReadonlyArray<PlannedStep>
): ReadonlyArray<Undo> => {
  if (!isFinal(child.status)) return []
  const undo = (how: "compensate" | "remove", task: Result.Result<Task, string>): Undo => {
    const own = undoName(name, how)
    return { name: own, step: step.name, task, ...stateOf(history.get(own), task) }
  }
  if (child.status === "completed") {
    return undoTasks(step, made, child.members, steps).map(([how, task]) => undo(how, task))
  }
  const isBegun = history.has(undoName(name, "remove"))
  const isLeft = isBegun || (child.left && history.get(undoName(name, "clear"))?.status !== "completed")
  return isLeft ? [undo("remove", Result.succeed(leftover(step, child, asked())))] : []
}

/** What removes the row that a create has left. */
export const leftover = (step: PlannedStep, child: Child, { name }: Task): Task =>
  removalOf(removing(step) ?? "server.delete", leftoverId(step, child.id ?? ""), name)

/** Its id comes from the operation's. */
export const leftoverId = (step: PlannedStep, operation: string): string =>
  idOf(removing(step) === "taskserv.delete" ? "tsk" : "srv", operation)

const removing = ({ operation }: PlannedStep) => (operation === null ? undefined : operationShapes[operation].undo)

const stateOf = (child: Child | undefined, task: Result.Result<Task, string>): Pick<Undo, "state" | "fault"> => {
  if (child === undefined) {
    return Result.isSuccess(task)
      ? { state: "due", fault: null }
      : { state: "failed", fault: { code: "invalid_input", message: task.failure } }
  }
  if (!isFinal(child.status)) return { state: "running", fault: null }
  // Somebody else has removed it.
  if (child.status === "completed" || child.error?.code === "not_found") return { state: "done", fault: null }
  return { state: "failed", fault: child.error ?? { code: "cancelled", message: "it was cancelled" } }
}
