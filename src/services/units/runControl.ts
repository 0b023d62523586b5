/**
 * Starts, stops or restarts a unit: `systemctl` asks systemd for a job and waits for its end. What may be done is asked of
 * the configuration in force when its turn has come. The unit's state is asked anew afterwards, and is part of the result.
 *
 * Bounds: `jobTimeout`, after which systemctl is ended; systemd's job goes on, as its own time-outs have it. After a restart
 * of the daemon in its midst it is not done again: nobody knows whether it was done.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RunResult } from "../commands/Executor.ts"
import type { UnitConfig } from "../config/Config.ts"
import type { CurrentConfig } from "../config/CurrentConfig.ts"
import { type UnitVerb, unitVerbs } from "../config/UnitSection.ts"
import type { EventLog } from "../events/EventLog.ts"
import { anonymousId } from "../identity/Principal.ts"
import { type Operation, OperationFailed } from "../operations/Operation.ts"
import type { OperationContext } from "../operations/OperationKinds.ts"
import { exitCode, toolEnvironment } from "../tools/Tool.ts"
import { isHealthy } from "./health.ts"
import type { Units } from "./Units.ts"

/** Above what units take to stop and start again (TimeoutStopSec and TimeoutStartSec, 90 s each). */
const jobTimeout = Duration.minutes(10)

/** Nothing of systemctl is worth waiting for once it has been told to end. */
const killGrace = Duration.seconds(2)

/** systemctl says one sentence for each unit, and hints. */
const keptMax = 16 * 1024

/** Of what it said, in the operation's error. */
const saidMax = 300

const Input = Schema.Struct({ verb: Schema.Literals(unitVerbs) })
const decodeInput = Schema.decodeUnknownEffect(Input)

interface Services {
  readonly config: Pick<CurrentConfig["Service"], "get">
  readonly log: Pick<EventLog["Service"], "record">
  readonly units: Pick<Units["Service"], "readAnew">
}

export const runControl = Effect.fnUntraced(function* (
  { config, log, units }: Services,
  operation: Operation,
  context: OperationContext
) {
  const { verb } = yield* Effect.mapError(
    decodeInput(operation.input),
    ({ message }) => new OperationFailed({ code: "invalid_input", message })
  )
  const unit = config.get().units.get(operation.name)
  if (unit === undefined) {
    return yield* new OperationFailed({ code: "not_found", message: `${operation.name} is no unit that is shown` })
  }
  if (!unit.control.includes(verb)) {
    return yield* new OperationFailed({ code: "not_permitted", message: `${verb} is not allowed for ${unit.id}` })
  }
  const who = operation.who === anonymousId ? undefined : operation.who
  const told = `${verb} of unit ${unit.id} (${unit.unit})`
  const result = yield* context
    .command(commandOf(unit, verb), { again: false })
    .pipe(Effect.tapError(({ message }) => log.record(`${told} failed: ${message}`, { who, level: "error" })))
  const fault = faultOf(unit, verb, result)
  yield* fault === undefined
    ? log.record(`${told} succeeded`, { who })
    : log.record(`${told} failed: ${fault.message}`, { who, level: "error" })
  // Those who read the unit's state next see what was done, however it went.
  const state = yield* Effect.match(units.readAnew, {
    onFailure: () => undefined,
    onSuccess: ({ stale, value }) => (stale ? undefined : value.get(unit.id))
  })
  const shown = {
    unit: unit.unit,
    verb,
    active_state: state?.active_state ?? null,
    sub_state: state?.sub_state ?? null,
    healthy: state === undefined ? null : isHealthy(unit, state)
  }
  if (fault === undefined) return shown
  return yield* new OperationFailed({ ...fault, details: { exit_code: exitCode(result) }, result: shown })
})

const commandOf = ({ id, unit }: UnitConfig, verb: UnitVerb) => ({
  name: `unit:${id}`,
  // Nothing behind `--` is an option; without a terminal there is nobody to ask for a password.
  argv: ["systemctl", "--no-ask-password", "--no-pager", verb, "--", unit] as const,
  env: toolEnvironment(),
  headBytes: keptMax,
  tailBytes: keptMax,
  timeout: jobTimeout,
  killGrace,
  outputGrace: Duration.millis(100),
  concurrency: 1
})

/** Undefined: it ended well. */
const faultOf = (unit: UnitConfig, verb: UnitVerb, result: RunResult) => {
  if (result.timedOut) {
    const message = `${verb} has not ended after ${Duration.toSeconds(jobTimeout)} s; systemd goes on with it`
    return { code: "timed_out", message }
  }
  if (exitCode(result) === 0) return undefined
  const said = result.stderr.head
  const known = reasons.find(({ pattern }) => pattern.test(said))
  return known === undefined
    ? { code: "command_failed", message: firstLine(said) ?? `systemctl ended with exit status ${exitCode(result)}` }
    : { code: known.code, message: known.message(unit) }
}

/** What systemctl says is not translated: `toolEnvironment` sees to that. */
const reasons: ReadonlyArray<{
  readonly pattern: RegExp
  readonly code: string
  readonly message: (unit: UnitConfig) => string
}> = [
  {
    pattern: /interactive authentication required|access denied|permission denied|not authorized/iu,
    code: "not_permitted",
    message: ({ unit }) =>
      `systemd does not let the daemon's account do this to ${unit}: it needs a polkit rule that allows it ` +
      "org.freedesktop.systemd1.manage-units for this unit"
  },
  {
    pattern: /not found\.|could not be found|not loaded/iu,
    code: "not_found",
    message: ({ unit }) => `systemd knows of no unit ${unit}`
  },
  { pattern: /is masked/iu, code: "conflict", message: ({ unit }) => `${unit} is masked` },
  {
    pattern: /failed to connect to (?:the )?(?:system )?(?:bus|scope bus)|has not been booted with systemd/iu,
    code: "unavailable",
    message: () => "systemd cannot be reached"
  }
]

const firstLine = (text: string): string | undefined => {
  const line = text.split("\n", 1)[0]?.trim().slice(0, saidMax).toWellFormed()
  return line === "" ? undefined : line
}
