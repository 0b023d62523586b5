/**
 * NVIDIA GPUs over HTTP: what nvidia-smi prints, in the words of the System Status Service, and what it says of each GPU, with
 * a verdict.
 *
 * An answer that is not newer than `gpus.fresh_ms` is shown without asking; how old it is, the Age header says. Where the
 * tool does not answer, what it said before is shown, marked stale; where it is gone, it counts for nothing (503).
 */
import * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as HttpResponse from "effect/http/HttpServerResponse"
import type { GpuSurvey, SmiOutput, SmiQuery, SmiReading } from "../../services/gpus/Gpus.ts"
import type { ToolError } from "../../services/tools/Tool.ts"
import type { statusEndpoints } from "../api/endpoints.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import type { Handlers } from "../edge/routes.ts"
import { invalidParameter, toolFailure } from "./failures.ts"
import { gpuAnswer, gpuList } from "./gpuBodies.ts"
import { smiBody } from "./smiBody.ts"
import type { StatusServices } from "./statusRoutes.ts"

const flags: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "yes", "on"].map((word) => [word, true] as const),
  ...["false", "0", "no", "off"].map((word) => [word, false] as const)
])

/** What is a flag is looked at first, as the original does. */
const queryOf = (call: Call): Effect.Effect<SmiQuery, HttpFailure> => {
  const detail = flags.get((call.query.get("detail") ?? "false").toLowerCase())
  if (detail === undefined) {
    return Effect.fail(invalidParameter("detail", "is one of true, false, 1, 0, yes, no, on, off", "bool_parsing"))
  }
  const gpu = gpuOf(call.query.get("gpu") ?? "all")
  return gpu === undefined
    ? Effect.fail(failure(400, "gpu is all, or the index of a GPU: an integer that is not negative"))
    : Effect.succeed({ detail, gpu })
}

/** What comes of it is a number, so that no text of the caller's becomes an argument. */
const gpuOf = (text: string): "all" | number | undefined => {
  if (text === "all") return "all"
  const index = /^\d{1,64}$/u.test(text) ? Number(text) : Number.NaN
  // Beyond that two numbers are one; no GPU is there either way.
  return index <= Number.MAX_SAFE_INTEGER ? index : undefined
}

const ageHeader = (ageMs: number) => ({ age: String(Math.trunc(ageMs / 1000)) })

const jsonText = (body: object): string => `${JSON.stringify(body)}\n`

const answer = (text: string, ageMs: number): HttpServerResponse =>
  HttpResponse.text(text, { contentType: "application/json", headers: ageHeader(ageMs) })

export const makeGpuHandlers = ({ gpus }: Pick<StatusServices, "gpus">): Handlers<typeof statusEndpoints.gpus> => {
  /** Whoever asks within the time that an answer is kept gets the same text. */
  const texts = new WeakMap<SmiOutput, string>()

  const shown = (query: SmiQuery, reading: SmiReading): HttpServerResponse => {
    if (reading.stale) return answer(jsonText(smiBody(query, reading)), reading.ageMs)
    const text = texts.get(reading.value) ?? jsonText(smiBody(query, reading))
    texts.set(reading.value, text)
    return answer(text, reading.ageMs)
  }

  /** What a tool said once that is not installed any more is of another machine. */
  const unlessGone = <A extends { readonly error: ToolError | undefined }>(
    found: Effect.Effect<A, ToolError>
  ): Effect.Effect<A, HttpFailure> =>
    Effect.mapError(
      Effect.tap(found, ({ error }) => (error?._tag === "ToolMissing" ? Effect.fail(error) : Effect.void)),
      toolFailure
    )

  const survey = unlessGone(gpus.survey)

  return {
    nvidiaSmi: (call) =>
      Effect.flatMap(queryOf(call), (query) => {
        const known = gpus.peekSmi(query)
        if (known !== undefined) return Effect.succeed(shown(query, known))
        return Effect.map(unlessGone(gpus.smi(query)), (reading) => shown(query, reading))
      }),

    listGpus: () => Effect.map(survey, (found) => answer(jsonText(gpuList(found)), found.ageMs)),

    getGpu: (call) =>
      Effect.flatMap(survey, (found) => {
        const wanted = call.params["gpu"] ?? ""
        const gpu = findGpu(found, wanted)
        return gpu === undefined
          ? Effect.fail(failure(404, "no GPU has this index or UUID"))
          : Effect.succeed(answer(jsonText(gpuAnswer(found, gpu)), found.ageMs))
      })
  }
}

/** Of two that have had the same index, the one that answers. */
const findGpu = ({ gpus }: GpuSurvey, wanted: string): GpuSurvey["gpus"][number] | undefined => {
  const index = /^\d{1,9}$/u.test(wanted) ? Number(wanted) : undefined
  const found =
    index === undefined
      ? gpus.filter(({ uuid }) => uuid?.toLowerCase() === wanted.toLowerCase())
      : gpus.filter((gpu) => gpu.index === index)
  return found.find(({ seen }) => seen === "now") ?? found[0]
}
