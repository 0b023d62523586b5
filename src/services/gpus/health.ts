/**
 * Whether the GPUs are well, and why not: a function of what nvidia-smi and the kernel's log say, and of the time.
 *
 * failed: it does no work (lost, missing, waits for a reset, rows that cannot be remapped), or there is no driver to ask.
 * degraded: it works, and somebody should look: errors that ECC could not correct since the driver was loaded, pages or rows
 * that wait to be replaced, heat that slows it down, readings that it fails to give, an Xid of the critical kind within
 * the last day, answers that do not come. What programs do wrong is shown among the Xids and counts for nothing here.
 */
import { busAddress } from "./gpuColumns.ts"
import type { GpuReport, GpuSeen, Judgement, Reason, Verdict, Xid } from "./Gpus.ts"

/** One that nobody has looked at in a day is found in the event log. */
const recentMs = 86_400_000

interface Rule {
  readonly verdict: Verdict
  readonly code: string
  /** What to say where it applies. */
  readonly says: (gpu: GpuSeen) => string | undefined
}

const when = (holds: boolean | null | undefined, text: string): string | undefined =>
  holds === true ? text : undefined

const isReset = (fault: string): boolean => /requires reset/iu.test(fault)
const isLost = (fault: string): boolean => /is lost/iu.test(fault)

const rules: ReadonlyArray<Rule> = [
  {
    verdict: "failed",
    code: "lost",
    says: ({ faults, seen }) => when(seen === "lost" || faults.some(isLost), "the driver has lost it")
  },
  { verdict: "failed", code: "missing", says: ({ seen }) => when(seen === "missing", "it was there and is no more") },
  {
    verdict: "degraded",
    code: "unreadable",
    says: ({ seen }) => when(seen === "unreadable", "nothing is told of it now")
  },
  {
    verdict: "failed",
    code: "reset_required",
    says: ({ faults }) => when(faults.some(isReset), "it waits for a reset")
  },
  {
    verdict: "failed",
    code: "row_remap_failed",
    says: ({ remapped }) => when(remapped?.failed, "a row of faulty memory could not be remapped")
  },
  {
    verdict: "degraded",
    code: "row_remap_pending",
    says: ({ remapped }) => when(remapped?.pending, "rows of faulty memory are remapped at the next reset")
  },
  {
    verdict: "degraded",
    code: "page_retirement_pending",
    says: ({ pagesPending }) => when(pagesPending, "pages of faulty memory are retired at the next reset")
  },
  {
    verdict: "degraded",
    code: "uncorrected_ecc",
    says: ({ uncorrectedVolatile: errors }) =>
      when((errors ?? 0) > 0, `${errors} errors of its memory could not be corrected since the driver was loaded`)
  },
  {
    verdict: "degraded",
    code: "thermal_slowdown",
    says: ({ hardwareSlowdown, softwareSlowdown }) =>
      when(hardwareSlowdown === true || softwareSlowdown === true, "it runs slower because it is too hot")
  },
  {
    verdict: "degraded",
    code: "query_error",
    says: ({ faults }) => {
      const others = faults.filter((fault) => !isReset(fault) && !isLost(fault))
      return others.length === 0 ? undefined : `it fails to tell ${others.slice(0, 3).join(", ")}`
    }
  }
]

const ranks: Readonly<Record<Verdict, number>> = { ok: 0, degraded: 1, failed: 2 }

export const worst = (verdicts: ReadonlyArray<Verdict>): Verdict =>
  verdicts.reduce((worse, verdict) => (ranks[verdict] > ranks[worse] ? verdict : worse), "ok")

export const judgeGpu = (gpu: GpuSeen, xids: ReadonlyArray<Xid>, now: number): Judgement => {
  const found = rules.flatMap(({ code, says, verdict }) => {
    const message = says(gpu)
    return message === undefined ? [] : [{ verdict, reason: { code, message } }]
  })
  const xid = xids.findLast((one) => one.severity === "critical" && now - one.at < recentMs && isOf(one, gpu))
  const all =
    xid === undefined
      ? found
      : [
          ...found,
          { verdict: "degraded" as const, reason: { code: "xid", message: `Xid ${xid.number}: ${xid.meaning}` } }
        ]
  return { verdict: worst(all.map(({ verdict }) => verdict)), reasons: all.map(({ reason }) => reason) }
}

/** Whether an Xid names this GPU. */
export const isOf = ({ pciBusId }: Xid, gpu: { readonly pciBusId: string | null }): boolean => {
  const address = busAddress(gpu.pciBusId)
  return address !== null && address === busAddress(pciBusId)
}

/** What nvidia-smi's exit status means, as its manual has it and as it was seen. */
const statuses: ReadonlyMap<number, Reason> = new Map(
  [
    [2, "invalid_argument", "nvidia-smi did not take the question"],
    [3, "not_supported", "a GPU does not do what was asked"],
    [4, "no_permission", "the daemon's account may not ask the GPUs"],
    [6, "no_devices", "no GPU was found"],
    [8, "no_power", "the power cables of a GPU are not attached"],
    [9, "driver_absent", "the NVIDIA driver is not loaded"],
    [10, "interrupts", "the kernel has trouble with a GPU's interrupts"],
    [12, "library_missing", "NVIDIA's management library is not installed"],
    [13, "library_old", "NVIDIA's management library is too old for what was asked"],
    [14, "inforom_corrupt", "what is stored on a GPU about itself is corrupt"],
    [15, "lost", "a GPU fell off the bus or cannot be reached"],
    [18, "version_mismatch", "the driver that is loaded and the library that is installed are of different versions"]
  ].map(([status, code, message]) => [Number(status), { code: String(code), message: String(message) }])
)

/** The driver as a whole: what is wrong that is no one GPU's. */
export const judgeDriver = ({ exitCode, gpus, message }: GpuReport): Judgement => {
  if (exitCode === 0) {
    return gpus.some(({ seen }) => seen === "now")
      ? { verdict: "ok", reasons: [] }
      : { verdict: "failed", reasons: [{ code: "no_devices", message: "no GPU was found" }] }
  }
  const known = statuses.get(exitCode)
  const reason = known ?? { code: "exit_status", message: message ?? `nvidia-smi ended with ${exitCode}` }
  const answers = gpus.some(({ seen }) => seen === "now")
  return { verdict: answers ? "degraded" : "failed", reasons: [reason] }
}
