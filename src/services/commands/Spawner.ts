/**
 * Starts commands: an argument vector, a process group of its own, nothing on stdin, stdout and stderr kept in bounded
 * memory. Deadlines, queues and the order of signals are the executor's; this only starts, watches and signals.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { LiveOutput } from "./OutputLog.ts"
import type { CommandOutput, CommandSpec, ExitStatus } from "./SpawnerProtocol.ts"

export type { StreamOutput } from "./OutputText.ts"
export type { CommandOutput, CommandSpec, ExitStatus } from "./SpawnerProtocol.ts"

export const SpawnReason = Schema.Literals([
  "not-found",
  "not-permitted",
  "bad-directory",
  "no-resources",
  "arguments-too-long",
  "invalid",
  "spawner-died",
  "other"
])

/** The command was not started; nothing of it runs. */
export class SpawnError extends Schema.TaggedError<SpawnError>()(
  "SpawnError",
  {
    program: Schema.String,
    reason: SpawnReason,
    /** What the system said, for example `spawn EAGAIN`. */
    detail: Schema.String
  },
  { httpApiStatus: 500 }
) {
  override get message() {
    return `cannot start ${this.program}: ${spawnReasonText[this.reason]} (${this.detail})`
  }
}

const spawnReasonText: Readonly<Record<typeof SpawnReason.Type, string>> = {
  "not-found": "no such program, or its interpreter is missing",
  "not-permitted": "not permitted",
  "bad-directory": "the working directory does not exist or is not a directory",
  "no-resources": "too many processes, open files or too little memory",
  "arguments-too-long": "arguments and environment are too long",
  invalid: "an argument or an environment variable is not valid",
  "spawner-died": "the thread that starts commands died",
  other: "the system refused"
}

/** A command was started, and how it ended cannot be known. Its process group has been sent KILL. */
export class CommandLost extends Schema.TaggedError<CommandLost>()(
  "CommandLost",
  { program: Schema.String, pid: Schema.Int, why: Schema.String },
  { httpApiStatus: 500 }
) {
  override get message() {
    return `lost track of ${this.program} (process ${this.pid}): ${this.why}`
  }
}

/** 0 sends nothing and only asks whether a member is left. */
export type GroupSignal = NodeJS.Signals | 0

export interface RunningCommand {
  /** Of the command's own process, and of its group. */
  readonly pid: number
  /** UNIX time in milliseconds. */
  readonly startedAt: number
  /** How the command's own process ended. */
  readonly exit: Effect.Effect<ExitStatus, CommandLost>
  /** Both streams, once everyone who holds them has closed them or `closeOutput` was called. */
  readonly output: Effect.Effect<CommandOutput, CommandLost>
  /**
   * Settles `output` with what has been written by now. What comes later is read and dropped, so that members of the
   * group that go on writing neither block nor die of SIGPIPE; the pipes are closed with the scope.
   */
  readonly closeOutput: Effect.Effect<void>
  /** Where the spec asked for it. */
  readonly live?: LiveOutput | undefined
  /** Signals every member of the group; false when none is left, and from then on nothing is ever signalled. */
  readonly signalGroup: (signal: GroupSignal) => Effect.Effect<boolean>
}

export class Spawner extends Context.Service<
  Spawner,
  {
    /** Closing the scope sends KILL to what is left of the group and closes the pipes. */
    readonly spawn: (spec: CommandSpec) => Effect.Effect<RunningCommand, SpawnError, Scope.Scope>
  }
>()("systemapi/services/commands/Spawner") {}
