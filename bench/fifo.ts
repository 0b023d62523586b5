/**
 * A million lines through the FIFO of a daemon just started, until the last of them is durable and visible in
 * `/api/v1/events`, and how far resident memory rises meanwhile. Beside it: a bare process that reads a FIFO and counts.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { catInto, linesFile, newestSeq, untilNewest } from "./fill.ts"
import { alternate, type Line } from "./harness.ts"
import { pipeOf, startBare, startDaemon, temporaryFolder, withServers } from "./servers.ts"

const lines = 1_000_000

/** Until start-up is over and what it needed has been given back. */
const settleMs = 1000

interface Flood {
  readonly perSecond: number
  readonly riseMiB: number
}

const perSecondSince = (started: number): number => (lines * 1000) / (performance.now() - started)

const flood = (file: string, last: string): Promise<Flood> => {
  const daemon = startDaemon()
  return withServers([daemon], async (address = "") => {
    await delay(settleMs)
    const idleMiB = daemon.residentMiB
    daemon.resetPeak()
    const before = await newestSeq(address)
    const started = performance.now()
    await Promise.all([catInto(file, pipeOf(daemon)), untilNewest(address, last)])
    const perSecond = perSecondSince(started)
    const riseMiB = daemon.peakMiB - idleMiB
    const stored = (await newestSeq(address)) - before
    if (stored < lines) throw new Error(`${lines} lines were written, ${stored} events are there`)
    return { perSecond, riseMiB }
  })
}

/** For the bare process, which the last line does not matter to: it counts. */
const count = async (file: string): Promise<Flood> => {
  const folder = temporaryFolder()
  const pipe = join(folder, "pipe")
  await once(spawn("mkfifo", [pipe]), "exit")
  const bare = startBare("fifo", `${pipe}|${lines}`)
  try {
    await bare.said(/listening on (a pipe)/u)
    const started = performance.now()
    await Promise.all([catInto(file, pipe), bare.said(/seen (\d+)\n/u)])
    return { perSecond: perSecondSince(started), riseMiB: Number.NaN }
  } finally {
    await bare.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const { file, last, remove } = linesFile(lines)
  try {
    const { bare, ours } = await alternate(
      () => flood(file, last),
      () => count(file)
    )
    return [
      {
        path: "FIFO, 1 M lines until visible",
        unit: "lines/s",
        ours: ours.map(({ perSecond }) => perSecond),
        bare: bare.map(({ perSecond }) => perSecond),
        wanted: { of: "ours", least: 250_000 }
      },
      {
        path: "FIFO, rise of resident memory",
        unit: "MiB",
        ours: ours.map(({ riseMiB }) => riseMiB),
        wanted: { of: "ours", below: 64 }
      }
    ]
  } finally {
    remove()
  }
}
