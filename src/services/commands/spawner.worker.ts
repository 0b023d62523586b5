/**
 * The thread that starts commands, because starting one blocks its thread until the program is loaded. It reads their
 * output (OutputCollector) and reports how they ended. It knows nothing of deadlines and sends no signals.
 *
 * There are two ways to start one: posixSpawn.ts, and node:child_process for what that leaves. A child of the former is
 * ours to reap: when both its streams are closed, which is nearly always its end, and at every SIGCHLD, which only the
 * main thread is told of.
 *
 * Bounds: per command two collectors, a log or a window where it is read live, and two pipes, until the command is
 * released. On failure of one command: that command's `Failed`. A bug here ends the thread, and the spawner deals with
 * what was in flight.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash, type Hash } from "node:crypto"
import { statSync } from "node:fs"
import type { Readable } from "node:stream"
import { parentPort, workerData } from "node:worker_threads"
import { LiveWaits } from "./LiveWaits.ts"
import { OutputCollector } from "./OutputCollector.ts"
import { buffersOf, type OutputPart, type OutputSegment, type OutputStream } from "./OutputLog.ts"
import { toText } from "./OutputText.ts"
import { closePipe, closePipes, type Pipe, takePipe } from "./Pipes.ts"
import { PacedWaits } from "./PacedWaits.ts"
import { loadPosixSpawn } from "./posixSpawn.ts"
import { readPipe } from "./readPipe.ts"
import type { CommandOutput, CommandSpec, ExitStatus, FromWorker, ToWorker } from "./SpawnerProtocol.ts"

if (parentPort === null) throw new Error("spawner.worker runs only as a worker thread")
const port = parentPort

interface Command {
  readonly pid: number
  readonly collectors: Readonly<Record<OutputStream, OutputCollector>>
  readonly live: LiveWaits | PacedWaits | undefined
  readonly streams: Array<Readable>
  openStreams: number
  settled: boolean
  /** Its output is about to be given out: it is read on, however much of it nobody has read. */
  closing: boolean
  /** A stream waits until there is room for what it has. */
  held: boolean
}

const posix = workerData === "posix-spawn" ? loadPosixSpawn() : undefined
const commands = new Map<number, Command>()
/** The commands that posix_spawn started and that have not been reaped, by process id. */
const children = new Map<number, number>()

/** The memory of segments is handed over and not copied. */
const post = (message: FromWorker, given: ReadonlyArray<OutputSegment> = []) => {
  port.postMessage(message, buffersOf(given))
}

const settle = (id: number, command: Command) => {
  if (command.settled) return
  command.settled = true
  const output = outputOf(command)
  post({ _tag: "Output", id, output }, output.both?.segments)
}

const outputOf = ({ collectors, live }: Command): CommandOutput => {
  // First: it looks at the hashes that the collectors end.
  const both = live?.snapshot()
  const apart = { stdout: toText(collectors.stdout.end()), stderr: toText(collectors.stderr.end()) }
  return both === undefined ? apart : { ...apart, both }
}

/** Nobody holds the output any more, which is nearly always because the command has ended. */
const finish = (id: number, command: Command) => {
  const { pid } = command
  const status = command.settled || children.get(pid) !== id ? undefined : reap(pid)
  if (status === undefined) return settle(id, command)
  command.settled = true
  commands.delete(id)
  const output = outputOf(command)
  post({ _tag: "Done", id, status, output }, output.both?.segments)
}

const read = (id: number, command: Command, source: Pipe | Readable | null, name: OutputStream) => {
  if (source === null) return
  const stream = readPipe(source, (chunk) => {
    // Read on after the output was given out: members of the group that go on writing must not block or get SIGPIPE.
    if (command.settled) return true
    command.live?.push(name, chunk)
    command.collectors[name].push(chunk)
    command.held ||= !mayGoOn(command)
    return !command.held
  })
  command.streams.push(stream)
  // An unreadable pipe ends like a closed one; "close" follows.
  stream.on("error", () => undefined)
  stream.on("close", () => {
    command.openStreams -= 1
    if (command.openStreams === 0) finish(id, command)
  })
}

const dropPipe = (pipe: Pipe | undefined) => {
  if (pipe !== undefined) closePipe(pipe)
}

const mayGoOn = ({ closing, live }: Command): boolean => closing || !(live instanceof PacedWaits && live.isFull)

const goOn = (command: Command) => {
  if (!command.held || !mayGoOn(command)) return
  command.held = false
  for (const stream of command.streams) stream.resume()
}

/** How a child of posix_spawn has ended, told once. */
const reap = (pid: number): ExitStatus | undefined => {
  const status = posix?.reap(pid)
  if (status !== undefined) children.delete(pid)
  return status
}

const reapAll = () => {
  for (const [pid, id] of children) {
    const status = reap(pid)
    if (status !== undefined) post({ _tag: "Ended", id, status })
  }
}

const start = (id: number, spec: CommandSpec) => {
  const out = posix === undefined ? takePipe() : posix.makePipe()
  const err = posix === undefined ? takePipe() : posix.makePipe()
  const pid = out === undefined || err === undefined ? undefined : posix?.spawn(spec, out, err)
  if (pid === undefined || out === undefined || err === undefined) return startByNode(id, spec, out, err)
  children.set(pid, id)
  attend(id, spec, pid, out, err)
}

/** Slow, and able to do everything. */
const startByNode = (id: number, spec: CommandSpec, out: Pipe | undefined, err: Pipe | undefined) => {
  const [program, ...args] = spec.argv
  let child: ChildProcess
  try {
    child = spawn(program, args, {
      cwd: spec.cwd,
      env: spec.env,
      uid: spec.uid,
      gid: spec.gid,
      // A session, and so a process group, of its own: one signal reaches whatever it starts.
      detached: true,
      stdio: ["ignore", out?.write ?? "pipe", err?.write ?? "pipe"]
    })
  } catch (error) {
    dropPipe(out)
    dropPipe(err)
    fail(id, spec, error)
    return
  }
  if (child.pid === undefined) {
    dropPipe(out)
    dropPipe(err)
    child.once("error", (error) => fail(id, spec, error))
    return
  }
  const { pid } = child
  child.once("exit", (code, signal) => {
    const status =
      signal === null ? ({ _tag: "Exited", code: code ?? 0 } as const) : ({ _tag: "Signaled", signal } as const)
    post({ _tag: "Ended", id, status })
  })
  attend(id, spec, pid, out ?? child.stdout, err ?? child.stderr)
}

type Source = Pipe | Readable | null

const attend = (id: number, spec: CommandSpec, pid: number, stdout: Source, stderr: Source) => {
  // Said before anything else, so that a child this thread has started is never unknown to the spawner.
  post({ _tag: "Spawned", id, pid })
  const hashes = { stdout: createHash("sha256"), stderr: createHash("sha256") }
  const collectorOf = (name: OutputStream) => new OutputCollector(spec.headBytes, spec.tailBytes, hashes[name])
  const command: Command = {
    pid,
    collectors: { stdout: collectorOf("stdout"), stderr: collectorOf("stderr") },
    live: liveOf(id, spec, hashes),
    streams: [],
    openStreams: 2,
    settled: false,
    closing: false,
    held: false
  }
  commands.set(id, command)
  read(id, command, stdout, "stdout")
  read(id, command, stderr, "stderr")
}

const liveOf = (id: number, { live, paced }: CommandSpec, hashes: Readonly<Record<OutputStream, Hash>>) => {
  const answer = (read: number, part: OutputPart) => post({ _tag: "Part", id, read, part }, part.segments)
  if (paced === true) return new PacedWaits(hashes, answer)
  return live && new LiveWaits(live, hashes, answer)
}

const fail = (id: number, spec: CommandSpec, error: unknown) => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN"
  const detail = error instanceof Error ? error.message : String(error)
  // The same ENOENT, EACCES or ENOTDIR is reported for the program and for the working directory.
  const directoryIsBad = spec.cwd !== undefined && !isDirectory(spec.cwd)
  post({ _tag: "Failed", id, code: directoryIsBad ? "BAD_DIRECTORY" : code, detail })
}

const isDirectory = (path: string): boolean => {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

port.on("message", (message: ToWorker) => {
  switch (message._tag) {
    case "Spawn":
      start(message.id, message.spec)
      return
    case "ChildEnded":
      reapAll()
      return
    case "CloseOutput": {
      const { id } = message
      const command = commands.get(id)
      // A whole turn of the event loop first, which reads what lay in the pipes already: all that the command's own
      // process wrote before it ended. The first callback only ends the turn at hand, which may have begun before that.
      if (command === undefined) return
      command.closing = true
      goOn(command)
      setImmediate(() => setImmediate(() => settle(id, command)))
      return
    }
    case "Read": {
      const command = commands.get(message.id)
      if (command === undefined) return
      command.live?.read(message.read, message.from, message.max)
      goOn(command)
      return
    }
    case "Forget":
      commands.get(message.id)?.live?.forget(message.read)
      return
    case "Snapshot": {
      const { id, read } = message
      const kept = commands.get(id)?.live?.snapshot()
      if (kept !== undefined) post({ _tag: "Kept", id, read, kept }, kept.segments)
      return
    }
    case "Release": {
      const command = commands.get(message.id)
      commands.delete(message.id)
      // Their end gives the output out (`finish`): whoever reads it live is told the end.
      if (command !== undefined) for (const stream of command.streams) stream.destroy()
      return
    }
    case "Stop":
      process.exit()
  }
})

process.once("exit", closePipes)
