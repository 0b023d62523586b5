/** Starts the daemon and its baselines in processes of their own, drives them, and makes a line of the table of it. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"

const root = join(import.meta.dirname, "..")

/** Odd, so that a median is a run that was; enough to survive one that met somebody else's work. */
export const rounds = 5

/** Of one run: long enough to be past the first garbage collections. */
export const seconds = Number(process.env["BENCH_SECONDS"] ?? "2")

const startWithinMs = 20_000

export interface Line {
  readonly path: string
  readonly unit: string
  readonly ours: number
  readonly bare: number
  /** Whether a larger figure is the better one; the ratio is above 1 where ours is better. */
  readonly more: boolean
}

export const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** Runs both sides by turns, so that what disturbs the machine disturbs both. */
export const compare = async (
  about: Omit<Line, "ours" | "bare">,
  ours: () => Promise<number>,
  bare: () => Promise<number>
): Promise<Line> => {
  const figures = { ours: [] as Array<number>, bare: [] as Array<number> }
  for (let round = 0; round < rounds; round++) {
    figures.bare.push(await bare())
    figures.ours.push(await ours())
  }
  return { ...about, ours: median(figures.ours), bare: median(figures.bare) }
}

export class Server {
  readonly folder: string
  readonly child: ChildProcess
  readonly #logFile: string
  readonly #started = performance.now()

  constructor(folder: string, command: string, args: ReadonlyArray<string>) {
    this.folder = folder
    this.#logFile = join(folder, "log")
    // A file, not a pipe: nobody has to read along while it is measured.
    const log = openSync(this.#logFile, "w")
    this.child = spawn(command, args, { cwd: folder, stdio: ["ignore", log, log] })
  }

  get log(): string {
    return readFileSync(this.#logFile, "utf8")
  }

  get residentMiB(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8")
    return Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1] ?? 0) / 1024
  }

  get sinceStartMs(): number {
    return performance.now() - this.#started
  }

  /** Waits until the process has said this, and gives what the first group matched. */
  async said(pattern: RegExp): Promise<string> {
    while (this.child.exitCode === null && this.sinceStartMs < startWithinMs) {
      const match = pattern.exec(this.log)
      if (match !== null) return match[1] ?? ""
      await delay(2)
    }
    throw new Error(`never said ${pattern}:\n${this.log}`)
  }

  address(): Promise<string> {
    return this.said(/listening on (http:\/\/[0-9.:]+)/u)
  }

  async stop(): Promise<void> {
    const ended = this.child.exitCode === null ? once(this.child, "exit") : undefined
    this.child.kill("SIGTERM")
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const temporaryFolder = () => mkdtempSync(join(tmpdir(), "systemapi-bench-"))

export const startBare = (mode: string, argument = ""): Server =>
  new Server(temporaryFolder(), process.execPath, [join(root, "bench/bare.ts"), mode, argument])

/** The built daemon as a user starts it, with room for 10,000 events in `/logs`. */
export const startDaemon = (): Server => {
  const folder = temporaryFolder()
  const config = `[general]
listen_addr = "127.0.0.1:0"
pipe_file = "${join(folder, "pipe")}"
log_max_entries = 10000
[actions]
echo = "echo test"
`
  writeFileSync(join(folder, "config.toml"), config)
  return new Server(folder, join(root, "bin/systemapi"), ["--config", join(folder, "config.toml")])
}

/** Both, for a path that needs nothing but their addresses; they end with it, whatever happens. */
export const withServers = async <A>(
  servers: ReadonlyArray<Server>,
  use: (...addresses: ReadonlyArray<string>) => Promise<A>
): Promise<A> => {
  try {
    return await use(...(await Promise.all(servers.map((server) => server.address()))))
  } finally {
    for (const server of servers) await server.stop()
  }
}

export interface Load {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

export const load = async (url: string, connections: number): Promise<Load> => {
  const child = spawn(process.execPath, [join(root, "bench/load.ts"), url, String(connections), String(seconds)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  let out = ""
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString()
  })
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`the load generator failed on ${url}`)
  const { perSecond, p50, p99 }: Load = JSON.parse(out)
  return { perSecond, p50, p99 }
}

/** Whether the address answers a GET with 200 now. */
export const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    async (response) => (await response.text(), response.status === 200),
    () => false
  )
