/**
 * Looks at everything that is told of the host. Nothing here fails or waits for long: each file is read on its own, and what
 * cannot be read is null. How busy the processors were is the difference of two looks: the caller keeps the earlier one.
 */
import { hostname, machine, networkInterfaces, release, type as systemName, version } from "node:os"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { interfacesMax, isDisk, parseDiskStats, parseNetDev } from "./deviceFiles.ts"
import type { HostFiles } from "./HostFiles.ts"
import type { CpuState, Filesystem, HostState, InterfaceCounts, NetworkInterface } from "./HostState.ts"
import { machineOf } from "./machineOf.ts"
import {
  type CpuTicks,
  parseCpuInfo,
  parseLoad,
  parseMeminfo,
  parseOsRelease,
  parsePressure,
  parseStat,
  parseUptime,
  percent
} from "./procFiles.ts"
import { reportsPath, teeOf, teePaths } from "./tee.ts"

/** A look at the processors. */
export interface CpuLook {
  readonly ticks: CpuTicks
  /** By the monotonic clock. */
  readonly at: bigint
}

/** Of `/proc/stat`, whose lines are as many as there are processors and interrupts. */
const statBytesMax = 512 * 1024

/** More than a host of a thousand containers writes of its interfaces, or its disks. */
const tableBytesMax = 256 * 1024

/** Files that are read at once: each takes a thread of the pool for some microseconds, and leaves the others to the rest. */
const readsAtOnce = 2

const disksMax = 1024

const nanosPerMs = 1_000_000n

export const lookAtCpu = (files: HostFiles) =>
  Effect.gen(function* () {
    const text = yield* files.text("/proc/stat", statBytesMax)
    const at = yield* Clock.monotonicTimeNanos
    const stat = parseStat(text ?? "")
    return { ...stat, look: stat.ticks === null ? undefined : { ticks: stat.ticks, at } }
  })

/** `before`: an earlier look at the processors. */
export const readHost = Effect.fnUntraced(function* (
  files: HostFiles,
  filesystems: Effect.Effect<ReadonlyArray<Filesystem>>,
  before: CpuLook | undefined
) {
  const texts = (paths: ReadonlyArray<string>) =>
    Effect.forEach(paths, (path) => Effect.map(files.text(path), (text) => text ?? ""), { concurrency: readsAtOnce })
  const cpu = yield* lookAtCpu(files)
  const [meminfo = "", load = "", uptime = "", cpuinfo = "", bootId = "", release1 = "", release2 = ""] = yield* texts([
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/cpuinfo",
    "/proc/sys/kernel/random/boot_id",
    "/etc/os-release",
    "/usr/lib/os-release"
  ])
  const [cpuPressure = "", memoryPressure = "", ioPressure = "", vendor, product, container] = yield* texts([
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/product_name",
    "/run/systemd/container"
  ])
  const there = yield* Effect.filter([reportsPath, ...teePaths.map(([, path]) => path)], files.exists, {
    concurrency: readsAtOnce
  })
  const disks = (yield* files.names("/sys/block", disksMax)).filter(isDisk)
  const diskstats = (yield* files.text("/proc/diskstats", tableBytesMax)) ?? ""
  const { flags, model } = parseCpuInfo(cpuinfo)
  const { memory, swap } = parseMeminfo(meminfo)
  const state: HostState = {
    hostname: hostname(),
    kernel: { name: systemName(), release: release(), version: version(), architecture: machine() },
    os: parseOsRelease(release1) ?? parseOsRelease(release2),
    boot: {
      id: /^[0-9a-f-]{36}$/u.exec(bootId.trim())?.[0] ?? null,
      time: cpu.bootTime === null ? null : new Date(cpu.bootTime * 1000).toISOString(),
      uptime_seconds: parseUptime(uptime)
    },
    machine: machineOf({ vendor, product, container, flags: cpuinfo === "" ? undefined : flags }),
    tee: teeOf(flags, new Set(there)),
    cpu: { model, count: cpu.cpus, ...usage(before, cpu.look) },
    memory,
    swap,
    load: parseLoad(load),
    pressure: {
      cpu: parsePressure(cpuPressure),
      memory: parsePressure(memoryPressure),
      io: parsePressure(ioPressure)
    },
    filesystems: yield* filesystems,
    block_devices: parseDiskStats(diskstats, new Set(disks)),
    interfaces: yield* interfacesOf(files)
  }
  return { state, look: cpu.look }
})

type Usage = Omit<CpuState, "model" | "count">

const unknownUsage: Usage = {
  usage_percent: null,
  user_percent: null,
  system_percent: null,
  iowait_percent: null,
  steal_percent: null,
  interval_ms: null
}

/** The kernel's counts of waiting may go back a little. */
const usage = (before: CpuLook | undefined, now: CpuLook | undefined): Usage => {
  if (before === undefined || now === undefined) return unknownUsage
  const whole = now.ticks.total - before.ticks.total
  if (!(whole > 0)) return unknownUsage
  const share = (part: "user" | "system" | "idle" | "iowait" | "steal"): number =>
    percent(now.ticks[part] - before.ticks[part], whole)
  return {
    usage_percent: Math.max(0, Math.round((100 - share("idle") - share("iowait")) * 10) / 10),
    user_percent: share("user"),
    system_percent: share("system"),
    iowait_percent: share("iowait"),
    steal_percent: share("steal"),
    interval_ms: Number((now.at - before.at) / nanosPerMs)
  }
}

/** Asked of the kernel by netlink, which does not wait for anybody; a sandbox may forbid it, which costs the addresses only. */
const addressesOf = (): ReturnType<typeof networkInterfaces> => {
  try {
    return networkInterfaces()
  } catch {
    return {}
  }
}

const interfacesOf = Effect.fnUntraced(function* (files: HostFiles) {
  const counts = parseNetDev((yield* files.text("/proc/net/dev", tableBytesMax)) ?? "")
  const addresses = addressesOf()
  return yield* Effect.forEach(
    counts.slice(0, interfacesMax),
    (each: InterfaceCounts): Effect.Effect<NetworkInterface> => {
      const known = addresses[each.name] ?? []
      return Effect.map(files.text(`/sys/class/net/${each.name}/operstate`), (state) => ({
        ...each,
        state: /^[a-z]{1,32}$/u.exec(state?.trim() ?? "")?.[0] ?? null,
        mac: known[0]?.mac ?? null,
        addresses: known.map(({ address, cidr }) => cidr ?? address)
      }))
    },
    { concurrency: readsAtOnce }
  )
})
