/**
 * Runs one of the machine's own tools (systemctl, journalctl, nvidia-smi, du) through the executor and says what became of
 * it in the words of the System Status Service: timed out, missing, failed. What a tool wrote to stderr is not part of an
 * error that goes to callers: it names paths.
 *
 * Bounds: one run of a name at a time unless more are asked for, nobody waits in a queue: one that does not end, not even by
 * KILL, is the only one there is. A caller is answered at the deadline whatever the process does; the process gets TERM
 * then, and KILL after its grace.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Executor, RunResult } from "../commands/Executor.ts"

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

/** It ended with another status than 0, or by a signal: then 128 and the signal's number are not known, and it is -1. */
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

/** Whatever the tool's exit status. */
export const runTool =
  (executor: Pick<Executor["Service"], "run">) =>
  (tool: ToolRun): Effect.Effect<RunResult, ToolTimeout | ToolMissing | ToolFailed> => {
    const {
      argv,
      concurrency = 1,
      headBytes,
      killGrace = defaultKillGrace,
      name,
      queueLength = 0,
      tailBytes,
      timeout
    } = tool
    const timedOut = new ToolTimeout({ command: name })
    return executor
      .run({
        name: `tool:${name}`,
        argv: [...argv],
        env: toolEnvironment(),
        headBytes,
        tailBytes,
        timeout,
        killGrace,
        outputGrace: Duration.millis(100),
        concurrency,
        queueLength,
        onAbandon: "terminate",
        keepsPlace: true,
        who: "daemon"
      })
      .pipe(
        Effect.catchTags({
          ActionBusy: () => Effect.fail(timedOut),
          RunCancelled: () => Effect.fail(timedOut),
          ExecutorUnavailable: () => Effect.fail(timedOut),
          CommandLost: () => Effect.fail(new ToolFailed({ command: name, exit_code: -1 })),
          SpawnError: ({ reason }) =>
            Effect.fail(
              reason === "not-found" || reason === "not-permitted"
                ? new ToolMissing({ binary: name })
                : new ToolFailed({ command: name, exit_code: -1 })
            )
        }),
        Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(timedOut) }),
        Effect.filterOrFail(
          (result) => !result.timedOut,
          () => timedOut
        )
      )
  }

/** As `runTool`, and fails with `ToolFailed` unless it exited with 0. */
export const runToolWell =
  (executor: Pick<Executor["Service"], "run">) =>
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
