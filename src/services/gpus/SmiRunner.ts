/**
 * Runs nvidia-smi, one at a time whatever is asked of it: each run is a turn, and what is wanted of all GPUs has its turn
 * ahead of what somebody wants of one. It owns the turns, and remembers what did not end.
 *
 * It gets TERM at the deadline and KILL only after a grace, because killing it can freeze a GPU. Its turn lasts until it has
 * ended. One that KILL does not end either (the driver holds it in the kernel) keeps its place in the executor, and what it
 * has left of its group counts as well: whoever asks meanwhile is told at once that there is no answer in time, and no
 * second one is started.
 *
 * Bounds: `waitingMax` wait for a turn, each for the tool's own time limit at the longest; the output asked for is kept
 * and no more of it.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constants } from "node:os"
import type { Executor, RunResult } from "../commands/Executor.ts"
import type { StreamOutput } from "../commands/Spawner.ts"
import type { CurrentConfig } from "../config/CurrentConfig.ts"
import type { ProcessStat } from "../operations/leftovers/procfs.ts"
import { type ToolError, toolEnvironment, ToolFailed, ToolMissing, ToolTimeout } from "../tools/Tool.ts"
import { findProgram } from "./findProgram.ts"
import type { SmiOutput } from "./Gpus.ts"
import type { Remains } from "./remains.ts"

export interface SmiRequest {
  readonly args: ReadonlyArray<string>
  /** Of each stream; the first are kept. */
  readonly maxBytes: number
  /** Ahead of those that are not. */
  readonly urgent: boolean
}

export interface SmiRunner {
  /** However it ended by itself. */
  readonly run: (request: SmiRequest) => Effect.Effect<SmiOutput, ToolError>
}

export interface SmiMachine {
  readonly executor: Pick<Executor["Service"], "run">
  readonly config: Pick<CurrentConfig["Service"], "get">
  readonly remains: Remains
}

/** What errors call it, whatever program the configuration names. */
const tool = "nvidia-smi"

/** As many as there are questions (SmiOutputs.ts), and a few more. */
const waitingMax = 64

/** It writes nothing once it has ended; a child of its that holds the pipes is not waited for. */
const outputGrace = Duration.millis(100)

const nanosPerSecond = 1_000_000_000

interface Waiting {
  readonly urgent: boolean
  readonly turn: Deferred.Deferred<void>
}

const timedOut = new ToolTimeout({ command: tool })

export const makeSmiRunner = ({ config, executor, remains }: SmiMachine): SmiRunner => {
  const waiting: Array<Waiting> = []
  /** By the monotonic clock; undefined: nobody has the turn. */
  let turnEnds: bigint | undefined
  let left: ReadonlyArray<ProcessStat> = []

  const seconds = (): number => config.get().status.command_timeout_seconds

  /** Gives the turn to the next, who finds it taken. */
  const pass = Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
    const next = waiting.shift()
    turnEnds = next === undefined ? undefined : deadline(now, seconds())
    return next === undefined ? Effect.void : Deferred.succeed(next.turn, undefined)
  })

  const leave = (mine: Waiting) =>
    Effect.suspend(() => {
      const place = waiting.indexOf(mine)
      // It has the turn just now, and does not know it yet.
      if (place === -1) return pass
      waiting.splice(place, 1)
      return Effect.void
    })

  const takeTurn = (urgent: boolean) =>
    Effect.flatMap(Clock.monotonicTimeNanos, (now): Effect.Effect<void, ToolTimeout> => {
      if (turnEnds === undefined) {
        turnEnds = deadline(now, seconds())
        return Effect.void
      }
      // Whoever has it should have ended: no time that anybody would wait brings an answer.
      if (now > turnEnds || waiting.length >= waitingMax) return Effect.fail(timedOut)
      const mine: Waiting = { urgent, turn: Deferred.makeUnsafe() }
      const behind = urgent ? waiting.findIndex((other) => !other.urgent) : -1
      waiting.splice(behind === -1 ? waiting.length : behind, 0, mine)
      return Deferred.await(mine.turn).pipe(
        Effect.timeoutOrElse({ duration: Duration.seconds(seconds()), orElse: () => Effect.fail(timedOut) }),
        Effect.onError(() => leave(mine))
      )
    })

  /** What its group has left is remembered: nothing is started beside that either. */
  const overdue = (group: number) =>
    Effect.flatMap(remains.of(group), (found) => {
      left = found
      return Effect.fail(timedOut)
    })

  const start = Effect.fnUntraced(function* ({ args, maxBytes }: SmiRequest): Effect.fn.Return<SmiOutput, ToolError> {
    if (left.length > 0) left = yield* remains.still(left)
    if (left.length > 0) return yield* timedOut
    const { command, kill_grace_ms: killGraceMs } = config.get().gpus
    const env = toolEnvironment()
    const program = yield* findProgram(command, env["PATH"] ?? "")
    if (program === undefined) return yield* new ToolMissing({ binary: tool })
    turnEnds = deadline(yield* Clock.monotonicTimeNanos, seconds())
    const result = yield* executor
      .run({
        name: `tool:${tool}`,
        argv: [program, ...args],
        env,
        headBytes: maxBytes,
        tailBytes: 0,
        timeout: Duration.seconds(seconds()),
        killGrace: Duration.millis(killGraceMs),
        outputGrace,
        concurrency: 1,
        queueLength: 0,
        onAbandon: "terminate",
        keepsPlace: true,
        who: "daemon"
      })
      .pipe(
        Effect.catchTags({
          ActionBusy: () => Effect.fail(timedOut),
          RunCancelled: () => Effect.fail(timedOut),
          ExecutorUnavailable: () => Effect.fail(timedOut),
          CommandLost: () => Effect.fail(timedOut),
          SpawnError: ({ reason }) =>
            Effect.fail(
              reason === "not-found" || reason === "not-permitted"
                ? new ToolMissing({ binary: tool })
                : new ToolFailed({ command: tool, exit_code: -1 })
            )
        })
      )
    return result.timedOut ? yield* overdue(result.pid) : outputOf([command, ...args], result)
  })

  return {
    run: (request) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.andThen(restore(takeTurn(request.urgent)), Effect.ensuring(restore(start(request)), pass))
      )
  }
}

const deadline = (now: bigint, seconds: number): bigint => now + BigInt(Math.round(seconds * nanosPerSecond))

const outputOf = (command: ReadonlyArray<string>, { exit, stderr, stdout }: RunResult): SmiOutput => ({
  command,
  // As the original tells of one that a signal ended.
  exitCode: exit._tag === "Exited" ? exit.code : -(signalNumbers.get(exit.signal) ?? 1),
  stdout: wholeLines(stdout),
  stderr: wholeLines(stderr),
  stdoutTruncated: stdout.truncated,
  stderrTruncated: stderr.truncated
})

const signalNumbers: ReadonlyMap<string, number> = new Map(Object.entries(constants.signals))

/** A line that was cut is left out, unless it is the only one. */
const wholeLines = ({ head, truncated }: StreamOutput): string => {
  const end = truncated ? head.lastIndexOf("\n") + 1 : 0
  return end === 0 ? head : head.slice(0, end)
}
