/** What is said of a workflow: a line for each transition, its progress, its result, and why it has failed. */
import * as Effect from "effect/Effect"
import { type Json, OperationFailed } from "../operations/Operation.ts"
import type { OperationContext } from "../operations/OperationKinds.ts"
import type { Decision, Stop } from "./decide.ts"
import type { History } from "./history.ts"
import type { StepState } from "./stepStates.ts"
import type { WorkflowInput } from "./WorkflowInput.ts"

/** What every result begins with. */
export const headOf = ({ workflow_type, workspace }: WorkflowInput) => ({ workspace, workflow_type })

export const doneOf = (states: ReadonlyArray<StepState>): number =>
  states.filter(({ status }) => status === "completed").length

/** A line for each change; the last of them is the words of the progress. */
export const tell = Effect.fnUntraced(function* (
  context: OperationContext,
  before: ReadonlyArray<StepState>,
  after: ReadonlyArray<StepState>,
  { steps }: Decision
) {
  let last: string | undefined
  for (const [index, state] of after.entries()) {
    const line = changeText(before[index], state)
    if (line === undefined) continue
    last = line
    yield* context.say(line)
  }
  if (last === undefined) return
  const done = steps.filter((step) => step.done).length
  yield* context.progress(done / steps.length, last)
})

const changeText = (before: StepState | undefined, state: StepState): string | undefined => {
  const { attempt, error, name, status } = state
  const words = status.replace("_", " ")
  if (before?.status !== status) {
    const why = error === null || status === "compensating" || status === "compensated" ? "" : `: ${error.message}`
    return `${name}: ${words}${why}`
  }
  if (before.attempt !== attempt && before.attempt > 0) return `${name}: try ${attempt}`
  if (before.error === null && error !== null && status === "running") return `${name}: try failed: ${error.message}`
  return undefined
}

export const stopText = (stop: Stop): string => {
  if (stop.why === "failed") return `step ${stop.step} has failed; undoing what was done`
  return stop.why === "cancelled" ? "cancelled; undoing what was done" : "out of time; undoing what was done"
}

/** How it ends, when nothing is left to do. */
export const outcome = (
  input: WorkflowInput,
  { stop, undos }: Decision,
  states: ReadonlyArray<StepState>,
  history: History
): Effect.Effect<Json, OperationFailed> => {
  const result = { ...headOf(input), steps: states }
  if (stop === undefined) return Effect.succeed(result)
  const undone = undos.filter(({ state }) => state === "failed")
  const compensation_failed = undone.map(({ fault, name, step }) => ({
    step,
    operation_id: history.get(name)?.id ?? null,
    error: fault?.code ?? null,
    message: fault?.message ?? null
  }))
  const rest = undone.length === 0 ? "" : `; ${undone.length} of ${undos.length} could not be undone`
  const details = undone.length === 0 ? {} : { compensation_failed }
  const failed = (code: string, message: string, more: Record<string, Json> = {}) =>
    Effect.fail(new OperationFailed({ code, message: `${message}${rest}`, details: { ...more, ...details }, result }))
  if (stop.why === "failed") {
    const { fault, step } = stop
    return failed("step_failed", `step ${step}: ${fault.message}`, { step, error: fault.code })
  }
  if (stop.why === "timed_out") return failed("timed_out", `it took longer than ${input.timeout_ms} ms`)
  return failed(undone.length === 0 ? "cancelled" : "compensation_failed", "it was cancelled")
}
