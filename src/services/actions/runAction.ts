/**
 * Runs an action that is an operation: what the configuration says when its turn has come. Its result is what
 * `POST /api/v1/actions/{action}` answers; one that did not end well has failed and keeps that too. Runs that are operations
 * and runs that are not share the executor's lane of the action, and are told in the event log alike.
 *
 * A line of stdout that is a JSON object with a `progress` from 0 to 1, and perhaps a `message`, is the operation's progress,
 * and output like any other: `{"progress":0.4,"message":"copying"}`.
 *
 * Bounds: `keptMax` of each end of each stream in a result, whatever the action keeps otherwise: results are stored with the
 * operation and shown in lists, and there is the output for the rest.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { EventLog } from "../events/EventLog.ts"
import { anonymousId } from "../identity/Principal.ts"
import type { Instance } from "../Instance.ts"
import { type Operation, OperationFailed } from "../operations/Operation.ts"
import type { OperationContext } from "../operations/OperationKinds.ts"
import type { RunResult } from "../commands/Executor.ts"
import type { ActionError, Actions } from "./Actions.ts"
import { makeRunLog } from "./actionLog.ts"
import { actionResult } from "./actionResult.ts"
import { describeExit } from "./describeExit.ts"

/** What is kept in `Operation.input`. Arguments are shown to whoever may read operations: they are no place for secrets. */
const ActionOperationInput = Schema.Struct({
  args: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Int, Schema.Boolean]))
})

/** Twice two of them in a result of a megabyte. */
const keptMax = 256 * 1024

/** Progress is said in a sentence; whatever is longer is output. */
const progressLineMax = 4096
const progressTextMax = 512

const decodeInput = Schema.decodeUnknownEffect(ActionOperationInput)

const ProgressLine = Schema.fromJsonString(
  Schema.Struct({
    progress: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
    message: Schema.optionalKey(Schema.String)
  })
)
const decodeProgress = Schema.decodeUnknownOption(ProgressLine)

export interface RunActionServices {
  readonly actions: Pick<Actions["Service"], "prepare">
  readonly instance: Pick<Instance["Service"], "startedAt">
  readonly log: Pick<EventLog["Service"], "record">
}

export const runAction = Effect.fnUntraced(function* (
  { actions, instance, log }: RunActionServices,
  operation: Operation,
  context: OperationContext
) {
  const { args } = yield* Effect.mapError(
    decodeInput(operation.input),
    ({ message }) => new OperationFailed({ code: "invalid_input", message })
  )
  const { action, command } = yield* Effect.mapError(actions.prepare(operation.name, args), refusal)
  const told = makeRunLog(log, action, operation.who === anonymousId ? undefined : operation.who)
  const again = action.on_restart === "run_again"
  /** By an earlier daemon, which has told it. */
  const wasBegun = (at: number | null) => at !== null && at < instance.startedAt
  const resumed = wasBegun(operation.startedAt) && !again
  if (!resumed) yield* told.started
  const result = yield* context
    .command(
      {
        ...command,
        headBytes: Math.min(command.headBytes, keptMax),
        tailBytes: Math.min(command.tailBytes, keptMax),
        onLine: (line) => progressOf(line, context)
      },
      { again }
    )
    .pipe(Effect.tapError(({ message }) => told.failed(message, "")))
  // The earlier one ended just before the command began.
  if (resumed && !wasBegun(result.startedAt)) yield* told.started
  const error = describeExit(result, action.timeout_ms)
  if (error === undefined) {
    yield* told.succeeded
    return actionResult(action.name, result)
  }
  yield* told.failed(error, result.stderr.head + result.stderr.tail)
  return yield* failed(error, action.name, result)
})

const progressOf = (line: string, context: OperationContext): Effect.Effect<void> => {
  // Most lines are none, and are not parsed.
  if (!line.startsWith("{") || line.length > progressLineMax) return Effect.void
  return Option.match(decodeProgress(line), {
    onNone: () => Effect.void,
    onSome: ({ message, progress }) =>
      context.progress(progress, message === undefined ? null : message.slice(0, progressTextMax).toWellFormed())
  })
}

/** It was not begun. */
const refusal = (error: ActionError): OperationFailed => {
  const { message } = error
  switch (error._tag) {
    case "ActionNotConfigured":
      return new OperationFailed({ code: "not_found", message })
    case "ArgumentError":
      return new OperationFailed({ code: "invalid_input", message })
    default:
      return new OperationFailed({ code: "not_started", message })
  }
}

const failed = (message: string, name: string, run: RunResult): OperationFailed => {
  const result = actionResult(name, run)
  const { exit_code, signal } = result
  return new OperationFailed({
    code: run.timedOut ? "timed_out" : "command_failed",
    message,
    details: { exit_code, signal },
    result
  })
}
