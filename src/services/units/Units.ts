/** The state of the configured systemd units: all of them by one question, shared by all who ask. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Reading } from "../probes/Probe.ts"
import type { ToolError } from "../tools/Tool.ts"

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

export type UnitReading = Reading<ReadonlyMap<string, UnitState>, ToolError>

export class Units extends Context.Service<
  Units,
  {
    /** By id, of every configured unit. */
    readonly read: Effect.Effect<UnitReading, ToolError>
    /** As `read`, where nothing has to be asked. */
    readonly peek: () => UnitReading | undefined
  }
>()("systemapi/services/units/Units") {
  static readonly layer = Layer.succeed(Units, { read: Effect.die(new Error("not built yet")), peek: () => undefined })
}
