/**
 * How late the daemon's event loop is while its FIFO is flooded, 32 actions are in flight and 100 MB are uploaded, all at
 * the same time; beside it, the same loop at rest.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createConnection } from "node:net"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { type Line, repeat, runLoad, seconds } from "./harness.ts"
import type { LoopReport } from "./loopProbe.ts"
import { pipeOf, type Server, startDaemon, withServers } from "./servers.ts"

const actions = 32
const uploadBytes = 100_000_000
const pieceBytes = 65_536

/** The floods are under way by then. */
const warmUpMs = 500

const tables = `
[actions.work]
command = "sleep 0.5"
concurrency = ${actions}
[file_uploads]
large = "uploaded"
`

/** `yes` writes as fast as a FIFO takes it. */
const floodPipe = (pipe: string): ChildProcess =>
  spawn("sh", ["-c", 'exec yes "a line of a log, neither long nor short, said by a service...." > "$0"', pipe], {
    stdio: "inherit"
  })

/** Sends the whole body as fast as it is taken and waits for its answer. */
const upload = async (address: string): Promise<void> => {
  const { hostname, host, port } = new URL(address)
  const piece = Buffer.alloc(pieceBytes, "x")
  const socket = createConnection(Number(port), hostname)
  socket.write(
    `POST /api/v1/file-upload/large HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${uploadBytes}\r\nConnection: close\r\n\r\n`
  )
  let answer = ""
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString()
  })
  const closed = once(socket, "close")
  for (let sent = 0; sent < uploadBytes; sent += pieceBytes) {
    if (!socket.write(piece.subarray(0, uploadBytes - sent))) await Promise.race([once(socket, "drain"), closed])
  }
  await closed
  if (!answer.startsWith("HTTP/1.1 200")) throw new Error(`the upload was answered ${answer}`)
}

const reportsOf = ({ folder }: Server): ReadonlyArray<LoopReport> => {
  const file = join(folder, "probe")
  const text = existsSync(file) ? readFileSync(file, "utf8") : ""
  return text
    .split("\n")
    .slice(0, -1)
    .map((line): LoopReport => JSON.parse(line))
}

/** What the probe has noted since it was last asked. */
const ask = async (server: Server): Promise<LoopReport> => {
  const before = reportsOf(server).length
  server.child.kill("SIGUSR2")
  for (;;) {
    const report = reportsOf(server)[before]
    if (report !== undefined) return report
    await delay(1)
  }
}

const flooded = async (daemon: Server, address: string): Promise<LoopReport> => {
  const flood = floodPipe(pipeOf(daemon))
  const stopped = once(flood, "exit")
  const over = new AbortController()
  const uploads = async () => {
    while (!over.signal.aborted) await upload(address)
  }
  const work = Promise.all([
    uploads(),
    runLoad({ url: `${address}/api/v1/actions/work`, connections: actions, seconds: seconds + warmUpMs / 1000 })
  ])
  try {
    await delay(warmUpMs)
    await ask(daemon)
    await delay(seconds * 1000)
    return await ask(daemon)
  } finally {
    over.abort()
    flood.kill()
    await Promise.all([work, stopped])
  }
}

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon({ tables, preload: "loopProbe.ts" })
  return withServers([daemon], async (address = "") => {
    const reports = await repeat(async () => {
      await ask(daemon)
      await delay(warmUpMs)
      return { rest: await ask(daemon), flood: await flooded(daemon, address) }
    })
    const line = (path: string, of: (report: LoopReport) => number): Line => ({
      path,
      unit: "ms",
      ours: reports.map(({ flood }) => of(flood)),
      bare: reports.map(({ rest }) => of(rest)),
      wanted: { of: "ours", below: 30 }
    })
    return [
      line("event loop delay, p99 of moments", ({ momentsP99Ms }) => momentsP99Ms),
      line("event loop delay, p99 of ticks", ({ ticksP99Ms }) => ticksP99Ms)
    ]
  })
}
