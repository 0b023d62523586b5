/** Plays scripts over sockets of their own, some at a time, and hands back what came. */
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import type { Script } from "./httpRequests.ts"
import type { Random } from "./random.ts"

/** Longer than any answer takes that has an end: the daemon cuts what has none two seconds after the client is done. */
const patienceMs = 30_000

export interface Played {
  readonly received: Buffer
  /** The client went, before the daemon had ended the connection. */
  readonly left: boolean
  readonly tookMs: number
}

/** An event stream has no end; a client that has seen its start has seen enough. */
const isEndless = (script: Script): boolean => script.bytes.includes("/stream")

/** Clients of several addresses, so that no port is asked for twice while the last connection from it lingers. */
export const connect = (random: Random, port: number): Net.Socket =>
  Net.connect({ port, host: "127.0.0.1", localAddress: `127.0.0.${random.between(1, 60)}`, allowHalfOpen: true })

/** Plays a script over a fresh connection, which `ready` says to be open. */
export const play = (socket: Duplex, ready: string, script: Script): Promise<Played> =>
  new Promise((resolve, reject) => {
    const chunks: Array<Buffer> = []
    const since = performance.now()
    let left = false
    const leave = () => {
      left = true
      socket.destroy()
    }
    const timer = setTimeout(() => {
      reject(new Error(`no end of the connection after ${Buffer.concat(chunks).toString("latin1", 0, 500)}`))
      socket.destroy()
    }, patienceMs)
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      if (isEndless(script)) leave()
    })
    socket.on("error", () => {})
    socket.on("end", () => socket.end())
    socket.on("close", () => {
      clearTimeout(timer)
      resolve({ received: Buffer.concat(chunks), left, tookMs: performance.now() - since })
    })
    const write = (at: number) => {
      const piece = script.writes[at]
      if (socket.destroyed) return
      if (piece !== undefined) {
        socket.write(piece)
        setImmediate(() => write(at + 1))
      } else if (script.ending === "leave") setImmediate(leave)
      else if (script.ending === "half-close") socket.end()
    }
    socket.once(ready, () => write(0))
  })

/** So many at a time, in order of their start; the first that fails ends all. */
export const eachOf = async <A>(
  items: ReadonlyArray<A>,
  atATime: number,
  work: (item: A) => Promise<void>
): Promise<void> => {
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const item = items[next++]
      if (item !== undefined) await work(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, worker))
}
