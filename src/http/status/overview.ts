/**
 * All units and the GPUs in one answer. It is never an error: a part that cannot be had in time says so in its place, or is
 * the last that was known of it, marked stale.
 *
 * Whoever asks while both parts are fresh is answered without a fiber, and a crowd shares one rendering: it is made anew
 * with each reading, and ten times a second for the ages in it. Bound: the probes' deadline for all of it.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import type { Config } from "../../services/config/Config.ts"
import type { SmiQuery, SmiReading } from "../../services/gpus/Gpus.ts"
import { ToolTimeout, type ToolError } from "../../services/tools/Tool.ts"
import type { UnitReading } from "../../services/units/Units.ts"
import type { OverviewAnswer } from "../api/status/Overview.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { serviceEntry } from "./serviceEntry.ts"
import { smiBody, smiErrorBody } from "./smiBody.ts"
import type { StatusServices } from "./statusRoutes.ts"
import { isoMicros } from "./times.ts"

export interface OverviewServices extends Pick<StatusServices, "clock"> {
  readonly config: Pick<StatusServices["config"], "get">
  readonly gpus: Pick<StatusServices["gpus"], "smi" | "peekSmi">
  readonly units: Pick<StatusServices["units"], "read" | "peek">
}

/** What the original asks for. */
const query: SmiQuery = { detail: false, gpu: "all" }

/** How old the ages in an answer may be that others get too. */
const renewMs = 100

/** Of a probe's own answer at its deadline, until it is here. */
const graceMs = 50

const nanosPerMs = 1_000_000n

interface Rendered {
  readonly units: UnitReading["value"]
  readonly gpu: SmiReading["value"]
  readonly configured: Config["units"]
  /** By the monotonic clock. */
  readonly at: bigint
  readonly response: HttpServerResponse
}

export const makeOverview = ({
  clock,
  config,
  gpus,
  units
}: OverviewServices): (() => Effect.Effect<HttpServerResponse>) => {
  let kept: Rendered | undefined

  const render = (
    unitsRead: Result.Result<UnitReading, ToolError>,
    gpuRead: Result.Result<SmiReading, ToolError>
  ): HttpServerResponse => jsonResponse(overviewOf(config.get(), clock, unitsRead, gpuRead))

  /** As long as what was read is the same, and who is asked about. */
  const renderedOnce = (unitsRead: UnitReading, gpuRead: SmiReading): HttpServerResponse => {
    const configured = config.get().units
    const now = clock.monotonicTimeNanosUnsafe()
    if (
      kept === undefined ||
      kept.units !== unitsRead.value ||
      kept.gpu !== gpuRead.value ||
      kept.configured !== configured ||
      now - kept.at > BigInt(renewMs) * nanosPerMs
    ) {
      const response = render(Result.succeed(unitsRead), Result.succeed(gpuRead))
      kept = { units: unitsRead.value, gpu: gpuRead.value, configured, at: now, response }
    }
    return kept.response
  }

  /** By the deadline of the whole, whatever becomes of a probe's own. */
  const inTime = <A>(read: Effect.Effect<A, ToolError>, command: string): Effect.Effect<Result.Result<A, ToolError>> =>
    Effect.result(
      Effect.timeoutOrElse(read, {
        duration: config.get().status.command_timeout_seconds * 1000 + graceMs,
        orElse: () => Effect.fail(new ToolTimeout({ command }))
      })
    )

  const asked = Effect.suspend(() =>
    Effect.map(
      Effect.all([inTime(units.read, "systemctl"), inTime(gpus.smi(query), "nvidia-smi")], {
        concurrency: "unbounded"
      }),
      ([unitsRead, gpuRead]) => render(unitsRead, gpuRead)
    )
  )

  return () => {
    const unitsKnown = units.peek()
    const gpuKnown = gpus.peekSmi(query)
    return unitsKnown === undefined || gpuKnown === undefined
      ? asked
      : Effect.succeed(renderedOnce(unitsKnown, gpuKnown))
  }
}

const overviewOf = (
  { units }: Config,
  clock: Clock.Clock,
  unitsRead: Result.Result<UnitReading, ToolError>,
  gpuRead: Result.Result<SmiReading, ToolError>
): typeof OverviewAnswer.Type => {
  const services = [...units.values()].map((unit) => serviceEntry(unit, unitsRead))
  const gpu = Result.isSuccess(gpuRead) ? smiBody(query, gpuRead.success) : smiErrorBody(query, gpuRead.failure)
  return {
    status:
      gpu.status === "ok" && gpu.stale === undefined && services.every(({ healthy }) => healthy) ? "ok" : "degraded",
    services,
    gpu,
    timestamp: isoMicros(clock.currentTimeMillisUnsafe())
  }
}
