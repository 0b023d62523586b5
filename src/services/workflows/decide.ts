/**
 * What is to be done next, from what was asked for and what has become of it: the whole of a workflow's order, as a
 * function. Whoever runs it asks anew after each change, and comes to the same after a restart; whoever shows it asks too.
 *
 * Forward: a part is asked for when all that its step needs is done. The first of these ends that: a part has failed for
 * good, somebody cancels, the time is over. Then nothing more begins, what runs is cancelled, and when all of it has ended,
 * what was done is undone. Which of them came first is told by their times, so that it does not depend on who looks when.
 */
import * as Result from "effect/Result"
import type { Json, OperationFault } from "../operations/Operation.ts"
import { inOrder } from "./graph.ts"
import { hasBegunToUndo, type History, tryName } from "./history.ts"
import { type PartState, partState } from "./partState.ts"
import { partsOf, type Task, taskOf } from "./stepTasks.ts"
import { leftover, type Undo, undosOf } from "./undoing.ts"
import type { PlannedStep, WorkflowInput } from "./WorkflowInput.ts"

export interface Situation {
  readonly startedAt: number
  /** Somebody asked for it to be cancelled. */
  readonly cancelledAt: number | null
  /** Nobody runs it any more, whatever it has come to. */
  readonly over: boolean
  readonly now: number
}

/** An operation to ask for, or to go on waiting for. */
export interface Ask {
  readonly name: string
  readonly step: string
  readonly task: () => Task
  /** It is ended when the workflow is. */
  readonly forward: boolean
  /** Of a try. */
  readonly timeoutMs: number | null
}

export type Stop =
  | { readonly why: "failed"; readonly step: string; readonly fault: OperationFault }
  | { readonly why: "cancelled" | "timed_out" }

/** A step and how far it has come. */
export interface Forward {
  readonly step: PlannedStep
  readonly parts: ReadonlyArray<PartState>
  readonly done: boolean
  /** When the last of what it needs was done, or the whole began. */
  readonly readyAt: number | undefined
  /** It cannot be asked for with what came of the steps before. */
  readonly unaskable: OperationFault | undefined
}

export interface Decision {
  /** In the order of their needs. */
  readonly steps: ReadonlyArray<Forward>
  readonly stop: Stop | undefined
  /** Empty until it is stopped. */
  readonly undos: ReadonlyArray<Undo>
  readonly asks: ReadonlyArray<Ask>
  /** When something is to be done that no operation's end will tell. */
  readonly wakeAt: number | undefined
  readonly ended: boolean
}

export const decide = (input: WorkflowInput, history: History, situation: Situation): Decision => {
  // No earlier than what has happened: a clock that is set back must not make undone what is being undone.
  const now = latest(history, situation.now)
  const made = new Map<string, ReadonlyArray<Readonly<Record<string, Json>>>>()
  const readies = new Map<string, number>()
  const steps = inOrder(input.steps).map((step): Forward => {
    const parts = Array.from({ length: partsOf(step) }, (_, index) => partState(step, index + 1, history))
    const needed = step.needs.map((need) => readies.get(need))
    const readyAt = needed.reduce<number | undefined>(
      (last, at) => (last === undefined || at === undefined ? undefined : Math.max(last, at)),
      situation.startedAt
    )
    const done = parts.every(({ _tag }) => _tag === "done")
    if (done) {
      made.set(
        step.name,
        parts.map((part) => (part._tag === "done" ? part.child.members : {}))
      )
      readies.set(
        step.name,
        parts.reduce((last, part) => (part._tag === "done" ? Math.max(last, part.at) : last), 0)
      )
    }
    const first = readyAt === undefined || done ? undefined : taskOf(step, 1, input.workspace, made, input.steps)
    const unaskable =
      first === undefined || Result.isSuccess(first) ? undefined : { code: "invalid_input", message: first.failure }
    return { step, parts, done, readyAt, unaskable }
  })

  const allDone = steps.every(({ done }) => done)
  const begunToUndo = hasBegunToUndo(history)
  const stop = allDone && !begunToUndo ? undefined : stopOf(input, steps, situation, now, begunToUndo)

  const asks: Array<Ask> = []
  let wakeAt = situation.startedAt + input.timeout_ms
  for (const { parts, readyAt, step, unaskable } of steps) {
    if (readyAt === undefined || unaskable !== undefined) continue
    parts.forEach((state, index) => {
      const part = index + 1
      const task = () => Result.getOrThrow(taskOf(step, part, input.workspace, made, input.steps))
      const tryAsk = (attempt: number): Ask => ({
        name: tryName(step.name, part, attempt),
        step: step.name,
        task,
        forward: true,
        timeoutMs: step.timeout_ms
      })
      if (state._tag === "running") asks.push(tryAsk(state.attempt))
      // What is being cleared away when it is stopped is waited for; what is not yet is undone with the rest.
      if (state._tag === "clearing" && (stop === undefined || history.has(state.name))) {
        const { child, name } = state
        asks.push({ name, step: step.name, task: () => leftover(step, child, task()), forward: false, timeoutMs: null })
      }
      if (stop !== undefined) return
      if (state._tag === "unasked") asks.push(tryAsk(1))
      if (state._tag === "resting") {
        if (state.until <= now) asks.push(tryAsk(state.attempt + 1))
        else wakeAt = Math.min(wakeAt, state.until)
      }
    })
  }
  if (stop === undefined) return { steps, stop, undos: [], asks, wakeAt: allDone ? undefined : wakeAt, ended: allDone }

  const undos = undosOf(
    input,
    steps.map(({ step }) => step),
    history,
    made
  )
  const next = asks.length > 0 ? undefined : undos.find(({ state }) => state === "due" || state === "running")
  if (next !== undefined) {
    const task = () => Result.getOrThrow(next.task)
    asks.push({ name: next.name, step: next.step, task, forward: false, timeoutMs: null })
  }
  return { steps, stop, undos, asks, wakeAt: undefined, ended: asks.length === 0 }
}

const latest = (history: History, now: number): number => {
  let last = now
  for (const { createdAt, endedAt } of history.values()) last = Math.max(last, endedAt ?? createdAt)
  return last
}

/** The first of what ends it; of what came in one millisecond, the fault that needs no other to explain it. */
const stopOf = (
  input: WorkflowInput,
  steps: ReadonlyArray<Forward>,
  { cancelledAt, over, startedAt }: Situation,
  now: number,
  begunToUndo: boolean
): Stop | undefined => {
  const reasons: Array<{ readonly at: number; readonly rank: number; readonly stop: Stop }> = []
  for (const { parts, readyAt, step, unaskable } of steps) {
    if (unaskable !== undefined) {
      reasons.push({ at: readyAt ?? now, rank: 0, stop: { why: "failed", step: step.name, fault: unaskable } })
    }
    for (const part of parts) {
      if (part._tag !== "failed") continue
      const { at, cancelled, fault } = part
      reasons.push({ at, rank: cancelled ? 2 : 0, stop: { why: "failed", step: step.name, fault } })
    }
  }
  if (cancelledAt !== null) reasons.push({ at: cancelledAt, rank: 1, stop: { why: "cancelled" } })
  const deadline = startedAt + input.timeout_ms
  if (now >= deadline) reasons.push({ at: deadline, rank: 1, stop: { why: "timed_out" } })
  const first = reasons.toSorted((a, b) => a.at - b.at || a.rank - b.rank)[0]
  if (first !== undefined) return first.stop
  return over || begunToUndo ? { why: "cancelled" } : undefined
}
