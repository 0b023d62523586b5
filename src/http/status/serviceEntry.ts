/**
 * A unit on the wire, as GET /services/{id}/status and GET /overview have it. What is said of a unit that could not be
 * asked is that it is not well, beside what was last known of it.
 */
import * as Result from "effect/Result"
import type { UnitConfig } from "../../services/config/Config.ts"
import { type ToolError, ToolFailed } from "../../services/tools/Tool.ts"
import { isHealthy } from "../../services/units/health.ts"
import type { UnitReading, UnitState } from "../../services/units/Units.ts"
import { timeOrNull } from "../identity/times.ts"
import type { ServiceEntry, ServiceStatusEntry } from "../api/status/Services.ts"
import { toolDetail } from "./failures.ts"

export const serviceOf = ({ description, id, unit }: UnitConfig): typeof ServiceEntry.Type => ({
  id,
  unit,
  description
})

/** In the order of the contract's members, which come first. */
export const serviceEntry = (
  unit: UnitConfig,
  read: Result.Result<UnitReading, ToolError>
): typeof ServiceStatusEntry.Type => {
  const state = Result.isSuccess(read) ? read.success.value.get(unit.id) : undefined
  const error = Result.isFailure(read) ? read.failure : (read.success.error ?? (state ? undefined : nothingSaid))
  return {
    service: serviceOf(unit),
    status: state === undefined ? null : statusOf(state),
    healthy: error === undefined && state !== undefined && isHealthy(unit, state),
    error: error === undefined ? null : toolDetail(error),
    result: state?.result ?? null,
    restarts: state?.restarts ?? null,
    since: timeOrNull(state?.since ?? undefined),
    memory_bytes: state?.memory_bytes ?? null,
    invocation_id: state?.invocation_id ?? null,
    age_ms: Result.isSuccess(read) ? read.success.ageMs : null,
    stale: Result.isSuccess(read) && read.success.stale
  }
}

/** It told of others, and not of this one. */
const nothingSaid = new ToolFailed({ command: "systemctl", exit_code: 0 })

const statusOf = (state: UnitState): NonNullable<(typeof ServiceStatusEntry.Type)["status"]> => ({
  load_state: state.load_state,
  active_state: state.active_state,
  sub_state: state.sub_state,
  unit_file_state: state.unit_file_state,
  main_pid: state.main_pid,
  exit_code: state.exit_code,
  exit_status: state.exit_status
})
