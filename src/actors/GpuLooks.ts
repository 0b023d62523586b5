/**
 * What a look at the GPUs brings into the event log: a GPU, or the driver as a whole, that is no longer as it was at the look
 * before, and each Xid once. The source is `gpu:INDEX`, or `gpu` where it is no one GPU's.
 *
 * Whether something is well is compared with the look before it; what is not well at the first look is told. Which Xids
 * have been told is kept in the log itself, by a mark that moves with them, so that a restart of the daemon tells none again.
 *
 * Bounds: an event for each GPU and for each Xid that is known (Xids.ts) at one look. What cannot be recorded is tried again
 * at the next look.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { EventRun, Level } from "../services/events/Event.ts"
import type { EventLog } from "../services/events/EventLog.ts"
import type { Gpus, GpuSurvey, Judgement, Verdict, Xid } from "../services/gpus/Gpus.ts"
import { isOf } from "../services/gpus/health.ts"
import type { ToolError } from "../services/tools/Tool.ts"

export interface GpuLookServices {
  readonly gpus: Pick<Gpus["Service"], "survey">
  readonly log: Pick<EventLog["Service"], "append" | "appendMarked" | "mark">
}

/** How far the Xids were told: the journal's cursor of the newest. */
const markName = "gpu:xid"

const levels: Readonly<Record<Verdict, Level>> = { ok: "info", degraded: "warning", failed: "error" }

const xidLevels: Readonly<Record<Xid["severity"], Level>> = {
  application: "info",
  warning: "warning",
  critical: "error"
}

/** What is compared, and how it is told. */
interface Subject extends Judgement {
  readonly key: string
  readonly source: string
  readonly name: string
  /** For "GPU 3 is", "the GPUs are". */
  readonly is: "is" | "are"
  readonly fields: Readonly<Record<string, string | number | null>>
}

export const makeGpuLooks = ({ gpus, log }: GpuLookServices) => {
  /** How each was when it was last told, by its key; one that was never told was well. */
  const told = new Map<string, { readonly state: string; readonly verdict: Verdict }>()
  let xidsUnreadable: string | undefined

  const tellChanges = Effect.fnUntraced(function* (subjects: ReadonlyArray<Subject>) {
    const receivedAt = yield* Clock.currentTimeNanos
    const changed = subjects.filter((one) => (told.get(one.key)?.state ?? "ok") !== stateOf(one))
    if (changed.length === 0) return
    yield* log.append(changed.map((one) => runOf(one, told.get(one.key)?.verdict ?? "ok", receivedAt)))
    for (const one of changed) told.set(one.key, { state: stateOf(one), verdict: one.verdict })
  })

  const tellXids = Effect.fnUntraced(function* (xids: ReadonlyArray<Xid>, survey: GpuSurvey) {
    const from = yield* log.mark(markName)
    // Where the mark's own is gone, so are those before it: all that is left is newer.
    const news = xids.slice(xids.findIndex(({ cursor }) => cursor === from) + 1)
    const newest = news.at(-1)
    if (newest === undefined) return
    const receivedAt = yield* Clock.currentTimeNanos
    yield* log.appendMarked(
      news.map((xid) => xidRunOf(xid, survey, receivedAt)),
      { name: markName, value: newest.cursor, from }
    )
  })

  const noteXids = Effect.fnUntraced(function* (error: string | null) {
    const now = error ?? undefined
    if (now === xidsUnreadable) return
    xidsUnreadable = now
    yield* now === undefined
      ? Effect.logInfo("Xid errors of GPUs are watched again")
      : Effect.logWarning(`Xid errors of GPUs are not watched: ${now}`)
  })

  const look = Effect.matchEffect(gpus.survey, {
    onFailure: (error) => tellChanges([unanswered(error)]),
    onSuccess: (survey) =>
      Effect.andThen(
        tellChanges(subjectsOf(survey)),
        Effect.andThen(noteXids(survey.xidsError), survey.xids === null ? Effect.void : tellXids(survey.xids, survey))
      )
  }).pipe(Effect.catch((error) => Effect.logWarning(`what became of the GPUs is not recorded: ${error.message}`)))

  return { look }
}

const driverSubject = (judgement: Judgement): Subject => ({
  ...judgement,
  key: "driver",
  source: "gpu",
  name: "the GPUs",
  is: "are",
  fields: {}
})

/** Nothing was ever told of them. */
const unanswered = (error: ToolError): Subject =>
  driverSubject({ verdict: "failed", reasons: [{ code: "no_answer", message: error.message }] })

const subjectsOf = ({ driver, gpus }: GpuSurvey): ReadonlyArray<Subject> => [
  driverSubject(driver),
  ...gpus.map(({ index, name, pciBusId, reasons, uuid, verdict }): Subject => ({
    verdict,
    reasons,
    key: uuid ?? pciBusId ?? String(index),
    source: `gpu:${index}`,
    name: `GPU ${index}${name === null ? "" : ` (${name})`}`,
    is: "is",
    fields: { gpu: index, uuid, pci_bus_id: pciBusId }
  }))
]

/** Another reason is news, also where the verdict stays. */
const stateOf = ({ reasons, verdict }: Judgement): string =>
  verdict === "ok" ? "ok" : `${verdict} ${reasons.map(({ code }) => code).join(" ")}`

const runOf = (
  { fields, is, name, reasons, source, verdict }: Subject,
  from: Verdict,
  receivedAt: bigint
): EventRun => {
  const why = reasons.map(({ message }) => message).join("; ")
  const message =
    verdict === "ok"
      ? `${name} ${is} well again`
      : `${name} ${verdict === "failed" ? "failed" : `${is} degraded`}: ${why}`
  return {
    receivedAt,
    source,
    who: undefined,
    level: levels[verdict],
    fields: JSON.stringify({ event: "gpu", ...fields, from, to: verdict, reasons: reasons.map(({ code }) => code) }),
    messages: [message]
  }
}

const xidRunOf = (xid: Xid, { gpus }: GpuSurvey, receivedAt: bigint): EventRun => {
  const gpu = gpus.find((one) => isOf(xid, one))
  const { number, pciBusId } = xid
  const name = gpu === undefined ? `the GPU at ${pciBusId}` : `GPU ${gpu.index}`
  return {
    receivedAt,
    source: gpu === undefined ? "gpu" : `gpu:${gpu.index}`,
    who: undefined,
    level: xidLevels[xid.severity],
    fields: JSON.stringify({
      event: "xid",
      xid: number,
      gpu: gpu?.index ?? null,
      uuid: gpu?.uuid ?? null,
      pci_bus_id: pciBusId,
      at: new Date(xid.at).toISOString()
    }),
    messages: [`${name} has Xid ${number}${xid.meaning === null ? "" : ` (${xid.meaning})`}: ${xid.text}`]
  }
}
