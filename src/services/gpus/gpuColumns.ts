/**
 * What `nvidia-smi --query-gpu` is asked about each GPU, and what its CSV says. Plain functions of text.
 *
 * The CSV quotes nothing, so the one column that may have commas, the name, is the last. What a driver cannot tell stands in
 * brackets, whatever the words (`[N/A]`, `[Not Supported]`); some of those words mean that the GPU is not well. A line that
 * is no row is what nvidia-smi had to say beside them.
 */

/** More than any machine has; what lies beyond is not read. */
const rowsMax = 64

/** A line of a person's length; what is longer is no message. */
const lineMax = 300
const linesMax = 8

/** Each column and the fields that have it: the newest name first, those of older drivers behind. */
export const gpuColumns = {
  index: ["index"],
  uuid: ["uuid"],
  pciBusId: ["pci.bus_id"],
  driverVersion: ["driver_version"],
  memoryTotal: ["memory.total"],
  memoryUsed: ["memory.used"],
  memoryFree: ["memory.free"],
  powerDraw: ["power.draw"],
  powerLimit: ["power.limit"],
  temperature: ["temperature.gpu"],
  memoryTemperature: ["temperature.memory"],
  hardwareSlowdown: ["clocks_event_reasons.hw_thermal_slowdown", "clocks_throttle_reasons.hw_thermal_slowdown"],
  softwareSlowdown: ["clocks_event_reasons.sw_thermal_slowdown", "clocks_throttle_reasons.sw_thermal_slowdown"],
  gpuUtilization: ["utilization.gpu"],
  memoryUtilization: ["utilization.memory"],
  eccMode: ["ecc.mode.current"],
  correctedVolatile: ["ecc.errors.corrected.volatile.total"],
  correctedAggregate: ["ecc.errors.corrected.aggregate.total"],
  uncorrectedVolatile: ["ecc.errors.uncorrected.volatile.total"],
  uncorrectedAggregate: ["ecc.errors.uncorrected.aggregate.total"],
  pagesPending: ["retired_pages.pending"],
  performanceState: ["pstate"],
  persistenceMode: ["persistence_mode"],
  computeMode: ["compute_mode"],
  migMode: ["mig.mode.current"],
  name: ["name"]
} as const satisfies Readonly<Record<string, ReadonlyArray<string>>>

/** The columns that can be had of a driver that does not know these fields, and by which name. */
export const columnsWithout = (unknown: ReadonlySet<string>): ReadonlyArray<readonly [column: string, field: string]> =>
  Object.entries(gpuColumns).flatMap(([column, names]) => {
    const field = names.find((name) => !unknown.has(name))
    return field === undefined ? [] : [[column, field] as const]
  })

/** What a cell says where it says something, and what is wrong with the GPU where it says that. */
interface Cell {
  readonly text: string | null
  readonly fault: string | null
}

const silent = /^(?:\[.*\]|N\/A|Not Supported|ERR!?|)$/iu
const faulty = /unknown error|^\[?ERR!?\]?$|is lost|requires reset/iu

export const readCell = (cell: string): Cell => {
  const text = cell.trim()
  return { text: silent.test(text) ? null : text, fault: faulty.test(text) ? text : null }
}

export interface GpuRow {
  readonly index: number
  readonly cells: ReadonlyMap<string, string>
  /** Columns that say that something is wrong: `power.draw: [Unknown Error]`. */
  readonly faults: ReadonlyArray<string>
}

export interface Csv {
  readonly rows: ReadonlyArray<GpuRow>
  /** What is no row. */
  readonly lines: ReadonlyArray<string>
}

export const parseGpuCsv = (text: string, columns: ReadonlyArray<readonly [string, string]>): Csv => {
  const rows: Array<GpuRow> = []
  const others: Array<string> = []
  for (const line of text.split("\n")) {
    const row = rowOf(line, columns)
    if (row === undefined) others.push(line)
    else if (rows.length < rowsMax) rows.push(row)
  }
  return { rows, lines: messageLines(others.join("\n")) }
}

/** The first few lines that say something, each cut to what a person reads. */
export const messageLines = (text: string): ReadonlyArray<string> =>
  text
    .split("\n")
    .map((line) => line.trim().slice(0, lineMax))
    .filter((line) => line !== "")
    .slice(0, linesMax)

const rowOf = (line: string, columns: ReadonlyArray<readonly [string, string]>): GpuRow | undefined => {
  const parts = line.split(",")
  if (parts.length < columns.length) return undefined
  const cells = new Map<string, string>()
  const faults: Array<string> = []
  columns.forEach(([column, field], at) => {
    const isLast = at === columns.length - 1
    const { fault, text } = readCell(isLast ? parts.slice(at).join(",") : (parts[at] ?? ""))
    if (text !== null) cells.set(column, text)
    if (fault !== null) faults.push(`${field}: ${fault.slice(0, lineMax)}`)
  })
  const index = cells.get("index") ?? ""
  return /^\d{1,4}$/u.test(index) ? { index: Number(index), cells, faults } : undefined
}

/** Null: it is not there, or no number. */
export const numberIn = (text: string | undefined): number | null =>
  text !== undefined && /^-?\d{1,15}(?:\.\d{1,9})?$/u.test(text) ? Number(text) : null

const words: ReadonlyMap<string, boolean> = new Map([
  ...["enabled", "active", "yes", "1"].map((word) => [word, true] as const),
  ...["disabled", "not active", "no", "0"].map((word) => [word, false] as const)
])

export const flagIn = (text: string | undefined): boolean | null => words.get(text?.toLowerCase() ?? "") ?? null

/** `00000000:19:00.0`, `0000:19:00`, `GPU0000:19:00.0`: the same address, as one text; null: none. */
export const busAddress = (text: string | null): string | null => {
  const [, domain, bus, device] = /([0-9a-f]{1,8}):([0-9a-f]{1,2}):([0-9a-f]{1,2})/iu.exec(text ?? "") ?? []
  if (domain === undefined || bus === undefined || device === undefined) return null
  return [domain, bus, device].map((part) => Number.parseInt(part, 16).toString(16)).join(":")
}
