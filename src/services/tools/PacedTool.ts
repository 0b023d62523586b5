/**
 * Runs a tool whose output has no bound, and hands it out as fast as it is asked for: while nobody asks, the tool waits in
 * its writes. Used like a file that is read once, by one reader.
 *
 * Bounds: as many of a name at once as the request says, else `ToolBusy`; of what it writes to stderr `errorBytes`; the
 * rest is PacedWaits.ts. Closing the scope sends TERM at once and waits for nothing. Fails in the words of Tool.ts.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Executor, RunError, RunResult } from "../commands/Executor.ts"
import type { LiveOutput, OutputPart } from "../commands/OutputLog.ts"
import { toolEnvironment, type ToolError, ToolFailed, ToolMissing, ToolTimeout } from "./Tool.ts"

/** As many of it run, and wait, as may. */
export class ToolBusy extends Schema.TaggedError<ToolBusy>()("ToolBusy", {
  name: Schema.String,
  retryAfterSeconds: Schema.Int
}) {
  override get message() {
    return `${this.name} is being asked by as many as may at once; try again in ${this.retryAfterSeconds} s`
  }
}

export interface PacedTool {
  /** What errors call it: `journalctl`. */
  readonly name: string
  /** What concurrency is counted by. */
  readonly lane: string
  readonly argv: readonly [string, ...Array<string>]
  /** Left out: it runs until its reader leaves. */
  readonly timeout?: Duration.Duration | undefined
  readonly concurrency: number
  readonly queueLength: number
  readonly who: string
}

export interface PacedReading {
  /** The bytes that come next, of both streams; undefined: it has ended. To be freed by who takes them. */
  readonly next: Effect.Effect<OutputPart | undefined, ToolError>
  /** How it ended; waits for that. */
  readonly result: Effect.Effect<RunResult, ToolError | ToolBusy>
}

/** What is in hand at once: some hundred lines, of which a reader that stands still keeps a few. */
const partBytes = 64 * 1024

/** More than a tool says in its complaints. */
const errorBytes = 4096

const killGrace = Duration.seconds(2)

/** It has ended by itself then, and what it wrote is there to be read. */
const outputGrace = Duration.millis(100)

/** Comes when the tool has started. */
export const readTool =
  (executor: Pick<Executor["Service"], "run">) =>
  (tool: PacedTool): Effect.Effect<PacedReading, ToolError | ToolBusy, Scope.Scope> =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<LiveOutput | undefined, ToolError | ToolBusy>()
      const { argv, concurrency, lane, name, queueLength, timeout = Duration.infinity, who } = tool
      const run = executor
        .run({
          name: lane,
          argv,
          env: toolEnvironment(),
          paced: true,
          headBytes: errorBytes,
          tailBytes: 0,
          timeout,
          killGrace,
          outputGrace,
          concurrency,
          queueLength,
          onAbandon: "terminate",
          keepsPlace: true,
          who,
          onStarted: ({ live }) => Effect.asVoid(Deferred.succeed(started, live))
        })
        .pipe(
          Effect.mapError(toToolError(name)),
          Effect.filterOrFail(
            ({ timedOut }) => !timedOut,
            () => new ToolTimeout({ command: name })
          ),
          Effect.tapError((error) => Deferred.fail(started, error))
        )
      const running = yield* Effect.forkScoped(run)
      const live = yield* Deferred.await(started)
      if (live === undefined) return yield* Effect.die(new Error(`${name} has no output to read`))
      let from = 0
      let ended = false
      return {
        next: Effect.suspend(() =>
          ended
            ? Effect.undefined
            : Effect.map(live.read(from, partBytes), (part) => {
                from = part.next
                ended = part.ended
                return part
              })
        ),
        result: Fiber.join(running)
      }
    })

const toToolError =
  (name: string) =>
  (error: RunError): ToolError | ToolBusy => {
    switch (error._tag) {
      case "ActionBusy":
        return new ToolBusy({ name, retryAfterSeconds: error.retry_after_seconds })
      case "SpawnError":
        return error.reason === "not-found" || error.reason === "not-permitted"
          ? new ToolMissing({ binary: name })
          : new ToolFailed({ command: name, exit_code: -1 })
      case "CommandLost":
      case "ExecutorUnavailable":
      case "RunCancelled":
        return new ToolFailed({ command: name, exit_code: -1 })
    }
  }
