/**
 * The one way anything in the daemon starts a process. A request says what to run and under which bounds; its answer
 * comes when the command's own process has ended, whatever the processes do that it started. Served by the actor
 * CommandExecutor.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { KeptOutput, LiveOutput } from "./OutputLog.ts"
import type { CommandLost, CommandSpec, ExitStatus, SpawnError, StreamOutput } from "./Spawner.ts"

/** As many commands of this name run and wait as may. */
export class ActionBusy extends Schema.TaggedError<ActionBusy>()(
  "ActionBusy",
  { name: Schema.String, running: Schema.Int, queued: Schema.Int, retry_after_seconds: Schema.Int },
  { httpApiStatus: 429 }
) {
  override get message() {
    return `${this.name} is busy: ${this.running} running, ${this.queued} waiting; try again in ${this.retry_after_seconds} s`
  }
}

/** The executor is stopping, or failed while it took the request. */
export class ExecutorUnavailable extends Schema.TaggedError<ExecutorUnavailable>()(
  "ExecutorUnavailable",
  { name: Schema.String, why: Schema.String },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `${this.name} was not run: ${this.why}`
  }
}

/** Its `endWhen` completed before it was started. */
export class RunCancelled extends Schema.TaggedError<RunCancelled>()(
  "RunCancelled",
  { name: Schema.String },
  { httpApiStatus: 503 }
) {
  override get message() {
    return `${this.name} was not run: it was cancelled before its start`
  }
}

export type RunError = ActionBusy | SpawnError | CommandLost | ExecutorUnavailable | RunCancelled

export interface RunRequest extends CommandSpec {
  /** What concurrency and queue are counted by; the name of the action, for one. */
  readonly name: string
  /** From the start of the command to TERM for what is left of its group. */
  readonly timeout: Duration.Duration
  /** How long output may still come after the command's own process ended. */
  readonly outputGrace: Duration.Duration
  /** From TERM to KILL. */
  readonly killGrace: Duration.Duration
  /** How many commands of this name may run at once; at least 1. */
  readonly concurrency: number
  /** How many more may wait for their turn. */
  readonly queueLength: number
  /** What becomes of a running command whose caller is gone; one that waits for its turn is dropped either way. */
  readonly onAbandon: "continue" | "terminate"
  readonly who: string
  readonly why?: string | undefined
  /** Run once the request is not refused, by who asked: it has its turn, or a place in the queue. */
  readonly onAdmitted?: Effect.Effect<void> | undefined
  /**
   * One that hangs in the kernel, so that not even KILL ends it, keeps its place until it has ended: no other of its name
   * is started beside it. Whoever waits for it is told `CommandLost` as ever.
   */
  readonly keepsPlace?: boolean | undefined
  /** It is counted elsewhere how many wait: never refused with `ActionBusy`. */
  readonly unbounded?: boolean | undefined
  /** Run when its turn has come, ahead of its start; where this fails, or it is to end by then, it is not started. */
  readonly onTurn?: Effect.Effect<void, ExecutorUnavailable> | undefined
  /** Run beside it once it has been started; the answer waits for this, and nothing else does. */
  readonly onStarted?: ((command: StartedCommand) => Effect.Effect<void>) | undefined
  /**
   * Ends it early when this completes, as its timeout would; the answer then comes as ever. One that has not been started
   * is dropped with `RunCancelled`. Run more than once: it only waits for something.
   */
  readonly endWhen?: Effect.Effect<void> | undefined
}

export interface StartedCommand {
  readonly pid: number
  /** UNIX time in milliseconds. */
  readonly startedAt: number
  /** Where the request asked for it. */
  readonly live: LiveOutput | undefined
}

export interface RunResult {
  readonly exit: ExitStatus
  /** The timeout passed before the command's own process had ended. */
  readonly timedOut: boolean
  /** From the start to the end of the command's own process. */
  readonly durationMs: number
  readonly pid: number
  /** UNIX time in milliseconds. */
  readonly startedAt: number
  readonly stdout: StreamOutput
  readonly stderr: StreamOutput
  /** Of a command that `endWhen` ended. */
  readonly endedEarly: boolean
  /** Both streams together, where the request asked for it. */
  readonly output?: KeptOutput | undefined
}

interface WaitingCommand {
  readonly id: number
  readonly who: string
  readonly why: string | undefined
  /** UNIX time in milliseconds at which it was asked for. */
  readonly askedAt: number
  /** 1 is the next to run. */
  readonly position: number
}

export interface ActiveCommand extends Omit<WaitingCommand, "position"> {
  /** Undefined for the moment between the decision to start and the start. */
  readonly pid: number | undefined
}

export interface LaneReport {
  readonly name: string
  readonly concurrency: number
  readonly queueLength: number
  readonly running: ReadonlyArray<ActiveCommand>
  readonly waiting: ReadonlyArray<WaitingCommand>
}

export interface ExecutorReport {
  /** Names with a command that runs or waits. */
  readonly lanes: ReadonlyArray<LaneReport>
  /** Commands that have answered while members of their group live on. */
  readonly lingering: ReadonlyArray<ActiveCommand & { readonly name: string }>
  /** Since the daemon started. */
  readonly totals: ExecutorTotals
}

export interface ExecutorTotals {
  readonly started: number
  /** Answered with a result, whatever the exit status. */
  readonly finished: number
  readonly timedOut: number
  /** Not started, or lost track of. */
  readonly failed: number
  /** Refused with `ActionBusy`. */
  readonly refused: number
  /** Callers that left before the answer, or cancelled before the start. */
  readonly abandoned: number
  /** Groups ended before their timeout because too many lingered. */
  readonly evicted: number
}

export class Executor extends Context.Service<
  Executor,
  {
    /** Runs the command in its turn. Interrupting it leaves the queue, or does what `onAbandon` says. */
    readonly run: (request: RunRequest) => Effect.Effect<RunResult, RunError>
    readonly report: Effect.Effect<ExecutorReport>
    /** Begins to end: every command gets TERM, then KILL, and answers; whoever waits or comes is refused. */
    readonly stop: Effect.Effect<void>
    /** Completes when that has begun. */
    readonly stopping: Effect.Effect<void>
  }
>()("systemapi/services/commands/Executor") {}
