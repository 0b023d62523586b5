/**
 * Asks systemctl for the state of units: one call for all of them. It fails as a whole where there is no systemctl, no bus
 * or no answer in time; a unit that does not exist is a state (`not-found`) like any other.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Executor } from "../commands/Executor.ts"
import type { UnitConfig } from "../config/Config.ts"
import { runToolWell, ToolFailed, type ToolError } from "../tools/Tool.ts"
import { parseShow, shownProperties } from "./parseShow.ts"
import type { UnitState } from "./Units.ts"

export const systemctl = "systemctl"

/** Of one unit: fourteen properties, of which Names alone has no bound of its own. */
const bytesPerUnit = 4096

export const readUnits = (
  executor: Pick<Executor["Service"], "run">,
  units: ReadonlyMap<string, UnitConfig>,
  timeoutSeconds: number
): Effect.Effect<ReadonlyMap<string, UnitState>, ToolError> => {
  const names = [...new Set([...units.values()].map(({ unit }) => unit))]
  // Without a name it would tell of systemd itself.
  if (names.length === 0) return Effect.succeed(new Map())
  return runToolWell(executor)({
    name: systemctl,
    argv: [
      systemctl,
      "show",
      "--no-pager",
      "--timestamp=us+utc",
      `--property=${shownProperties.join(",")}`,
      "--",
      ...names
    ],
    timeout: Duration.seconds(timeoutSeconds),
    headBytes: bytesPerUnit * names.length,
    tailBytes: 0
  }).pipe(
    Effect.flatMap(({ stdout }) => {
      const states = parseShow(stdout.head, names)
      // It says that all is well and tells nothing: no systemctl that we know.
      if (states.size === 0) return Effect.fail(new ToolFailed({ command: systemctl, exit_code: 0 }))
      return Effect.succeed(byId(units, states))
    })
  )
}

const byId = (
  units: ReadonlyMap<string, UnitConfig>,
  states: ReadonlyMap<string, UnitState>
): ReadonlyMap<string, UnitState> => {
  const found = new Map<string, UnitState>()
  for (const { id, unit } of units.values()) {
    const state = states.get(unit)
    if (state !== undefined) found.set(id, state)
  }
  return found
}
