/**
 * Starts the built daemon and the bare processes it is measured against, each in a process and a folder of its own, and
 * reads from /proc what they cost.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"

const root = join(import.meta.dirname, "..")

export const builtFile = join(root, "dist/systemapi.js")

const startWithinMs = 20_000

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const msPerTick = 10

/** Makes VmHWM, the peak, start anew from what is resident now (proc_pid_clear_refs). */
const resetPeak = "5"

export class Server {
  readonly folder: string
  readonly child: ChildProcess
  readonly #logFile: string
  readonly #started = performance.now()

  constructor(folder: string, command: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}) {
    this.folder = folder
    this.#logFile = join(folder, "log")
    // A file, not a pipe: nobody has to read along while it is measured.
    const log = openSync(this.#logFile, "w")
    this.child = spawn(command, args, { cwd: folder, stdio: ["ignore", log, log], env: { ...process.env, ...env } })
  }

  get log(): string {
    return readFileSync(this.#logFile, "utf8")
  }

  get residentMiB(): number {
    return this.#memory("VmRSS")
  }

  /** The most that was resident since the last `resetPeak`. */
  get peakMiB(): number {
    return this.#memory("VmHWM")
  }

  resetPeak(): void {
    writeFileSync(`/proc/${this.child.pid}/clear_refs`, resetPeak)
  }

  /** Processor time of all threads so far, user and system. */
  get cpuMs(): number {
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, "utf8")
    // The name, in parentheses, may hold anything; what follows it are plain fields.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[11]) + Number(fields[12])) * msPerTick
  }

  get sinceStartMs(): number {
    return performance.now() - this.#started
  }

  /** Waits until the process has said this, and gives what the first group matched. */
  async said(pattern: RegExp): Promise<string> {
    const started = performance.now()
    while (this.child.exitCode === null && performance.now() - started < startWithinMs) {
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

  #memory(key: string): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8")
    return Number(new RegExp(`${key}:\\s+(\\d+)`, "u").exec(status)?.[1] ?? Number.NaN) / 1024
  }
}

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), "systemapi-bench-"))

/** One of the servers of `bare.ts`. */
export const startBare = (mode: string, argument = ""): Server =>
  new Server(temporaryFolder(), process.execPath, [join(root, "bench/bare.ts"), mode, argument])

export interface DaemonOptions {
  /** More keys of `[general]`, as TOML. */
  readonly general?: string
  /** More tables, as TOML. */
  readonly tables?: string
  readonly port?: number
  /** Beside this process's own. */
  readonly env?: NodeJS.ProcessEnv
  /** A module of this folder that runs inside the daemon before it starts, and may write to the file `probe`. */
  readonly preload?: string
}

/** The built daemon as a user starts it: an empty folder, and its defaults where a path does not say otherwise. */
export const startDaemon = ({ env, general = "", port = 0, preload, tables = "" }: DaemonOptions = {}): Server => {
  const folder = temporaryFolder()
  const config = join(folder, "config.toml")
  writeFileSync(
    config,
    `[general]
listen_addr = "127.0.0.1:${port}"
pipe_file = "${pipeOf({ folder })}"
${general}
[actions]
echo = "echo test"
${tables}`
  )
  return preload === undefined
    ? new Server(folder, join(root, "bin/systemapi"), ["--config", config], env)
    : new Server(
        folder,
        process.execPath,
        [`--import=${join(import.meta.dirname, preload)}`, builtFile, "--config", config],
        { BENCH_PROBE_FILE: join(folder, "probe") }
      )
}

/** The FIFO of a daemon, or of a bare process that has one. */
export const pipeOf = ({ folder }: Pick<Server, "folder">): string => join(folder, "pipe")

/** For a path that needs nothing but their addresses; they end with it, whatever happens. */
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
