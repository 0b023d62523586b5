/**
 * What has become of a unit since it was last told of: pure functions of what was known and what is seen, for whoever
 * records it. What a unit only passes through (activating, reloading) is nothing to tell, but for the wait ahead of a
 * restart after a failure.
 */
import * as Schema from "effect/Schema"
import type { UnitConfig } from "../config/Config.ts"
import type { Level } from "../events/Event.ts"
import { isHealthy } from "./health.ts"
import type { UnitState } from "./Units.ts"

const conditions = ["well", "failed", "down", "masked", "missing"] as const

type Condition = (typeof conditions)[number]

/** What was told last; kept with the event, so that a restart of the daemon goes on from there. */
export const Known = Schema.Struct({
  /** Another one under the same id has nothing to do with this. */
  unit: Schema.String,
  condition: Schema.Literals(conditions),
  invocation: Schema.NullOr(Schema.String),
  restarts: Schema.Int
})

export type Known = typeof Known.Type

export interface Change {
  readonly event: "failed" | "restarted" | "recovered" | "stopped" | "masked" | "missing"
  readonly level: Level
  readonly message: string
  /** Whether the last lines of its journal say why. */
  readonly explained: boolean
}

/** Undefined: it is on its way somewhere. */
const conditionOf = (unit: UnitConfig, state: UnitState): Condition | undefined => {
  const { active_state: active, load_state: load, result, sub_state: sub } = state
  if (load === null || active === null) return undefined
  if (load === "masked") return unit.masked_ok ? "well" : "masked"
  if (load === "not-found") return "missing"
  if (load !== "loaded" || active === "failed") return "failed"
  if (sub === "auto-restart") return result === "success" ? undefined : "failed"
  if (isHealthy(unit, state)) return "well"
  return active === "inactive" || active === "active" ? "down" : undefined
}

/** As it is to be known from now on; undefined where that cannot be said yet. */
export const knownOf = (unit: UnitConfig, state: UnitState): Known | undefined => {
  const condition = conditionOf(unit, state)
  return condition === undefined
    ? undefined
    : { unit: unit.unit, condition, invocation: state.invocation_id, restarts: state.restarts ?? 0 }
}

export const isSame = (a: Known, b: Known): boolean =>
  a.unit === b.unit && a.condition === b.condition && a.invocation === b.invocation && a.restarts === b.restarts

/** Undefined: nothing to tell. `before`: undefined at the first look, at which what has failed already is news. */
export const changeOf = (before: Known | undefined, now: Known, state: UnitState): Change | undefined => {
  if (before === undefined) return now.condition === "failed" ? failed(now, state) : undefined
  const isAnew = before.invocation !== now.invocation || now.restarts > before.restarts
  if (before.condition === now.condition) {
    if (!isAnew) return undefined
    if (now.condition === "failed") return failed(now, state)
    return now.condition === "well" && state.active_state === "active" && state.sub_state !== "exited"
      ? restarted(now, now.restarts - before.restarts)
      : undefined
  }
  const at = `${state.active_state ?? "unknown"} (${state.sub_state ?? "unknown"})`
  switch (now.condition) {
    case "failed":
      return failed(now, state)
    case "well":
      return change("recovered", "info", `${now.unit} is well again: ${at}`)
    case "down":
      return change("stopped", "warning", `${now.unit} is ${at}`)
    case "masked":
      return change("masked", "warning", `${now.unit} is masked`)
    case "missing":
      return change("missing", "warning", `${now.unit} does not exist any longer`)
  }
}

const change = (event: Change["event"], level: Level, message: string, explained = false): Change => ({
  event,
  level,
  message,
  explained
})

const failed = ({ restarts, unit }: Known, state: UnitState): Change => {
  const { exit_code, exit_status, load_state, result } = state
  const how = load_state === "loaded" ? [result ?? "unknown", ...endOf(exit_code, exit_status)] : [load_state]
  const again = restarts > 0 ? `; systemd has started it again ${times(restarts)}` : ""
  return change("failed", "error", `${unit} failed: ${how.join(", ")}${again}`, true)
}

/** CLD_EXITED, CLD_KILLED, CLD_DUMPED. */
const endOf = (code: string | null, status: string | null): ReadonlyArray<string> => {
  if (code === "1") return [`exit status ${status ?? "unknown"}`]
  return code === "2" || code === "3" ? [`signal ${status ?? "unknown"}`] : []
}

const restarted = ({ unit }: Known, byItself: number): Change =>
  byItself > 0
    ? change("restarted", "warning", `${unit} ended, and systemd started it again ${times(byItself)}`, true)
    : change("restarted", "info", `${unit} was started anew`)

const times = (count: number): string => (count === 1 ? "once" : `${count} times`)
