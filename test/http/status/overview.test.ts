/** /overview and /health: in time, whatever becomes of the parts, and rendered once for a crowd. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { OverviewAnswer } from "../../../src/http/api/status/Overview.ts"
import { makeOverviewHandlers } from "../../../src/http/status/overviewHandlers.ts"
import type { Gpus, SmiReading } from "../../../src/services/gpus/Gpus.ts"
import { ToolFailed, ToolMissing, ToolTimeout } from "../../../src/services/tools/Tool.ts"
import type { UnitReading, Units } from "../../../src/services/units/Units.ts"
import { request } from "../edge/support.ts"
import { changeableConfig, overviewEdge, question, running, smiReading, unitsReading } from "./support.ts"

const toml = '[units]\nweb = "web.service"\nbatch = { unit = "batch.service", oneshot_ok = true }\n'

interface Parts {
  readonly units?: Partial<Units["Service"]>
  readonly gpus?: Partial<Gpus["Service"]>
  readonly degraded?: () => string | undefined
}

const make = Effect.fnUntraced(function* ({ degraded = () => undefined, gpus, units }: Parts = {}) {
  const { change, config } = yield* changeableConfig(toml)
  const never = Effect.die(new Error("not to be asked"))
  const services: Parameters<typeof makeOverviewHandlers>[0] = {
    clock: yield* Clock.Clock,
    config: { ...config, reload: never, set: () => never } as never,
    units: { read: never, readAnew: never, peek: () => undefined, ...units },
    gpus: { smi: () => never, peekSmi: () => undefined, ...gpus } as never,
    instance: { version: "1.2.3", bootId: "b", startedAt: 0, uptimeSeconds: Effect.succeed(17) },
    log: { degraded }
  }
  return { ...(yield* overviewEdge(makeOverviewHandlers(services))), change }
})
