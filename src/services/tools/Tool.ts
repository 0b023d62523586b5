/**
 * Runs one of the machine's own tools (systemctl, journalctl, nvidia-smi, du) through the executor and says what became of
 * it in the words of the System Status Service: timed out, missing, failed. What a tool wrote to stderr is not part of an
 * error that goes to callers: it names paths.
 *
 * Bounds: one run of a name at a time unless more are asked for, and nobody waits in a queue: one that does not end, not even
 * by KILL, keeps its place, and whoever asks meanwhile is told that it timed out. A caller is answered at the deadline
 * whatever the process does; the process gets TERM then, and KILL after its grace.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Executor, RunRequest, RunResult } from "../commands/Executor.ts"
import { countAsked, countFailed } from "./toolCounts.ts"

/** It did not end in time, or an earlier one that did not still hangs. */
export class ToolTimeout extends Schema.TaggedError<ToolTimeout>()("ToolTimeout", { command: Schema.String }) {
  override get message() {
    return `${this.command} did not answer in time`
  }
}

/** It is not installed, or not to be run by the daemon's account. */
export class ToolMissing extends Schema.TaggedError<ToolMissing>()("ToolMissing", { binary: Schema.String }) {
  override get message() {
    return `${this.binary} is not there`
  }
}

/** It ended with another status than 0; -1: by a signal, or it could not be started or watched. */
export class ToolFailed extends Schema.TaggedError<ToolFailed>()("ToolFailed", {
  command: Schema.String,
  exit_code: Schema.Int
}) {
  override get message() {
    return `${this.command} failed with exit status ${this.exit_code}`
  }
}

export type ToolError = ToolTimeout | ToolMissing | ToolFailed

export interface ToolRun {
  /** What concurrency is counted by: `systemctl`. */
  readonly name: string
  readonly argv: readonly [string, ...Array<string>]
  readonly timeout: Duration.Duration
  /** From TERM to KILL; 2 s. */
  readonly killGrace?: Duration.Duration
  /** How many of the first and of the last bytes of each stream are kept. */
  readonly headBytes: number
  readonly tailBytes: number
  /** Runs of this name at once; 1. */
  readonly concurrency?: number
  /** Runs of this name that may wait; 0. */
  readonly queueLength?: number
}

const defaultKillGrace = Duration.seconds(2)

type Runs = Pick<Executor["Service"], "run">

/** Whatever the tool's exit status. */
export const runTool =
  (executor: Runs) =>
  (tool: ToolRun): Effect.Effect<RunResult, ToolError> =>
    Effect.suspend(() => {
      countAsked(executor, tool.name)
      return Effect.tapError(answerOf(executor, tool), (error) =>
        Effect.sync(() => countFailed(executor, tool.name, error))
      )
    })

/** Whatever holds the process up, at the deadline there is an answer. */
const answerOf = (executor: Runs, tool: ToolRun): Effect.Effect<RunResult, ToolError> => {
  const { name, timeout } = tool
  const timedOut = new ToolTimeout({ command: name })
  const lost = new ToolFailed({ command: name, exit_code: -1 })
  return executor.run(requestOf(tool)).pipe(
    Effect.catchTags({
      ActionBusy: () => Effect.fail(timedOut),
      RunCancelled: () => Effect.fail(timedOut),
      ExecutorUnavailable: () => Effect.fail(timedOut),
      CommandLost: () => Effect.fail(lost),
      SpawnError: ({ reason }) =>
        Effect.fail(reason === "not-found" || reason === "not-permitted" ? new ToolMissing({ binary: name }) : lost)
    }),
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(timedOut) }),
    Effect.filterOrFail(
      (result) => !result.timedOut,
      () => timedOut
    )
  )
}

const requestOf = ({ argv, concurrency, headBytes, killGrace, name, queueLength, tailBytes, timeout }: ToolRun) =>
  ({
    name: laneOf(name),
    argv: [...argv],
    env: toolEnvironment(),
    headBytes,
    tailBytes,
    timeout,
    killGrace: killGrace ?? defaultKillGrace,
    // What it leaves behind with its pipes in hand does not delay the answer.
    outputGrace: Duration.millis(100),
    concurrency: concurrency ?? 1,
    queueLength: queueLength ?? 0,
    onAbandon: "terminate",
    keepsPlace: true,
    who: "daemon"
  }) satisfies RunRequest

const lanePrefix = "tool:"

/** What the executor counts them by: no action has such a name. */
const laneOf = (name: string): string => `${lanePrefix}${name}`

/** The name of the tool whose lane it is. */
export const toolOfLane = (lane: string): string | undefined =>
  lane.startsWith(lanePrefix) ? lane.slice(lanePrefix.length) : undefined

/** As `runTool`, and fails with `ToolFailed` unless it exited with 0. */
export const runToolWell =
  (executor: Runs) =>
  (tool: ToolRun): Effect.Effect<RunResult, ToolError> =>
    Effect.flatMap(runTool(executor)(tool), (result) => {
      const code = exitCode(result)
      return code === 0 ? Effect.succeed(result) : Effect.fail(new ToolFailed({ command: tool.name, exit_code: code }))
    })

/** -1: a signal ended it. */
export const exitCode = ({ exit }: Pick<RunResult, "exit">): number => (exit._tag === "Exited" ? exit.code : -1)

/** What such tools need, and nothing that changes the form or the language of their output. */
export const toolEnvironment = (): Readonly<Record<string, string>> => ({
  PATH: process.env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C.UTF-8",
  SYSTEMD_COLORS: "0",
  SYSTEMD_PAGER: "",
  ...(process.env["TZ"] === undefined ? {} : { TZ: process.env["TZ"] })
})
