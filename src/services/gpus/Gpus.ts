/**
 * NVIDIA GPUs: what nvidia-smi prints, what it says of each, and what the driver has told the kernel's log. One nvidia-smi
 * at a time, whatever is asked; answers are shared, kept a while, and come in time (Probe.ts).
 *
 * What asks is loaded with the first question (makeGpus.ts): most starts have none.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Executor } from "../commands/Executor.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { Journal } from "../journal/Journal.ts"
import type { Reading } from "../probes/Probe.ts"
import type { ToolError } from "../tools/Tool.ts"

export interface SmiQuery {
  readonly detail: boolean
  /** `all`, or the index of one. */
  readonly gpu: "all" | number
}

/** One run of it, however it ended. */
export interface SmiOutput {
  readonly command: ReadonlyArray<string>
  /** -N: signal N ended it. */
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly stdoutTruncated: boolean
  readonly stderrTruncated: boolean
}

export type SmiReading = Reading<SmiOutput, ToolError>

export interface GpuIdentity {
  readonly index: number
  readonly name: string | null
  readonly uuid: string | null
  readonly pciBusId: string | null
}

/** Memory in MiB, power in W, temperatures in °C, utilization in percent; null: the GPU or its driver does not say. */
export interface GpuReadings extends GpuIdentity {
  readonly memoryTotal: number | null
  readonly memoryUsed: number | null
  readonly memoryFree: number | null
  readonly powerDraw: number | null
  readonly powerLimit: number | null
  readonly temperature: number | null
  readonly memoryTemperature: number | null
  readonly hardwareSlowdown: boolean | null
  readonly softwareSlowdown: boolean | null
  readonly gpuUtilization: number | null
  readonly memoryUtilization: number | null
  readonly eccMode: boolean | null
  readonly correctedVolatile: number | null
  readonly correctedAggregate: number | null
  readonly uncorrectedVolatile: number | null
  readonly uncorrectedAggregate: number | null
  readonly pagesPending: boolean | null
  readonly performanceState: string | null
  readonly persistenceMode: boolean | null
  readonly computeMode: string | null
  readonly migMode: string | null
}

export interface RemappedRows {
  readonly corrected: number | null
  readonly uncorrected: number | null
  readonly pending: boolean | null
  readonly failed: boolean | null
}

export interface GpuSeen extends GpuReadings {
  /** `missing`: the others are told of; `unreadable`: none is; `lost`: the driver says so. */
  readonly seen: "now" | "missing" | "unreadable" | "lost"
  readonly remapped: RemappedRows | null
  /** What its row says is wrong. */
  readonly faults: ReadonlyArray<string>
}

/** By index; first those that answer, where two have the same. */
export interface GpuReport {
  readonly exitCode: number
  /** What it said, where it failed. */
  readonly message: string | null
  readonly driverVersion: string | null
  readonly gpus: ReadonlyArray<GpuSeen>
}

/** `application`: what ran on it is to blame first; `critical`: the GPU or its driver is. */
export type XidSeverity = "application" | "warning" | "critical"

export interface Xid {
  readonly cursor: string
  /** UNIX time in milliseconds. */
  readonly at: number
  readonly number: number
  readonly pciBusId: string
  readonly severity: XidSeverity
  readonly meaning: string | null
  readonly text: string
}

/** In rising severity. */
export type Verdict = "ok" | "degraded" | "failed"

export interface Reason {
  readonly code: string
  readonly message: string
}

export interface Judgement {
  readonly verdict: Verdict
  readonly reasons: ReadonlyArray<Reason>
}

export interface GpuSurvey {
  /** The worst of all. */
  readonly verdict: Verdict
  /** What is wrong that is no one GPU's. */
  readonly driver: Judgement
  readonly driverVersion: string | null
  readonly gpus: ReadonlyArray<GpuSeen & Judgement>
  /** Oldest first; null: `xidsError` says why. */
  readonly xids: ReadonlyArray<Xid> | null
  readonly xidsError: string | null
  /** UNIX time in milliseconds. */
  readonly readAt: number
  readonly ageMs: number
  readonly stale: boolean
  readonly error: ToolError | undefined
}

interface Shape {
  readonly smi: (query: SmiQuery) => Effect.Effect<SmiReading, ToolError>
  /** As `smi`, where nothing has to be asked. */
  readonly peekSmi: (query: SmiQuery) => SmiReading | undefined
  /** All GPUs, judged. */
  readonly survey: Effect.Effect<GpuSurvey, ToolError>
  /** Whether there is such a program; looked for in folders, and not started. */
  readonly isThere: Effect.Effect<boolean>
}

export class Gpus extends Context.Service<Gpus, Shape>()("systemapi/services/gpus/Gpus") {
  static readonly layer = Layer.effect(
    Gpus,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const machine = { executor: yield* Executor, config: yield* CurrentConfig, journal: yield* Journal }
      let loaded: Shape | undefined
      const load = yield* Effect.cached(
        Effect.promise(() => import("./makeGpus.ts")).pipe(
          Effect.flatMap(({ makeGpus }) => makeGpus(machine)),
          Effect.tap((shape) => Effect.sync(() => (loaded = shape))),
          Scope.provide(scope),
          // Whoever asked first may go away: others wait for the same.
          Effect.uninterruptible
        )
      )
      return Gpus.of({
        smi: (query) => Effect.flatMap(load, ({ smi }) => smi(query)),
        peekSmi: (query) => loaded?.peekSmi(query),
        survey: Effect.flatMap(load, ({ survey }) => survey),
        isThere: Effect.flatMap(load, ({ isThere }) => isThere)
      })
    })
  )
}
