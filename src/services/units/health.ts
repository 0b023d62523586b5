/**
 * Whether a unit is well: a function of its state and of what its entry allows. Loaded, active and at its steady state;
 * `exited` with status 0 where the entry says `oneshot_ok`; masked where it says `masked_ok`.
 *
 * The rule was made for services and sockets. Units of the other types rest in states of their own, and are well in those.
 */
import type { UnitConfig } from "../config/Config.ts"
import type { UnitState } from "./Units.ts"

type Allowed = Pick<UnitConfig, "unit" | "oneshot_ok" | "masked_ok">

/** What `systemctl --state=help` lists as the sub states of an active unit, without those it only passes through. */
const steady: Readonly<Record<string, ReadonlyArray<string>>> = {
  automount: ["waiting", "running"],
  device: ["plugged"],
  mount: ["mounted"],
  path: ["waiting", "running"],
  scope: ["running"],
  slice: ["active"],
  swap: ["active"],
  target: ["active"],
  timer: ["waiting", "running"]
}

const ofServices: ReadonlyArray<string> = ["running", "listening"]

export const isHealthy = (allowed: Allowed, state: UnitState): boolean => {
  const { active_state, load_state, sub_state } = state
  if (load_state === "masked") return allowed.masked_ok
  if (load_state !== "loaded" || sub_state === null) return false
  if (active_state === "active") {
    const type = allowed.unit.slice(allowed.unit.lastIndexOf(".") + 1)
    return (steady[type] ?? ofServices).includes(sub_state) || (allowed.oneshot_ok && hasExited(sub_state, state))
  }
  return allowed.oneshot_ok && active_state === "inactive" && hasRun(sub_state, state)
}

/** With RemainAfterExit=yes. */
const hasExited = (sub: string, { exit_status }: UnitState): boolean => sub === "exited" && exit_status === "0"

/** CLD_EXITED; 0 of a unit that has not been started since systemd knows of it. */
const byItself = "1"

/** Without RemainAfterExit it is dead afterwards, as one that has never run: that one has no process that ended. */
const hasRun = (sub: string, { exit_code, exit_status, result }: UnitState): boolean =>
  sub === "dead" && exit_code === byItself && exit_status === "0" && result === "success"
