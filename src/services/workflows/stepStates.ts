/**
 * The steps of a workflow as they are shown: one word each, which try, the operations behind it, and what went wrong. What
 * is shown of a workflow that has ended is kept as its result, because its operations may be removed before it.
 */
import * as Schema from "effect/Schema"
import type { OperationFault } from "../operations/Operation.ts"
import type { Decision, Forward } from "./decide.ts"
import type { Child, History } from "./history.ts"
import type { Undo } from "./undoing.ts"

export const stepStatuses = [
  "pending",
  "running",
  "completed",
  "failed",
  "skipped",
  "compensating",
  "compensated",
  "compensation_failed"
] as const
export type StepStatus = (typeof stepStatuses)[number]

export const StepState = Schema.Struct({
  name: Schema.String,
  status: Schema.Literals(stepStatuses),
  /** The latest; 0: none has been made. */
  attempt: Schema.Int,
  operation_ids: Schema.Array(Schema.String),
  started_at: Schema.NullOr(Schema.String),
  ended_at: Schema.NullOr(Schema.String),
  error: Schema.NullOr(
    Schema.Struct({
      error: Schema.String,
      message: Schema.String,
      details: Schema.optionalKey(Schema.JsonObject)
    })
  )
})

export type StepState = typeof StepState.Type

/** In the order of their needs. */
export const stepStates = (decision: Decision, history: History): ReadonlyArray<StepState> => {
  const children = new Map<string, Array<Child>>()
  for (const [name, child] of history) {
    const step = name.slice(0, name.indexOf("/"))
    const known = children.get(step)
    if (known === undefined) children.set(step, [child])
    else known.push(child)
  }
  const undos = Map.groupBy(decision.undos, ({ step }) => step)
  return decision.steps.map((forward) =>
    stepState(forward, decision, children.get(forward.step.name) ?? [], undos.get(forward.step.name) ?? [])
  )
}

const stepState = (
  forward: Forward,
  { stop }: Decision,
  children: ReadonlyArray<Child>,
  undos: ReadonlyArray<Undo>
): StepState => {
  const fault = faultOf(forward, stop !== undefined)
  const undoFault = undos.find(({ state }) => state === "failed")?.fault ?? null
  const status = statusOf(forward, stop !== undefined, children.length > 0, fault !== null, undos)
  const isOver = status !== "pending" && status !== "running" && status !== "compensating"
  return {
    name: forward.step.name,
    status,
    attempt: forward.parts.reduce((most, part) => ("attempt" in part ? Math.max(most, part.attempt) : most), 0),
    operation_ids: children.flatMap(({ id }) => id ?? []),
    started_at: timeText(children.reduce((first, { createdAt }) => Math.min(first, createdAt), Infinity)),
    ended_at: isOver ? timeText(children.reduce((last, { endedAt }) => Math.max(last, endedAt ?? 0), -Infinity)) : null,
    error: shown(status === "compensation_failed" ? (undoFault ?? fault) : fault)
  }
}

/** RFC 3339, UTC; null where there was nothing to take it of. */
const timeText = (atMs: number): string | null => (Number.isFinite(atMs) ? new Date(atMs).toISOString() : null)

const shown = (fault: OperationFault | null): StepState["error"] => {
  if (fault === null) return null
  const { code, details, message } = fault
  return { error: code, message, ...(details === undefined ? {} : { details }) }
}

const statusOf = (
  { done, parts, readyAt }: Forward,
  stopped: boolean,
  isBegun: boolean,
  isFaulty: boolean,
  undos: ReadonlyArray<Undo>
): StepStatus => {
  if (!stopped) {
    if (done) return "completed"
    return readyAt === undefined || !isBegun ? "pending" : "running"
  }
  if (parts.some(({ _tag }) => _tag === "running" || _tag === "clearing")) return "running"
  if (undos.some(({ name, state }) => state === "running" || (state !== "due" && hasDue(undos, name)))) {
    return "compensating"
  }
  if (undos.some(({ state }) => state === "failed")) return "compensation_failed"
  if (isFaulty) return "failed"
  if (done) return undos.length > 0 && undos.every(({ state }) => state === "done") ? "compensated" : "completed"
  return isBegun ? "failed" : "skipped"
}

/** Some of them are undone and others are still to be. */
const hasDue = (undos: ReadonlyArray<Undo>, name: string): boolean =>
  undos.some((undo) => undo.name !== name && undo.state === "due")

/** The last of what went wrong; what was cancelled because of it only where there is nothing else. */
const faultOf = ({ done, parts, unaskable }: Forward, stopped: boolean): OperationFault | null => {
  if (unaskable !== undefined) return unaskable
  const faulty = parts.flatMap((part) => ("fault" in part ? [part] : []))
  const own = faulty.find((part) => part._tag !== "failed" || !part.cancelled) ?? faulty[0]
  if (own !== undefined) return own.fault
  const isHalf = stopped && !done && parts.some(({ _tag }) => _tag === "done")
  return isHalf ? { code: "cancelled", message: "it was cancelled" } : null
}
