/**
 * An operation that has not ended, as this daemon holds it in memory: little while it waits, more while it runs. What is
 * known here before the store knows it (progress, output) is shown from here.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { LiveOutput, OutputPart } from "../commands/OutputLog.ts"
import type { Operation } from "./Operation.ts"
import { emptyOutput, type OperationOutput } from "./OperationOutput.ts"

export interface Progress {
  readonly fraction: number | null
  readonly text: string | null
  /** UNIX time in milliseconds. */
  readonly at: number
}

/** What belongs to one that runs. */
export interface LiveRun {
  readonly output: OperationOutput
  /** Completed when it is to be cancelled. */
  readonly cancelled: Deferred.Deferred<void>
  progress: Progress | undefined
  /** How long the output was when it was stored last. */
  storedBytes: number
  /** Somebody stores it now and then, as long as it changes. */
  storing: boolean
}

export interface LiveOperation {
  readonly id: string
  readonly seq: number
  readonly kind: string
  readonly name: string
  run: LiveRun | undefined
  /** Found in the store, and perhaps no longer as it was found. */
  readonly doubtful: boolean
  /** It is to be cancelled; said before it ran. */
  unwanted: boolean
  /** Made for who waits. */
  begun: Deferred.Deferred<void> | undefined
  ended: Deferred.Deferred<Operation> | undefined
}

export const makeLive = ({ id, kind, name, seq }: Operation, doubtful: boolean): LiveOperation => ({
  id,
  seq,
  kind,
  name,
  run: undefined,
  doubtful,
  unwanted: false,
  begun: undefined,
  ended: undefined
})

/** From now on it runs, in the eyes of who follows it. */
export const beginRun = (live: LiveOperation, output: OperationOutput, storedBytes: number): LiveRun => {
  const run: LiveRun = { output, cancelled: Deferred.makeUnsafe(), progress: undefined, storedBytes, storing: false }
  if (live.unwanted) Deferred.doneUnsafe(run.cancelled, Effect.void)
  live.run = run
  if (live.begun !== undefined) Deferred.doneUnsafe(live.begun, Effect.void)
  return run
}

export const endOf = (live: LiveOperation): Effect.Effect<Operation> =>
  Effect.suspend(() => Deferred.await((live.ended ??= Deferred.makeUnsafe())))

const beginOf = (live: LiveOperation): Effect.Effect<void> =>
  Effect.suspend(() => (live.run === undefined ? Deferred.await((live.begun ??= Deferred.makeUnsafe())) : Effect.void))

/** The operation with what the store has yet to learn. */
export const withProgress = (operation: Operation, live: LiveOperation | undefined): Operation => {
  const progress = live?.run?.progress
  if (progress === undefined || operation.status !== "running") return operation
  const { at, fraction, text } = progress
  return { ...operation, progress: fraction, progressText: text, updatedAt: Math.max(operation.updatedAt, at) }
}

/** Also of one that has yet to begin; when it has ended, `kept` is what the store has. */
export const outputOf = (live: LiveOperation, kept: Effect.Effect<LiveOutput>): LiveOutput => {
  const over = Effect.andThen(endOf(live), kept)
  const read = (from: number, max: number): Effect.Effect<OutputPart> =>
    Effect.raceFirst(
      Effect.flatMap(beginOf(live), () => live.run?.output.read(from, max) ?? Effect.never),
      Effect.flatMap(over, (output) => output.read(from, max))
    )
  return {
    read,
    snapshot: Effect.suspend(() => live.run?.output.snapshot ?? Effect.succeed(emptyOutput))
  }
}
