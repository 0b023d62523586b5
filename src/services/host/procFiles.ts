/**
 * Reads the texts of `/proc` that tell of the machine as a whole (proc(5)). Kernels add members and leave out others: what is
 * looked for is found by its name, what is not there is null, and nothing that is written there makes a parser fail.
 */
import type { LoadState, MemoryState, OsRelease, Pressure, PressureLine, SwapState } from "./HostState.ts"

/** A count of the kernel's; null where it is none. */
export const count = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,20}$/u.test(text) ? Number(text) : null

export const fieldsOf = (line: string): ReadonlyArray<string> => line.split(/\s+/u).filter((field) => field !== "")

/** Ticks since the machine's start, of all processors together. */
export interface CpuTicks {
  readonly user: number
  readonly system: number
  readonly idle: number
  readonly iowait: number
  readonly steal: number
  readonly total: number
}

export interface Stat {
  readonly ticks: CpuTicks | null
  /** Processors that are online. */
  readonly cpus: number | null
  /** UNIX time in seconds at which the machine was started. */
  readonly bootTime: number | null
}

/** `/proc/stat`. */
export const parseStat = (text: string): Stat => {
  const lines = text.split("\n")
  const all = lines.find((line) => /^cpu\s/u.test(line))
  const cpus = lines.filter((line) => /^cpu\d+\s/u.test(line)).length
  const bootTime = lines.find((line) => line.startsWith("btime "))
  return {
    ticks: all === undefined ? null : ticksOf(fieldsOf(all).slice(1).map(count)),
    cpus: cpus === 0 ? null : cpus,
    bootTime: bootTime === undefined ? null : count(fieldsOf(bootTime)[1])
  }
}

/** user nice system idle iowait irq softirq steal; what guests took is in user and nice too. */
const ticksOf = (fields: ReadonlyArray<number | null>): CpuTicks | null => {
  if (fields.length < 4 || fields.slice(0, 8).includes(null)) return null
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = fields.map(
    (value) => value ?? 0
  )
  return {
    user: user + nice,
    system: system + irq + softirq,
    idle,
    iowait,
    steal,
    total: user + nice + system + idle + iowait + irq + softirq + steal
  }
}

const kibibyte = 1024

/** `/proc/meminfo`, in bytes, by the names that it uses. */
const meminfo = (text: string): ReadonlyMap<string, number> => {
  const found = new Map<string, number>()
  for (const line of text.split("\n")) {
    const [, name, value, unit] = /^([A-Za-z0-9_()]{1,64}):\s+(\d{1,15})( kB)?$/u.exec(line) ?? []
    if (name !== undefined) found.set(name, Number(value) * (unit === undefined ? 1 : kibibyte))
  }
  return found
}

export interface Meminfo {
  readonly memory: MemoryState | null
  readonly swap: SwapState | null
}

export const parseMeminfo = (text: string): Meminfo => {
  const found = meminfo(text)
  const total = found.get("MemTotal")
  const free = found.get("MemFree")
  const swapTotal = found.get("SwapTotal")
  const swapFree = found.get("SwapFree")
  const buffers = found.get("Buffers")
  const cached = found.get("Cached")
  return {
    memory: total === undefined || free === undefined ? null : memoryOf({ total, free, buffers, cached, found }),
    swap:
      swapTotal === undefined || swapFree === undefined
        ? null
        : { total_bytes: swapTotal, used_bytes: Math.max(0, swapTotal - swapFree), free_bytes: swapFree }
  }
}

interface MemoryFound {
  readonly total: number
  readonly free: number
  readonly buffers: number | undefined
  readonly cached: number | undefined
  readonly found: ReadonlyMap<string, number>
}

const memoryOf = ({ buffers, cached, found, free, total }: MemoryFound): MemoryState => {
  // Kernels before 3.14 do not say what is available.
  const available = Math.min(total, found.get("MemAvailable") ?? free + (buffers ?? 0) + (cached ?? 0))
  const used = total - available
  return {
    total_bytes: total,
    available_bytes: available,
    used_bytes: used,
    used_percent: percent(used, total),
    free_bytes: free,
    buffers_bytes: buffers ?? null,
    cached_bytes: cached ?? null
  }
}

/** With one decimal; 0 of nothing. */
export const percent = (part: number, whole: number): number =>
  whole > 0 ? Math.round(Math.min(1, Math.max(0, part / whole)) * 1000) / 10 : 0

const decimal = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,9}(?:\.\d{1,6})?$/u.test(text) ? Number(text) : null

/** `/proc/loadavg`: `0.20 0.18 0.12 1/80 11206`. */
export const parseLoad = (text: string): LoadState | null => {
  const [one, five, fifteen, tasks = ""] = fieldsOf(text)
  const averages = [decimal(one), decimal(five), decimal(fifteen)]
  const [first = null, second = null, third = null] = averages
  if (first === null || second === null || third === null) return null
  const [running, total] = tasks.split("/")
  return { one: first, five: second, fifteen: third, running: count(running), total: count(total) }
}

/** `/proc/uptime`, in seconds. */
export const parseUptime = (text: string): number | null => decimal(fieldsOf(text)[0])

/** `/proc/pressure/*`: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and another line of `full`. */
export const parsePressure = (text: string): Pressure | null => {
  const lines = text.split("\n").map(fieldsOf)
  const some = pressureLine(lines.find(([word]) => word === "some"))
  const full = pressureLine(lines.find(([word]) => word === "full"))
  return some === null && full === null ? null : { some, full }
}

const pressureLine = (fields: ReadonlyArray<string> | undefined): PressureLine | null => {
  const values = new Map(
    (fields ?? []).flatMap((field) => {
      const [name, value] = field.split("=")
      return name === undefined || value === undefined ? [] : [[name, value] as const]
    })
  )
  const avg10 = decimal(values.get("avg10"))
  const avg60 = decimal(values.get("avg60"))
  const avg300 = decimal(values.get("avg300"))
  const total_us = count(values.get("total"))
  return avg10 === null || avg60 === null || avg300 === null || total_us === null
    ? null
    : { avg10, avg60, avg300, total_us }
}

export interface CpuInfo {
  readonly model: string | null
  /** Of the first processor. */
  readonly flags: ReadonlySet<string>
}

/** `/proc/cpuinfo`, of which the first processor is enough; ARM has `Features`, and often no name of a model. */
export const parseCpuInfo = (text: string): CpuInfo => {
  const value = (names: RegExp): string | undefined =>
    text
      .split("\n")
      .find((line) => names.test(line))
      ?.replace(/^[^:]*:/u, "")
      .trim()
  const model = value(/^(?:model name|Model|cpu model|Processor)\s*:/u)
  return {
    model: model === undefined || model === "" ? null : model.slice(0, 256),
    flags: new Set(fieldsOf(value(/^(?:flags|Features)\s*:/u) ?? ""))
  }
}

/** os-release(5): assignments as a shell has them. */
export const parseOsRelease = (text: string): OsRelease | null => {
  const values = new Map<string, string>()
  for (const line of text.split("\n")) {
    const [, name, value] = /^([A-Z][A-Z0-9_]{0,63})=(.*)$/u.exec(line.trim()) ?? []
    if (name !== undefined && value !== undefined) values.set(name, unquoted(value))
  }
  if (values.size === 0) return null
  const of = (name: string): string | null => values.get(name)?.slice(0, 256) ?? null
  return { id: of("ID"), name: of("NAME"), version: of("VERSION_ID"), pretty_name: of("PRETTY_NAME") }
}

const unquoted = (value: string): string => {
  const [, quote, inner] = /^(["'])(.*)\1$/u.exec(value) ?? []
  if (inner === undefined) return value
  return quote === "'" ? inner : inner.replace(/\\(["\\$`])/gu, "$1")
}
