/** The GPUs of this machine, asked through one runner: raw outputs, columns and the kernel's log, put together and judged. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Journal, JournalError } from "../journal/Journal.ts"
import { makeProbe, type Reading } from "../probes/Probe.ts"
import { type ToolError, toolEnvironment, ToolTimeout } from "../tools/Tool.ts"
import { findProgram } from "./findProgram.ts"
import { makeGpuQuery } from "./GpuQuery.ts"
import type { Gpus, GpuReport, GpuSurvey, Judgement, Xid } from "./Gpus.ts"
import { judgeDriver, judgeGpu, worst } from "./health.ts"
import { type Remains, remainsHere } from "./remains.ts"
import { makeSmiOutputs } from "./SmiOutputs.ts"
import { makeSmiRunner, type SmiMachine } from "./SmiRunner.ts"
import { makeXids } from "./Xids.ts"

export interface GpuMachine extends Omit<SmiMachine, "remains"> {
  readonly journal: Pick<Journal["Service"], "page">
  readonly remains?: Remains
}

export const makeGpus = Effect.fnUntraced(function* ({
  config,
  executor,
  journal,
  remains = remainsHere
}: GpuMachine): Effect.fn.Return<Gpus["Service"], never, Scope> {
  const runner = makeSmiRunner({ config, executor, remains })
  const outputs = yield* makeSmiOutputs(runner, config)
  const xids = yield* makeXids(journal, config)
  const report = yield* makeProbe<GpuReport, ToolError>({
    ask: makeGpuQuery(runner, config).report,
    freshMs: () => config.get().gpus.fresh_ms,
    deadlineMs: () => config.get().status.command_timeout_seconds * 1000,
    late: new ToolTimeout({ command: "nvidia-smi" }),
    about: () => config.get().gpus.command
  })

  const survey = Effect.gen(function* () {
    const [found, told] = yield* Effect.all([report.read, Effect.result(xids.read)], { concurrency: 2 })
    const now = yield* Clock.currentTimeMillis
    return told._tag === "Success" ? surveyOf(found, told.success, now) : surveyOf(found, told.failure, now)
  })

  return {
    smi: outputs.read,
    peekSmi: outputs.peek,
    survey,
    isThere: Effect.suspend(() => findProgram(config.get().gpus.command, toolEnvironment()["PATH"] ?? "")).pipe(
      Effect.map((path) => path !== undefined)
    )
  }
})

type XidReading = Reading<ReadonlyArray<Xid>, JournalError>

const surveyOf = (found: Reading<GpuReport, ToolError>, told: XidReading | JournalError, now: number): GpuSurvey => {
  const { ageMs, error, readAt, stale, value } = found
  const xids = "_tag" in told ? null : told.value
  const gpus = value.gpus.map((gpu) => ({ ...gpu, ...judgeGpu(gpu, xids ?? [], now) }))
  const driver = stale ? withSilence(judgeDriver(value), error) : judgeDriver(value)
  return {
    verdict: worst([...gpus.map(({ verdict }) => verdict), driver.verdict]),
    driver,
    driverVersion: value.driverVersion,
    gpus,
    xids,
    xidsError: "_tag" in told ? told.message : (told.error?.message ?? null),
    readAt,
    ageMs,
    stale,
    error
  }
}

/** What it said before is shown, and that it says nothing now. */
const withSilence = ({ reasons, verdict }: Judgement, error: ToolError | undefined): Judgement => ({
  verdict: worst([verdict, "degraded"]),
  reasons: [...reasons, { code: "no_answer", message: error?.message ?? "nvidia-smi does not answer" }]
})
