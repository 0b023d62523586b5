/**
 * A million lines through the FIFO of a daemon just started, until the last of them is durable and visible in
 * `/api/v1/events`, and how far resident memory rises meanwhile. Beside it: a bare process that reads a FIFO and counts.
 */
import { setTimeout as delay } from "node:timers/promises"
import { catInto, linesFile, newestSeq, untilNewest } from "./fill.ts"
import { alternate, type Line, ratioByCpu } from "./harness.ts"
import { pipeOf, type Server, startBare, startDaemon, withServers } from "./servers.ts"

const lines = 1_000_000

/** Until start-up is over and what it needed has been given back. */
const settleMs = 1000

interface Flood {
  readonly perSecond: number
  /** Processor time of the whole. */
  readonly cpuMicros: number
  readonly riseMiB: number
}

/** What it costs a process until all lines have come out at its other end. */
const timed = async (server: Server, through: () => Promise<unknown>): Promise<Omit<Flood, "riseMiB">> => {
  const started = performance.now()
  const cpuMs = server.cpuMs
  await through()
  return {
    perSecond: (lines * 1000) / (performance.now() - started),
    cpuMicros: (server.cpuMs - cpuMs) * 1000
  }
}

const flood = (file: string, last: string): Promise<Flood> => {
  const daemon = startDaemon()
  return withServers([daemon], async (address = "") => {
    await delay(settleMs)
    const idleMiB = daemon.residentMiB
    daemon.resetPeak()
    const before = await newestSeq(address)
    const cost = await timed(daemon, () => Promise.all([catInto(file, pipeOf(daemon)), untilNewest(address, last)]))
    const riseMiB = daemon.peakMiB - idleMiB
    const stored = (await newestSeq(address)) - before
    if (stored < lines) throw new Error(`${lines} lines were written, ${stored} events are there`)
    return { ...cost, riseMiB }
  })
}

/** For the bare process, which the last line does not matter to: it counts. */
const count = async (file: string): Promise<Flood> => {
  const bare = startBare("fifo", String(lines))
  try {
    await bare.said(/listening on (a pipe)/u)
    const cost = await timed(bare, () => Promise.all([catInto(file, pipeOf(bare)), bare.said(/seen (\d+)\n/u)]))
    return { ...cost, riseMiB: Number.NaN }
  } finally {
    await bare.stop()
  }
}

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const { file, last, remove } = linesFile(lines)
  try {
    const sides = await alternate(
      () => flood(file, last),
      () => count(file)
    )
    return [
      {
        path: "FIFO, 1 M lines until visible",
        unit: "lines/s",
        ours: sides.ours.map(({ perSecond }) => perSecond),
        bare: sides.bare.map(({ perSecond }) => perSecond),
        wanted: { of: "ours", least: 250_000 },
        byCpu: ratioByCpu(sides)
      },
      {
        path: "FIFO, rise of resident memory",
        unit: "MiB",
        ours: sides.ours.map(({ riseMiB }) => riseMiB),
        wanted: { of: "ours", below: 64 }
      }
    ]
  } finally {
    remove()
  }
}
