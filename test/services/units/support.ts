/** A unit's entry and its state as a test needs them: all is well but for what it says. */
import type { UnitConfig } from "../../../src/services/config/Config.ts"
import type { UnitState } from "../../../src/services/units/Units.ts"

export const unitOf = (options: Partial<UnitConfig> = {}): UnitConfig => ({
  id: "web",
  unit: "web.service",
  description: "",
  logs: true,
  redact: [],
  oneshot_ok: false,
  masked_ok: false,
  control: [],
  watch: true,
  record: false,
  ...options
})

export const stateOf = (options: Partial<UnitState> = {}): UnitState => ({
  load_state: "loaded",
  active_state: "active",
  sub_state: "running",
  unit_file_state: "enabled",
  main_pid: "42",
  exit_code: "0",
  exit_status: "0",
  result: "success",
  restarts: 0,
  since: 1_700_000_000_000,
  memory_bytes: null,
  invocation_id: "i1",
  ...options
})

export const failedState = (options: Partial<UnitState> = {}): UnitState =>
  stateOf({
    active_state: "failed",
    sub_state: "failed",
    main_pid: "0",
    exit_code: "1",
    exit_status: "3",
    result: "exit-code",
    ...options
  })

/** What `systemctl show` of systemd 252 prints of a unit, in its order. */
export const shown = (id: string, properties: Readonly<Record<string, string>> = {}): string => {
  const all = {
    MainPID: "42",
    Result: "success",
    NRestarts: "0",
    ExecMainCode: "0",
    ExecMainStatus: "0",
    MemoryCurrent: "[not set]",
    Id: id,
    Names: id,
    LoadState: "loaded",
    ActiveState: "active",
    SubState: "running",
    UnitFileState: "enabled",
    StateChangeTimestamp: "Sun 2026-11-22 14:32:53.086457 UTC",
    InvocationID: "5820b04827554229a88f129c37d191ae",
    ...properties
  }
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("")
}
