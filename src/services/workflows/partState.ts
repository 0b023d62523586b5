/**
 * One part of a step, on its way forward: which try it is, whether there is another, and when. A part is the whole step
 * where that has no count.
 *
 * A try that took too long is one that has failed. One that somebody has cancelled is not tried again. What a try has left
 * behind is removed before the next one, which would find its name taken.
 */
import type { OperationFault } from "../operations/Operation.ts"
import { isFinal } from "../operations/Operation.ts"
import { type Child, type History, tryName, undoName } from "./history.ts"
import type { PlannedStep } from "./WorkflowInput.ts"

export type PartState =
  | { readonly _tag: "unasked" }
  | { readonly _tag: "running"; readonly name: string; readonly attempt: number }
  /** Between two tries: what the last one left is removed. */
  | {
      readonly _tag: "clearing"
      readonly name: string
      readonly attempt: number
      readonly child: Child
      readonly fault: OperationFault
    }
  | { readonly _tag: "resting"; readonly until: number; readonly attempt: number; readonly fault: OperationFault }
  | {
      readonly _tag: "done"
      readonly name: string
      readonly attempt: number
      readonly child: Child
      readonly at: number
    }
  | {
      readonly _tag: "failed"
      readonly attempt: number
      readonly fault: OperationFault
      readonly at: number
      /** By somebody, or because of the others; not by itself. */
      readonly cancelled: boolean
    }

/** Doubling leads to days. */
const delayMaxMs = 3_600_000

const delayOf = ({ retry_delay_ms }: PlannedStep, attempt: number): number =>
  Math.min(retry_delay_ms * 2 ** (attempt - 1), Math.max(retry_delay_ms, delayMaxMs))

/** How long until it is tried again counts from the end of the last try: a restart does not begin it anew. */
export const partState = (step: PlannedStep, part: number, history: History): PartState => {
  let attempt = 0
  let child: Child | undefined
  for (;;) {
    const next = history.get(tryName(step.name, part, attempt + 1))
    if (next === undefined) break
    child = next
    attempt += 1
  }
  if (child === undefined) return { _tag: "unasked" }
  const name = tryName(step.name, part, attempt)
  if (!isFinal(child.status)) return { _tag: "running", name, attempt }
  const at = child.endedAt ?? child.createdAt
  if (child.status === "completed") return { _tag: "done", name, attempt, child, at }
  const cancelled = child.status === "cancelled" && !child.late
  const fault = faultOf(step, child)
  if (cancelled || attempt > step.retries) {
    return { _tag: "failed", attempt, fault, at, cancelled }
  }
  const clear = undoName(name, "clear")
  const clearing = history.get(clear)
  if (clearing === undefined ? child.left : !isFinal(clearing.status)) {
    return { _tag: "clearing", name: clear, attempt, child, fault }
  }
  return { _tag: "resting", until: at + delayOf(step, attempt), attempt, fault }
}

const faultOf = (step: PlannedStep, child: Child): OperationFault => {
  if (child.late) return { code: "timed_out", message: `it took longer than ${step.timeout_ms} ms` }
  if (child.status === "cancelled") return { code: "cancelled", message: "it was cancelled" }
  return child.error ?? { code: "internal", message: "it failed without a word" }
}
