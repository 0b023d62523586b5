/**
 * A crowd of connections that send nothing, against a bare node:http server: what each of them costs, how fast others are
 * served among them, and what is left of them once they have left. The crowd is this file again, in processes of its own:
 *
 *   node bench/idle.ts PORT COUNT [HELLO]   opens them, says so, leaves all at once when its standard input ends
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import * as Net from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { alternate, type Line, load } from "./harness.ts"
import { type Server, startBare, startDaemon } from "./servers.ts"

/** The bar's; a process may have fewer descriptors, and the daemon needs some beside them. */
const crowdWanted = 10_000
const othersDescriptors = 500

/** One address has 28,000 ports for one peer, some of which still linger. */
const perAddress = 2000

/** The kernel keeps 4096 connections that nobody has accepted yet; above that it drops what comes. */
const atATime = 500

/** More than any machine takes to forget ten thousand sockets. */
const goneWithinMs = 30_000

/** What this process, and so those it starts, may have open at most. */
export const descriptorsMax = (): number =>
  Number(/^Max open files\s+\d+\s+(\d+)/mu.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 1024)

export const crowdMax = (): number => Math.min(crowdWanted, descriptorsMax() - othersDescriptors)

export interface Crowd {
  /** Waits until the other side has closed them all, and tells what it had said to them: status and how many heard it. */
  readonly closed: Promise<Readonly<Record<string, number>>>
  /** All at once, without a word. */
  readonly leave: () => Promise<void>
}

/** Connections that say `hello` and nothing more. */
export const gather = async (port: number, count: number, hello = ""): Promise<Crowd> => {
  const child = spawn(process.execPath, [import.meta.filename, String(port), String(count), hello], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const exit = once(child, "exit")
  const said = lines(child)
  if ((await said.next()) !== "open") throw new Error(`no crowd of ${count} came together`)
  return {
    closed: said.next().then((text) => JSON.parse(text)),
    leave: async () => {
      child.stdin.end()
      await exit
    }
  }
}

const lines = (child: ChildProcess) => {
  let text = ""
  let tell = () => {}
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString()
    tell()
  })
  child.stdout?.on("close", () => {
    text += "{}\n"
    tell()
  })
  return {
    next: () =>
      new Promise<string>((resolve) => {
        tell = () => {
          const end = text.indexOf("\n")
          if (end === -1) return
          const line = text.slice(0, end)
          text = text.slice(end + 1)
          tell = () => {}
          resolve(line)
        }
        tell()
      })
  }
}

const beCrowd = async (port: number, count: number, hello: string): Promise<void> => {
  const heard: Record<string, number> = {}
  let closed = 0
  const enter = (index: number) =>
    new Promise<void>((resolve, reject) => {
      // Another hundred for each process, so that two crowds share no address.
      const localAddress = `127.0.${process.pid % 250}.${10 + Math.floor(index / perAddress)}`
      const socket = Net.connect({ port, host: "127.0.0.1", localAddress })
      let first = ""
      socket.on("data", (chunk: Buffer) => {
        first ||= chunk.toString("latin1", 0, "HTTP/1.1 408".length)
      })
      socket.on("error", reject)
      socket.on("close", () => {
        heard[first] = (heard[first] ?? 0) + 1
        closed += 1
        if (closed === count) console.log(JSON.stringify(heard))
      })
      socket.on("connect", () => {
        if (hello !== "") socket.write(hello)
        resolve()
      })
    })
  for (let at = 0; at < count; at += atATime) {
    await Promise.all(Array.from({ length: Math.min(atATime, count - at) }, (_, index) => enter(at + index)))
  }
  console.log("open")
  process.stdin.resume()
  process.stdin.on("end", () => process.exit(0))
}

const descriptors = (server: Server): number => readdirSync(`/proc/${server.child.pid}/fd`).length

/** Room for the whole crowd, and no deadline before it has been measured. */
const roomy = { tables: "[limits]\nmax_connections = 100000\nheader_timeout_ms = 600000\n" }

interface Figures {
  readonly kibEach: number
  readonly perSecond: number
  readonly mibLeft: number
}

const measureOnce = async (server: Server, count: number): Promise<Figures> => {
  try {
    const address = await server.address()
    const port = Number(new URL(address).port)
    // A heap that has been used, so that what is left later is not what any work leaves.
    await load(server, { url: `${address}/livez`, connections: 32 })
    const [files, before] = [descriptors(server), server.residentMiB]
    const crowds = await Promise.all([gather(port, count / 2), gather(port, count / 2)])
    const { perSecond } = await load(server, { url: `${address}/livez`, connections: 32 })
    const full = server.residentMiB
    await Promise.all(crowds.map((crowd) => crowd.leave()))
    const since = performance.now()
    while (descriptors(server) > files && performance.now() - since < goneWithinMs) await delay(10)
    if (descriptors(server) > files) throw new Error(`${descriptors(server) - files} descriptors are left open`)
    await load(server, { url: `${address}/livez`, connections: 32 })
    return { kibEach: ((full - before) * 1024) / count, perSecond, mibLeft: server.residentMiB - before }
  } finally {
    await server.stop()
  }
}

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const count = crowdMax()
  const figures = await alternate(
    () => measureOnce(startDaemon(roomy), count),
    () => measureOnce(startBare("ok"), count)
  )
  const line = (path: string, unit: string, of: keyof Figures, wanted: Line["wanted"]): Line => ({
    path: `${count} silent: ${path}`,
    unit,
    ours: figures.ours.map((each) => each[of]),
    bare: figures.bare.map((each) => each[of]),
    wanted
  })
  return [
    line("memory", "KiB each", "kibEach", { of: "ours", most: 16 }),
    line("/livez", "requests/s", "perSecond", { of: "ratio", least: 0.6 }),
    // Freed pages that V8 and the allocator keep for later; a second crowd fits into them.
    line("left", "MiB", "mibLeft", { of: "ours", most: 32 })
  ]
}

if (import.meta.main) {
  const [port = "", count = "", hello = ""] = process.argv.slice(2)
  await beCrowd(Number(port), Number(count), hello)
}
