/**
 * Commands as the daemon may meet them: that print and end, fail, take long, obey TERM or ignore it, flood their output,
 * leave processes behind that hold it open, or cannot be started at all; and a spawner whose thread dies with all of
 * them. What a command does is its program's name; its argument, where it has one, it prints.
 */
import { createHash } from "node:crypto"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type KeptOutput, type LiveOutput, readKept } from "../../src/services/commands/OutputLog.ts"
import {
  CommandLost,
  type GroupSignal,
  type RunningCommand,
  SpawnError,
  Spawner
} from "../../src/services/commands/Spawner.ts"
import type { CommandOutput, CommandSpec, ExitStatus } from "../../src/services/commands/SpawnerProtocol.ts"
import type { Random } from "./Random.ts"
import type { Trace } from "./Trace.ts"
import type { Process, World } from "./World.ts"

export const behaviours = ["echo", "fail", "slow", "obedient", "stubborn", "flood", "orphan"] as const
export type Behaviour = (typeof behaviours)[number]

interface Command {
  readonly pid: number
  readonly program: string
  readonly given: string
  readonly owner: Process
  readonly exit: Deferred.Deferred<ExitStatus, CommandLost>
  readonly output: Deferred.Deferred<CommandOutput, CommandLost>
  readonly printed: CommandOutput
  /** The command's own process, and any of its group. */
  leaderLives: boolean
  groupLives: boolean
}

const spawnMs = 3

export class SimSpawner {
  /** So many starts fail from now on. */
  failures = 0
  /** Told of every command that is started. */
  onStart: (program: string, given: string) => void = () => {}
  private commands: Array<Command> = []
  private pids = 1000
  private readonly world: World
  private readonly random: Random
  private readonly trace: Trace

  constructor(world: World, random: Random, trace: Trace) {
    this.world = world
    this.random = random
    this.trace = trace
  }

  layer(owner: Process): Layer.Layer<Spawner> {
    return Layer.succeed(Spawner, { spawn: (spec) => this.spawn(spec, owner) })
  }

  /** Commands of this program whose own process lives. */
  running(program: string): number {
    return this.commands.filter((command) => command.program === program && command.leaderLives).length
  }

  /** Groups with a member that lives. */
  get groups(): number {
    return this.commands.filter(({ groupLives }) => groupLives).length
  }

  /** The thread that starts commands dies: their groups get KILL, and nobody learns how they ended. */
  die(): void {
    const why = "its thread was ended"
    for (const command of this.commands.filter(({ leaderLives }) => leaderLives)) {
      this.trace.count("spawner died with a command")
      command.leaderLives = false
      command.groupLives = false
      const lost = Effect.fail(new CommandLost({ program: command.program, pid: command.pid, why }))
      Deferred.doneUnsafe(command.exit, lost)
      Deferred.doneUnsafe(command.output, lost)
    }
  }

  /** The daemon was killed; nobody will ask for its commands again. */
  crash(): void {
    this.commands = []
  }

  private spawn(spec: CommandSpec, owner: Process): Effect.Effect<RunningCommand, SpawnError, Scope.Scope> {
    const begin = Effect.uninterruptible(
      Effect.callback<Command, SpawnError>((resume) => {
        const start = () => {
          if (this.failures === 0) return resume(Effect.sync(() => this.start(spec, owner)))
          this.failures -= 1
          this.trace.count("command not started")
          const [program] = spec.argv
          resume(Effect.fail(new SpawnError({ program, reason: "no-resources", detail: "spawn EAGAIN" })))
        }
        this.world.after(this.random.next() * spawnMs, start, owner)
      })
    )
    return Effect.map(
      Effect.acquireRelease(begin, (command) => Effect.sync(() => void this.signal(command, "SIGKILL"))),
      (command): RunningCommand => ({
        pid: command.pid,
        startedAt: Math.floor(this.world.wallMs),
        exit: Deferred.await(command.exit),
        output: Deferred.await(command.output),
        live: spec.live && liveOf(command),
        closeOutput: Effect.sync(() => void Deferred.doneUnsafe(command.output, Effect.succeed(command.printed))),
        signalGroup: (name) => Effect.sync(() => this.signal(command, name))
      })
    )
  }

  private start({ argv: [program, given = ""], live }: CommandSpec, owner: Process): Command {
    this.pids += 1
    const command: Command = {
      pid: this.pids,
      program,
      given,
      owner,
      exit: Deferred.makeUnsafe(),
      output: Deferred.makeUnsafe(),
      printed: printedBy(program, given, live !== undefined),
      leaderLives: true,
      groupLives: true
    }
    this.commands.push(command)
    this.onStart(program, given)
    this.trace.count(`command ${program} started`)
    const end = this.endOf(program)
    if (end !== undefined) this.world.after(end, () => this.end(command, exited(program === "fail" ? 3 : 0)), owner)
    return command
  }

  /** After how long it ends by itself, if it does. */
  private endOf(program: string): number | undefined {
    switch (program) {
      case "slow":
        return this.random.between(500, 8000)
      case "obedient":
      case "stubborn":
        return undefined
      default:
        return this.random.next() * 20
    }
  }

  private end(command: Command, status: ExitStatus): void {
    if (!command.leaderLives) return
    command.leaderLives = false
    const leavesOthers = command.program === "orphan" && status._tag === "Exited"
    if (!leavesOthers) this.endGroup(command)
    Deferred.doneUnsafe(command.exit, Effect.succeed(status))
  }

  private endGroup(command: Command): void {
    command.groupLives = false
    const closeMs = this.random.next() * 5
    this.world.after(closeMs, () => Deferred.doneUnsafe(command.output, Effect.succeed(command.printed)), command.owner)
  }

  private signal(command: Command, name: GroupSignal): boolean {
    if (!command.groupLives) return false
    if (name === 0 || (name === "SIGTERM" && command.program === "stubborn")) return true
    this.trace.count(`command met ${name}`)
    const obey = () => {
      if (command.leaderLives) this.end(command, { _tag: "Signaled", signal: name })
      else if (command.groupLives) this.endGroup(command)
    }
    // KILL cannot be refused; TERM takes the time that tidying up takes.
    if (name === "SIGKILL") obey()
    else this.world.after(this.random.next() * 30, obey, command.owner)
    return true
  }
}

const exited = (code: number): ExitStatus => ({ _tag: "Exited", code })

const floodBytes = 50_000_000

const printedBy = (program: string, given: string, together: boolean): CommandOutput => {
  const stdout = textOf(given, program === "flood")
  const stderr = textOf(program === "fail" ? "reason" : "", false)
  return together ? { stdout, stderr, both: keptOf(stdout, stderr) } : { stdout, stderr }
}

const textOf = (text: string, flood: boolean): CommandOutput["stdout"] => ({
  head: text,
  tail: flood ? "the end" : "",
  bytes: flood ? floodBytes : text.length,
  sha256: createHash("sha256").update(text).digest("hex"),
  truncated: flood
})

/** stdout's beginning and end, then stderr. */
const keptOf = (stdout: CommandOutput["stdout"], stderr: CommandOutput["stderr"]): KeptOutput => {
  const part = (stream: "stdout" | "stderr", offset: number, text: string) => ({
    stream,
    offset,
    bytes: new TextEncoder().encode(text)
  })
  const parts = [
    part("stdout", 0, stdout.head),
    part("stdout", stdout.bytes - stdout.tail.length, stdout.tail),
    part("stderr", stdout.bytes, stderr.head)
  ]
  return {
    segments: parts.filter(({ bytes }) => bytes.length > 0),
    bytes: stdout.bytes + stderr.bytes,
    stdoutBytes: stdout.bytes,
    stderrBytes: stderr.bytes,
    sha256: createHash("sha256")
      .update(stdout.sha256 + stderr.sha256)
      .digest("hex")
  }
}

/** What it was given is there at once, the rest with its end. A thread that dies takes everything with it. */
const liveOf = ({ output, printed: { both } }: Command): LiveOutput => {
  const lost: KeptOutput = { segments: [], bytes: 0, stdoutBytes: 0, stderrBytes: 0, sha256: "" }
  const atEnd = Effect.match(Deferred.await(output), {
    onFailure: () => lost,
    onSuccess: (settled) => settled.both ?? lost
  })
  const first = both === undefined ? lost : { ...both, segments: both.segments.slice(0, 1) }
  const shown = first.segments[0]?.bytes.length ?? 0
  return {
    read: (from, max) =>
      Effect.suspend(() =>
        Deferred.isDoneUnsafe(output) || from >= shown
          ? Effect.map(atEnd, (kept) => readKept(kept, from, max))
          : Effect.succeed({ ...readKept(first, from, max), ended: false, next: Math.min(shown, from + max) })
      ),
    snapshot: Effect.suspend(() => (Deferred.isDoneUnsafe(output) ? atEnd : Effect.succeed(first)))
  }
}
