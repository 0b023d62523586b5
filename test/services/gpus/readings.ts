/** A GPU that is well, as nvidia-smi tells of it. */
import type { GpuSeen } from "../../../src/services/gpus/Gpus.ts"

export const gpuSeen: GpuSeen = {
  index: 0,
  name: "NVIDIA H200",
  uuid: "GPU-0",
  pciBusId: "00000000:19:00.0",
  memoryTotal: 143_771,
  memoryUsed: 1,
  memoryFree: 143_770,
  powerDraw: 74.5,
  powerLimit: 700,
  temperature: 30,
  memoryTemperature: null,
  hardwareSlowdown: false,
  softwareSlowdown: false,
  gpuUtilization: 0,
  memoryUtilization: 0,
  eccMode: true,
  correctedVolatile: 4,
  correctedAggregate: 4,
  uncorrectedVolatile: 0,
  uncorrectedAggregate: 3,
  pagesPending: null,
  performanceState: "P0",
  persistenceMode: true,
  computeMode: "Default",
  migMode: "Disabled",
  seen: "now",
  remapped: { corrected: 1, uncorrected: 0, pending: false, failed: false },
  faults: []
}
