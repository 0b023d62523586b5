/** NVIDIA GPUs: what nvidia-smi prints, and what it says of each. One nvidia-smi at a time, whatever is asked. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly stdoutTruncated: boolean
  readonly stderrTruncated: boolean
}

export type SmiReading = Reading<SmiOutput, ToolError>

export class Gpus extends Context.Service<
  Gpus,
  {
    readonly smi: (query: SmiQuery) => Effect.Effect<SmiReading, ToolError>
    /** As `smi`, where nothing has to be asked. */
    readonly peekSmi: (query: SmiQuery) => SmiReading | undefined
  }
>()("systemapi/services/gpus/Gpus") {
  static readonly layer = Layer.succeed(Gpus, {
    smi: () => Effect.die(new Error("not built yet")),
    peekSmi: () => undefined
  })
}
