/** What is known of the GPUs, as /gpus shows it. */
import type { GpuSurvey, Xid } from "../../services/gpus/Gpus.ts"
import { isOf } from "../../services/gpus/health.ts"
import type { GpuAnswer, GpuEntry, GpuList, XidEntry } from "../api/status/Gpus.ts"
import { timeText } from "../identity/times.ts"
import { toolDetail } from "./failures.ts"

type Gpu = GpuSurvey["gpus"][number]

export const gpuList = (survey: GpuSurvey): typeof GpuList.Type => ({
  verdict: survey.verdict,
  reasons: survey.driver.reasons,
  ...common(survey),
  gpus: survey.gpus.map(entryOf),
  xids: survey.xids?.map((xid) => xidOf(xid, survey.gpus)) ?? null,
  xids_error: survey.xidsError
})

export const gpuAnswer = (survey: GpuSurvey, gpu: Gpu): typeof GpuAnswer.Type => ({
  ...common(survey),
  gpu: entryOf(gpu),
  xids: survey.xids?.filter((xid) => isOf(xid, gpu)).map((xid) => xidOf(xid, [gpu])) ?? null,
  xids_error: survey.xidsError
})

const common = ({ ageMs, driverVersion, error, readAt, stale }: GpuSurvey) => ({
  driver_version: driverVersion,
  read_at: timeText(readAt),
  age_ms: ageMs,
  stale,
  error: error === undefined ? null : toolDetail(error)
})

const entryOf = (gpu: Gpu): typeof GpuEntry.Type => ({
  index: gpu.index,
  name: gpu.name,
  uuid: gpu.uuid,
  pci_bus_id: gpu.pciBusId,
  verdict: gpu.verdict,
  reasons: gpu.reasons,
  memory: { total_mib: gpu.memoryTotal, used_mib: gpu.memoryUsed, free_mib: gpu.memoryFree },
  power: { draw_w: gpu.powerDraw, limit_w: gpu.powerLimit },
  temperature: {
    gpu_c: gpu.temperature,
    memory_c: gpu.memoryTemperature,
    hardware_slowdown: gpu.hardwareSlowdown,
    software_slowdown: gpu.softwareSlowdown
  },
  utilization: { gpu_percent: gpu.gpuUtilization, memory_percent: gpu.memoryUtilization },
  ecc: {
    enabled: gpu.eccMode,
    corrected_volatile: gpu.correctedVolatile,
    corrected_aggregate: gpu.correctedAggregate,
    uncorrected_volatile: gpu.uncorrectedVolatile,
    uncorrected_aggregate: gpu.uncorrectedAggregate
  },
  retired_pages: { pending: gpu.pagesPending },
  remapped_rows: {
    corrected: gpu.remapped?.corrected ?? null,
    uncorrected: gpu.remapped?.uncorrected ?? null,
    pending: gpu.remapped?.pending ?? null,
    failed: gpu.remapped?.failed ?? null
  },
  performance_state: gpu.performanceState,
  persistence_mode: gpu.persistenceMode,
  compute_mode: gpu.computeMode,
  mig_mode: gpu.migMode
})

const xidOf = (xid: Xid, gpus: ReadonlyArray<Gpu>): typeof XidEntry.Type => ({
  at: timeText(xid.at),
  xid: xid.number,
  gpu: gpus.find((gpu) => isOf(xid, gpu))?.index ?? null,
  pci_bus_id: xid.pciBusId,
  severity: xid.severity,
  meaning: xid.meaning,
  text: xid.text
})
