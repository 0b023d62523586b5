/** From the command to the first 200, and resident memory at rest, against the shortest node:http server there is. */
import { connect, createServer } from "node:net"
import { once } from "node:events"
import { setTimeout as delay } from "node:timers/promises"
import { alternate, type Line } from "./harness.ts"
import { Server, startDaemon, temporaryFolder } from "./servers.ts"

/** Quiet after the first answer: what start-up needed has been given back by then. */
const settleMs = 2000

const knockEveryMs = 1

const startWithinMs = 20_000

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}

/** Over a socket of our own: the first `fetch` of a process takes as long as a server takes to start. */
const knock = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    socket.once("data", (chunk: Buffer) => {
      resolve(chunk.toString("latin1").startsWith("HTTP/1.1 200"))
      socket.destroy()
    })
    socket.once("error", () => resolve(false))
  })

interface Start {
  readonly ms: number
  readonly mib: number
}

const start = async (begin: (port: number) => Server): Promise<Start> => {
  const port = await freePort()
  const server = begin(port)
  try {
    while (!(await knock(port))) {
      if (server.sinceStartMs > startWithinMs) throw new Error(`never answered:\n${server.log}`)
      await delay(knockEveryMs)
    }
    const ms = server.sinceStartMs
    await delay(settleMs)
    return { ms, mib: server.residentMiB }
  } finally {
    await server.stop()
  }
}

const daemon = () => start((port) => startDaemon({ port }))

const bare = () =>
  start((port) => {
    const program = `require("http").createServer((q, s) => s.end("ok")).listen(${port}, "127.0.0.1")`
    return new Server(temporaryFolder(), process.execPath, ["-e", program])
  })

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  // The first start fills the compile cache; every later one finds it.
  await daemon()
  const results = await alternate(daemon, bare)
  const figures = (key: keyof Start) => ({
    ours: results.ours.map((start) => start[key]),
    bare: results.bare.map((start) => start[key])
  })
  return [
    { path: "start to first 200", unit: "ms", ...figures("ms"), wanted: { of: "ratio", most: 3 } },
    { path: "resident memory at rest", unit: "MiB", ...figures("mib"), wanted: { of: "ratio", most: 1.8 } }
  ]
}
