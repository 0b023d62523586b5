/**
 * Asks nvidia-smi for what it knows of each GPU, in columns. A driver that does not know a field ends the whole question
 * and names the field: then it is asked again without it, or by the field's older name, and that is remembered. Rows that
 * were remapped have a question of their own, asked rarely.
 *
 * A GPU that was once seen and is not told of any more stays in the answer, without readings, as long as the daemon
 * runs: it is the one that somebody has to hear about.
 *
 * Bounds: as many questions as there are names of fields; `knownMax` GPUs are remembered.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { CurrentConfig } from "../config/CurrentConfig.ts"
import type { ToolError } from "../tools/Tool.ts"
import {
  busAddress,
  columnsWithout,
  flagIn,
  gpuColumns,
  type GpuRow,
  messageLines,
  numberIn,
  parseGpuCsv,
  readCell
} from "./gpuColumns.ts"
import type { GpuIdentity, GpuReadings, GpuReport, GpuSeen, RemappedRows } from "./Gpus.ts"
import type { SmiRunner } from "./SmiRunner.ts"

/** Of one question: 64 GPUs with 26 columns of 40 characters. */
const answerBytes = 128 * 1024

const knownMax = 64

/**
 * Rows are remapped when a GPU is reset; that one waits to be is told by an Xid at once, and by uncorrected errors. A
 * driver that does not know the question is not asked it more often either.
 */
const remappedEveryNanos = 300_000_000_000n

const format = "--format=csv,noheader,nounits"

const fieldsMax = Object.values(gpuColumns).flat().length

/** Each ends with the status 2 and a line that names the field. */
const unknownField = /Field "([^"]{1,100})" is not a valid field/u

export const makeGpuQuery = (runner: SmiRunner, config: Pick<CurrentConfig["Service"], "get">) => {
  let program = ""
  const unknown = new Set<string>()
  /** By UUID, or address where there is none. */
  const known = new Map<string, GpuIdentity>()
  let remapped: { readonly at: bigint; readonly rows: ReadonlyMap<string, RemappedRows> } | undefined

  const ask = (question: string) => runner.run({ args: [question, format], maxBytes: answerBytes, urgent: true })

  const columns = Effect.fnUntraced(function* () {
    for (let left = fieldsMax; ; left -= 1) {
      const asked = columnsWithout(unknown)
      const output = yield* ask(`--query-gpu=${asked.map(([, field]) => field).join(",")}`)
      const [, field] = (output.exitCode === 0 ? null : unknownField.exec(output.stdout + output.stderr)) ?? []
      if (left === 0 || field === undefined || !asked.some(([, name]) => name === field)) {
        return { output, csv: parseGpuCsv(output.stdout, asked) }
      }
      unknown.add(field)
    }
  })

  /** None, where the driver or the GPUs do not know of such rows; what goes wrong here is seen in the columns too. */
  const remappedRows = Effect.gen(function* () {
    const now = yield* Clock.monotonicTimeNanos
    if (remapped !== undefined && now - remapped.at < remappedEveryNanos) return remapped.rows
    const output = yield* ask(
      "--query-remapped-rows=gpu_uuid,remapped_rows.correctable,remapped_rows.uncorrectable,remapped_rows.pending,remapped_rows.failure"
    )
    const rows = output.exitCode === 0 ? parseRemapped(output.stdout) : new Map<string, RemappedRows>()
    remapped = { at: now, rows }
    return rows
  })

  const remember = (gpu: GpuIdentity) => {
    known.set(keyOf(gpu), gpu)
    const [oldest] = known.keys()
    if (known.size > knownMax && oldest !== undefined) known.delete(oldest)
  }

  const report: Effect.Effect<GpuReport, ToolError> = Effect.gen(function* () {
    const { command } = config.get().gpus
    if (command !== program) {
      // Another program may be of another driver.
      program = command
      unknown.clear()
      remapped = undefined
    }
    const { csv, output } = yield* columns()
    const rows = csv.rows.length === 0 ? new Map<string, RemappedRows>() : yield* remappedRows
    const now = csv.rows.map((row): GpuSeen => {
      const readings = readingsOf(row)
      return { ...readings, seen: "now", remapped: rows.get(readings.uuid ?? "") ?? null, faults: row.faults }
    })
    const lines = [...csv.lines, ...messageLines(output.stderr)]
    const lost = new Set(lines.filter((line) => /is lost|fallen off the bus/iu.test(line)).map(busAddress))
    const present = new Set(now.map(keyOf))
    const gone = [...known.values()]
      .filter((gpu) => !present.has(keyOf(gpu)))
      .map((gpu): GpuSeen => ({
        ...nothingOf(gpu),
        seen: lost.has(busAddress(gpu.pciBusId)) ? "lost" : now.length === 0 ? "unreadable" : "missing",
        remapped: null,
        faults: []
      }))
    for (const gpu of now) remember(identityOf(gpu))
    return {
      exitCode: output.exitCode,
      message: output.exitCode === 0 ? null : (lines[0] ?? null),
      driverVersion: csv.rows[0]?.cells.get("driverVersion") ?? null,
      gpus: [...now, ...gone].toSorted((a, b) => a.index - b.index)
    }
  })

  return { report }
}

const keyOf = ({ index, pciBusId, uuid }: GpuIdentity): string => uuid ?? pciBusId ?? String(index)

const identityOf = ({ index, name, pciBusId, uuid }: GpuIdentity): GpuIdentity => ({ index, name, pciBusId, uuid })

const readingsOf = ({ cells, index }: GpuRow): GpuReadings => {
  const text = (column: string) => cells.get(column) ?? null
  const number = (column: string) => numberIn(cells.get(column))
  const flag = (column: string) => flagIn(cells.get(column))
  return {
    index,
    name: text("name"),
    uuid: text("uuid"),
    pciBusId: text("pciBusId"),
    memoryTotal: number("memoryTotal"),
    memoryUsed: number("memoryUsed"),
    memoryFree: number("memoryFree"),
    powerDraw: number("powerDraw"),
    powerLimit: number("powerLimit"),
    temperature: number("temperature"),
    memoryTemperature: number("memoryTemperature"),
    hardwareSlowdown: flag("hardwareSlowdown"),
    softwareSlowdown: flag("softwareSlowdown"),
    gpuUtilization: number("gpuUtilization"),
    memoryUtilization: number("memoryUtilization"),
    eccMode: flag("eccMode"),
    correctedVolatile: number("correctedVolatile"),
    correctedAggregate: number("correctedAggregate"),
    uncorrectedVolatile: number("uncorrectedVolatile"),
    uncorrectedAggregate: number("uncorrectedAggregate"),
    pagesPending: flag("pagesPending"),
    performanceState: text("performanceState"),
    persistenceMode: flag("persistenceMode"),
    computeMode: text("computeMode"),
    migMode: text("migMode")
  }
}

/** What is still known of one that cannot be asked. */
const nothingOf = (gpu: GpuIdentity): GpuReadings => ({
  ...readingsOf({ index: gpu.index, cells: new Map(), faults: [] }),
  ...gpu
})

const parseRemapped = (text: string): ReadonlyMap<string, RemappedRows> => {
  const rows = new Map<string, RemappedRows>()
  for (const line of text.split("\n", knownMax)) {
    const [uuid, corrected, uncorrected, pending, failed] = line
      .split(",")
      .map((cell) => readCell(cell).text ?? undefined)
    if (uuid === undefined || failed === undefined) continue
    rows.set(uuid, {
      corrected: numberIn(corrected),
      uncorrected: numberIn(uncorrected),
      pending: flagIn(pending),
      failed: flagIn(failed)
    })
  }
  return rows
}
