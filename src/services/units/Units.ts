/**
 * The state of the configured systemd units: all of them by one question, shared by all who ask (Probe.ts says how). Another
 * set of units after a reload is asked for at once; until then what was known of those that stayed is shown as stale.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Executor } from "../commands/Executor.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { makeProbe, type Probe, type Reading } from "../probes/Probe.ts"
import { type ToolError, ToolTimeout } from "../tools/Tool.ts"
import { readUnits, systemctl } from "./readUnits.ts"

/** As `systemctl show` writes them; null where it says nothing. */
export interface UnitState {
  readonly load_state: string | null
  readonly active_state: string | null
  readonly sub_state: string | null
  readonly unit_file_state: string | null
  readonly main_pid: string | null
  /** ExecMainCode: how its process ended, as a number of SIGCHLD's codes. */
  readonly exit_code: string | null
  /** ExecMainStatus. */
  readonly exit_status: string | null
  /** Why it ended: `success`, `exit-code`, `oom-kill`, `start-limit-hit` … */
  readonly result: string | null
  /** How often systemd has started it again by itself. */
  readonly restarts: number | null
  /** UNIX time in milliseconds of its last change of state. */
  readonly since: number | null
  readonly memory_bytes: number | null
  /** Another one with each start. */
  readonly invocation_id: string | null
}

/** By id. */
type States = ReadonlyMap<string, UnitState>

export type UnitReading = Reading<States, ToolError>

export class Units extends Context.Service<Units, Probe<States, ToolError>>()("systemapi/services/units/Units") {
  static readonly layer = Layer.effect(
    Units,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const executor = yield* Executor
      const timeoutSeconds = () => config.get().status.command_timeout_seconds
      return yield* makeProbe<States, ToolError>({
        ask: Effect.suspend(() => readUnits(executor, config.get().units, timeoutSeconds())),
        freshMs: () => config.get().status.units_fresh_ms,
        deadlineMs: () => timeoutSeconds() * 1000,
        late: new ToolTimeout({ command: systemctl }),
        about: () => config.get().units
      })
    })
  )
}
