/**
 * Runs operations as durable workflows: one execution each, whose id is the operation's. Loaded with the first operation
 * that runs, and with it Effect's workflow code: a daemon without operations needs neither.
 *
 * It answers how an operation ended, or nothing: the daemon stops, and a later one goes on with it.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import type { LiveRun } from "../services/operations/LiveOperation.ts"
import { type Json, type Operation, OperationFailed, type OperationFault } from "../services/operations/Operation.ts"
import type { OperationContext, OperationKind } from "../services/operations/OperationKinds.ts"
import type { Ending } from "../services/operations/OperationStore.ts"
import { makeEmbeddedEngine } from "../services/workflow/EmbeddedEngine.ts"
import { exitCodec } from "../services/workflow/exits.ts"
import type { JournalStore } from "../services/workflow/Journal.ts"
import { type ContextServices, makeContext } from "./OperationsContext.ts"

const OperationWorkflow = Workflow.make("systemapi/operation", {
  payload: { id: Schema.String },
  idempotencyKey: ({ id }) => id,
  success: Schema.Json,
  error: OperationFailed
})

export interface RunnerOptions extends Omit<ContextServices, "engine"> {
  readonly store: JournalStore
  /** Completes when the stop has waited long enough. */
  readonly giveUp: Effect.Effect<void>
}

export interface Runner {
  readonly run: (operation: Operation, kind: OperationKind, run: LiveRun) => Effect.Effect<Ending | undefined>
  readonly cancel: (id: string) => Effect.Effect<void>
}

interface Running {
  readonly operation: Operation
  readonly kind: OperationKind
  readonly context: OperationContext
}

export const makeRunner = Effect.fnUntraced(function* (
  options: RunnerOptions
): Effect.fn.Return<Runner, never, Scope.Scope> {
  const { giveUp, isStopping, stopping, store } = options
  const running = new Map<string, Running>()
  const engine = yield* makeEmbeddedEngine({ store, giveUp, outcomes: exitCodec(Schema.Json, OperationFailed) })

  const execute = ({ id }: { readonly id: string }) =>
    Effect.suspend(() => {
      const one = running.get(id)
      if (one === undefined) return Effect.die(new Error(`operation ${id} is not running`))
      return one.kind.run(one.operation, one.context)
    })
  yield* Effect.provideService(engine.engine.register(OperationWorkflow, execute), WorkflowEngine, engine.engine)
  yield* Effect.forkScoped(Effect.andThen(stopping, engine.halt))
  if (isStopping()) yield* engine.halt

  const run = Effect.fnUntraced(function* (operation: Operation, kind: OperationKind, live: LiveRun) {
    const { id } = operation
    const context = yield* makeContext({ ...options, engine }, operation, live)
    running.set(id, { operation, kind, context })
    if (Deferred.isDoneUnsafe(live.cancelled)) yield* engine.interrupt(id)
    const whole = Effect.exit(engine.engine.execute(OperationWorkflow, { executionId: id, payload: { id } }))
    const stopped = Effect.andThen(stopping, Effect.as(engine.parked(id), undefined))
    return yield* Effect.raceFirst(whole, stopped).pipe(
      Effect.flatMap((exit) =>
        // Cut off by the stop: the next daemon goes on with it.
        exit === undefined || (isStopping() && isCut(exit)) ? Effect.undefined : endingOf(operation, exit, live)
      ),
      Effect.ensuring(
        Effect.suspend(() => {
          running.delete(id)
          return engine.forget(id)
        })
      )
    )
  })

  return { run, cancel: engine.interrupt }
})

const isCut = (exit: Exit.Exit<Json, OperationFailed>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)

const endingOf = Effect.fnUntraced(function* (
  { id, kind, name }: Operation,
  exit: Exit.Exit<Json, OperationFailed>,
  { cancelled, output, storedBytes }: LiveRun
): Effect.fn.Return<Ending> {
  output.end()
  const whole = yield* output.snapshot
  const kept = whole.bytes === storedBytes ? null : whole
  if (Exit.isSuccess(exit)) return { status: "completed", result: exit.value, error: null, output: kept }
  const failed = exit.cause.reasons.find(Cause.isFailReason)?.error
  const wanted = Deferred.isDoneUnsafe(cancelled)
  const isBug = failed === undefined && !(wanted && isCut(exit))
  if (isBug) yield* Effect.logError(`operation ${id} (${kind} ${name})`, exit.cause)
  // Whatever it failed with after the wish was heard: it did not go on to its end, as was wished.
  const status = wanted && !isBug ? "cancelled" : "failed"
  return {
    status,
    result: failed?.result ?? null,
    error: failed === undefined ? unsaid[status] : faultOf(failed),
    output: kept
  }
})

const unsaid = {
  cancelled: { code: "cancelled", message: "it was cancelled" },
  failed: { code: "internal", message: "it failed for a reason that the process log tells" }
}

const faultOf = ({ code, details, message }: OperationFailed): OperationFault => ({
  code,
  message,
  ...(details === undefined ? {} : { details })
})
