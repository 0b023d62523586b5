/**
 * The operations that one run of a workflow has asked for: asked for once, waited for side by side, and what has become of
 * each put into the history. After a restart those that are there are found, and their answers heard again.
 *
 * What has changed is kept in a list until it is taken; who waits for it takes nothing, and so loses nothing when the wait is
 * broken off.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { childId } from "../operations/childId.ts"
import { isFinal, type Operation, type OperationFailed } from "../operations/Operation.ts"
import type { Durable, OperationContext } from "../operations/OperationKinds.ts"
import type { OperationsUnavailable } from "../operations/Operations.ts"
import type { OperationStore } from "../operations/OperationStore.ts"
import type { Inventory } from "../provisioning/Inventory.ts"
import { settled } from "../provisioning/lifecycle.ts"
import type { Ask } from "./decide.ts"
import { type Child, childOf, type History, historyOf } from "./history.ts"
import { leftoverId } from "./undoing.ts"
import type { PlannedStep, WorkflowInput } from "./WorkflowInput.ts"

export interface WorkflowServices {
  readonly store: Pick<OperationStore["Service"], "children">
  readonly inventory: Pick<Inventory["Service"], "server" | "taskserv">
}

type Change =
  | { readonly _tag: "ended"; readonly name: string; readonly child: Child }
  | { readonly _tag: "cancelled"; readonly at: number }
  /** It runs, from before a restart, and was not waited for because the whole is cancelled. */
  | { readonly _tag: "barred"; readonly name: string; readonly at: number }
  | { readonly _tag: "broken"; readonly cause: Cause.Cause<never> }

export interface WorkflowChildren {
  readonly history: History
  readonly isAsked: (name: string) => boolean
  /** Asks for it, or goes on waiting for it. Once the whole is stopped, what runs is waited for all the same: it may be done. */
  readonly ask: (ask: Ask, isStopped: boolean) => Effect.Effect<void, never, Durable | Scope.Scope>
  /** Nothing goes forward any more: tries that run are cancelled. False: that was said before. */
  readonly stop: () => boolean
  /** When somebody asked for the whole to be cancelled. */
  readonly cancelledAt: () => number | null
  /** Waits for a change, at most so long, and takes what there is into the history. */
  readonly wait: (atMost: Duration.Duration) => Effect.Effect<void, never, Durable>
}

const unended = { status: "pending", error: null, members: {}, endedAt: null, left: false, late: false } as const

export const watchChildren = Effect.fnUntraced(function* (
  { inventory, store }: WorkflowServices,
  operation: Operation,
  context: OperationContext,
  input: WorkflowInput
): Effect.fn.Return<WorkflowChildren, never, Durable | Scope.Scope> {
  const steps = new Map(input.steps.map((step) => [step.name, step]))
  const asked = new Set<string>()
  const stopped = Deferred.makeUnsafe<void>()
  let cancelledAt = operation.cancelRequestedAt
  const changes: Array<Change> = []
  const changed = Latch.makeUnsafe(false)
  const tell = (change: Change) =>
    Effect.sync(() => {
      changes.push(change)
      changed.openUnsafe()
    })

  /** Whether something of a create that did not end well is there all the same. */
  const isLeft = (step: PlannedStep, { id, startedAt, status }: Operation): Effect.Effect<boolean> => {
    if (status === "completed" || startedAt === null) return Effect.succeed(false)
    const row: Effect.Effect<object | null, OperationsUnavailable> =
      step.operation === "server.create"
        ? inventory.server(leftoverId(step, id))
        : step.operation === "taskserv.create"
          ? inventory.taskserv(leftoverId(step, id))
          : Effect.succeed(null)
    return Effect.map(settled(row), (found) => found !== null)
  }

  const children = yield* settled(store.children(operation.id))
  const history = historyOf(operation.id, input, children)
  const names = new Map([...history].map(([name, { id }]) => [id, name]))
  for (const child of children) {
    const name = names.get(child.id)
    const step = name === undefined ? undefined : steps.get(stepOf(name))
    if (name === undefined || step === undefined || !isFinal(child.status)) continue
    history.set(name, childOf(step, child, { left: yield* isLeft(step, child) }))
    asked.add(name)
    // As it was asked for then: the journal has its answer, and wants to be heard before a cancellation is.
    const { input: given, kind, name: of } = child
    yield* Effect.forkScoped(Effect.ignore(context.child(name, { kind, name: of, input: given }, { keep: true })))
  }

  const ask = Effect.fnUntraced(function* (one: Ask, isStopped: boolean) {
    const step = steps.get(one.step)
    if (step === undefined) return
    const { name, timeoutMs } = one
    const known = history.get(name)
    const now = yield* Clock.currentTimeMillis
    const begun: Child = known ?? { ...unended, id: childId(operation.id, name), createdAt: now }
    asked.add(name)
    history.set(name, begun)
    const keep = !one.forward || isStopped
    let late = false
    const tooLate = (child: Operation) =>
      Effect.gen(function* () {
        if (timeoutMs === null) return yield* Effect.never
        const left = child.createdAt + timeoutMs - (yield* Clock.currentTimeMillis)
        yield* Effect.sleep(Duration.millis(Math.min(Math.max(left, 0), timeoutMs)))
        late = true
      })
    const cancelWhen = (child: Operation) => Effect.raceFirst(Deferred.await(stopped), tooLate(child))
    const answer = context.child(name, one.task(), one.forward ? { keep, cancelWhen } : { keep })
    const ended = Effect.matchCauseEffect(answer, {
      onSuccess: (child) =>
        Effect.map(isLeft(step, child), (left): Change => ({
          _tag: "ended",
          name,
          child: childOf(step, child, late ? { left, late } : { left })
        })),
      onFailure: (cause) => Effect.map(Clock.currentTimeMillis, (at) => unanswered(cause, name, begun, at))
    })
    /** It could not even be asked for, or runs and was not waited for, or this run is over. */
    const unanswered = (cause: Cause.Cause<OperationFailed>, of: string, child: Child, at: number): Change => {
      const others = cause.reasons.filter((reason) => !Cause.isFailReason(reason))
      const fault = Option.getOrUndefined(Cause.findErrorOption(cause))
      if (others.length > 0 || fault === undefined) return { _tag: "broken", cause: Cause.fromReasons(others) }
      const { code, details, message } = fault
      if (code === "cancelled" && !keep && known !== undefined) return { _tag: "barred", name: of, at }
      const error = { code, message, ...(details === undefined ? {} : { details }) }
      const status = code === "cancelled" ? "cancelled" : "failed"
      return { _tag: "ended", name: of, child: { ...child, id: null, status, error, endedAt: at } }
    }
    yield* Effect.forkScoped(Effect.flatMap(ended, tell))
  })

  yield* Effect.forkScoped(
    Effect.andThen(
      context.cancelled,
      Effect.flatMap(Clock.currentTimeMillis, (at) => tell({ _tag: "cancelled", at }))
    )
  )

  return {
    history,
    isAsked: (name) => asked.has(name),
    ask,
    stop: () => Deferred.doneUnsafe(stopped, Effect.void),
    cancelledAt: () => cancelledAt,
    wait: Effect.fnUntraced(function* (atMost) {
      yield* Effect.raceFirst(Effect.timeoutOption(changed.await, atMost), context.untilStop)
      changed.closeUnsafe()
      for (const change of changes.splice(0)) {
        if (change._tag === "broken") return yield* Effect.failCause(change.cause)
        if (change._tag === "ended") history.set(change.name, change.child)
        else cancelledAt ??= change.at
        if (change._tag === "barred") asked.delete(change.name)
      }
    })
  }
})

const stepOf = (name: string): string => name.slice(0, name.indexOf("/"))
