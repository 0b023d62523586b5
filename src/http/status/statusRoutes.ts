/** The Status API: every endpoint of its contract with its handler, loaded when it is first asked. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Executor } from "../../services/commands/Executor.ts"
import { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import { DiskSpace } from "../../services/disk/DiskSpace.ts"
import { EventLog } from "../../services/events/EventLog.ts"
import { Gpus } from "../../services/gpus/Gpus.ts"
import { Host } from "../../services/host/Host.ts"
import { Power } from "../../services/host/Power.ts"
import { Instance } from "../../services/Instance.ts"
import { Journal } from "../../services/journal/Journal.ts"
import { Operations } from "../../services/operations/Operations.ts"
import { Units } from "../../services/units/Units.ts"
import { statusEndpoints } from "../api/endpoints.ts"
import { bindAtFirstUse, type Route } from "../edge/routes.ts"

/** What its handlers are made of. */
export interface StatusServices {
  readonly clock: Clock.Clock
  readonly config: CurrentConfig["Service"]
  readonly disk: DiskSpace["Service"]
  readonly executor: Executor["Service"]
  readonly gpus: Gpus["Service"]
  readonly host: Host["Service"]
  readonly instance: Instance["Service"]
  readonly journal: Journal["Service"]
  readonly log: EventLog["Service"]
  readonly operations: Operations["Service"]
  readonly power: Power["Service"]
  readonly units: Units["Service"]
}

export const statusRoutes = Effect.gen(function* () {
  const services: StatusServices = {
    clock: yield* Clock.Clock,
    config: yield* CurrentConfig,
    disk: yield* DiskSpace,
    executor: yield* Executor,
    gpus: yield* Gpus,
    host: yield* Host,
    instance: yield* Instance,
    journal: yield* Journal,
    log: yield* EventLog,
    operations: yield* Operations,
    power: yield* Power,
    units: yield* Units
  }
  const { gpus, host, logs, overview, services: units } = statusEndpoints
  const routes: ReadonlyArray<Route> = [
    ...bindAtFirstUse(overview, async () => (await import("./overviewHandlers.ts")).makeOverviewHandlers(services)),
    ...bindAtFirstUse(units, async () => (await import("./serviceHandlers.ts")).makeServiceHandlers(services)),
    ...bindAtFirstUse(logs, async () => (await import("./logHandlers.ts")).makeLogHandlers(services)),
    ...bindAtFirstUse(gpus, async () => (await import("./gpuHandlers.ts")).makeGpuHandlers(services)),
    ...bindAtFirstUse(host, async () => (await import("./hostHandlers.ts")).makeHostHandlers(services))
  ]
  return routes
})
