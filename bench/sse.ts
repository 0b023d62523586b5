/**
 * From a line written into the FIFO to the clients that follow the log over server-sent events: one of them while 10,000
 * lines a second come in; and 500 of them, without and with one that is stuck, at a pace whose 25,000 deliveries a second
 * leave two cores room for those who follow.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fillByPipe } from "./fill.ts"
import { alternate, type Line, seconds } from "./harness.ts"
import { type Mode, startReaders } from "./readers.ts"
import { pipeOf, type Server, startBare, startDaemon, withServers } from "./servers.ts"
import type { PacerReport } from "./ssePacer.ts"

const flood = 10_000

const tails = 500
const tailsPerSecond = 50
/** The others only take what comes: timing costs more than reading. */
const measuredTails = 20

/** Events there beforehand: to a follower from the first of them on, who never reads, they are tens of megabytes. */
const history = 200_000

const arriveWithinMs = 20_000
const lookEveryMs = 20

/** Held up by more than this, the pace is another one than the bar speaks of. */
const paceLeast = 0.95

const pace = async (server: Server, perSecond: number): Promise<PacerReport> => {
  const args = [join(import.meta.dirname, "ssePacer.ts"), pipeOf(server), String(perSecond), String(seconds)]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  let out = ""
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString()
  })
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`the pacer ended with ${code}`)
  const report: PacerReport = JSON.parse(out)
  if (report.perSecond < perSecond * paceLeast) {
    console.error(`note: ${Math.round(report.perSecond)} lines/s instead of ${perSecond} came in`)
  }
  return report
}

interface Followers {
  readonly perSecond: number
  readonly measured: number
  readonly drained: number
  readonly stuck: number
}

const framingBytesMax = 64

/** The 99th percentile, in ms, over all events that all of the measured followers received. */
const latency = async (
  server: Server,
  address: string,
  { drained, measured, perSecond, stuck }: Followers
): Promise<number> => {
  const start = (mode: Mode, count: number) => (count === 0 ? [] : [startReaders(mode, address, count)])
  const measuring = startReaders("measure", address, measured)
  const draining = start("drain", drained)
  const all = [measuring, ...draining, ...start("stuck", stuck)]
  try {
    for (const readers of all) await readers.connected
    const { lines } = await pace(server, perSecond)
    const written = performance.now()
    for (;;) {
      const report = await measuring.report()
      const others = await Promise.all(draining.map((readers) => readers.report()))
      // Everybody gets every event: those who only take what comes have as many bytes as those who look at it, but for
      // the sizes of chunks, which depend on where the stream was cut. The smallest event is larger than that.
      const least = report.fewest - framingBytesMax
      if (report.events === lines * measured && others.every(({ fewest }) => fewest >= least)) return report.p99
      if (performance.now() - written > arriveWithinMs) {
        throw new Error(
          `${report.events} of ${lines * measured} events arrived, ${report.fewest} bytes each; others: ${JSON.stringify(others)}`
        )
      }
      await delay(lookEveryMs)
    }
  } finally {
    for (const readers of all) await readers.stop()
  }
}

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon()
  const sender = startBare("sse")
  return withServers([daemon, sender], async (address = "", senderAddress = "") => {
    await fillByPipe(daemon, address, history)
    const alone = { perSecond: flood, measured: 1, drained: 0, stuck: 0 }
    const oursAlone = () => latency(daemon, address, alone)
    const many = (stuck: number) => () =>
      latency(daemon, address, {
        perSecond: tailsPerSecond,
        measured: measuredTails,
        drained: tails - measuredTails - stuck,
        stuck
      })
    // Compiles what the rounds will use.
    await oursAlone()
    const one = await alternate(oursAlone, () => latency(sender, senderAddress, alone))
    await many(0)()
    const { bare, ours } = await alternate(many(1), many(0))
    const line = { unit: "ms", ours, bare }
    return [
      { path: "SSE at 10,000 lines/s, p99", unit: "ms", ...one, wanted: { of: "ours", below: 50 } },
      { ...line, path: "SSE, 500 tails, one stuck, p99", wanted: { of: "ours", below: 50 } },
      { ...line, path: "SSE, one stuck against none, p99", wanted: { of: "ratio", most: 1.5 } }
    ]
  })
}
