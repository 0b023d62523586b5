/** The Status API's handlers behind an edge, over a machine that does what a test tells it. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { statusEndpoints } from "../../../src/http/api/endpoints.ts"
import { bind, type Handlers, type Route } from "../../../src/http/edge/routes.ts"
import type { Config } from "../../../src/services/config/Config.ts"
import type { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import type { SmiReading } from "../../../src/services/gpus/Gpus.ts"
import type { ToolError } from "../../../src/services/tools/Tool.ts"
import type { UnitReading, UnitState } from "../../../src/services/units/Units.ts"
import { configOf } from "../../services/config/support.ts"
import { admitted, makeTestEdge, type Options, user } from "../edge/support.ts"

/** A configuration in force that a test may replace. */
export const changeableConfig = Effect.fnUntraced(function* (toml: string) {
  let now: Config = yield* configOf(toml)
  const change = (text: string) =>
    Effect.map(configOf(text), (next) => {
      now = next
    })
  const config: Pick<CurrentConfig["Service"], "get"> = { get: () => now }
  return { config, change }
})

export const running: UnitState = {
  load_state: "loaded",
  active_state: "active",
  sub_state: "running",
  unit_file_state: "enabled",
  main_pid: "100",
  exit_code: "0",
  exit_status: "0",
  result: "success",
  restarts: 0,
  since: 1_700_000_000_000,
  memory_bytes: 4096,
  invocation_id: "abc"
}

export const unitsReading = (
  states: Readonly<Record<string, UnitState>>,
  rest: Partial<UnitReading> = {}
): UnitReading => ({
  value: new Map(Object.entries(states)),
  readAt: 0,
  ageMs: 5,
  stale: false,
  error: undefined,
  ...rest
})

export const smiReading = (exitCode: number, rest: Partial<SmiReading> = {}): SmiReading => ({
  value: {
    command: ["nvidia-smi"],
    exitCode,
    stdout: exitCode === 0 ? "Tesla\n" : "failed\n",
    stderr: "",
    stdoutTruncated: false,
    stderrTruncated: false
  },
  readAt: 0,
  ageMs: 7,
  stale: false,
  error: undefined,
  ...rest
})

/** A question whose answer a test gives, or never gives. */
export const question = <A>() => {
  const answer = Deferred.makeUnsafe<A, ToolError>()
  let asked = 0
  return {
    ask: Effect.suspend(() => {
      asked += 1
      return Deferred.await(answer)
    }),
    answer,
    asked: () => asked
  }
}

const edgeOf = (routes: ReadonlyArray<Route>, options: Partial<Options>) =>
  makeTestEdge({
    routes,
    outcome: admitted(user("ann", "*")),
    surface: { apis: ["status"] },
    ...options
  })

export const overviewEdge = (handlers: Handlers<typeof statusEndpoints.overview>, options: Partial<Options> = {}) =>
  edgeOf(bind(statusEndpoints.overview, handlers), options)

export const hostEdge = (handlers: Handlers<typeof statusEndpoints.host>, options: Partial<Options> = {}) =>
  edgeOf(bind(statusEndpoints.host, handlers), options)

export const servicesEdge = (handlers: Handlers<typeof statusEndpoints.services>, options: Partial<Options> = {}) =>
  edgeOf(bind(statusEndpoints.services, handlers), options)

export const logsEdge = (handlers: Handlers<typeof statusEndpoints.logs>, options: Partial<Options> = {}) =>
  edgeOf(bind(statusEndpoints.logs, handlers), options)
