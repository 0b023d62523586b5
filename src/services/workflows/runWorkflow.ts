/**
 * Runs a workflow: asks for what is to be done (decide.ts), waits until something changes, and decides anew. Every operation
 * it asks for is a child of its own, so a restart finds each of them as it is: what was asked for is not asked for twice, what
 * has ended is not waited for.
 *
 * Its output has a line for each transition of a step; its progress is how many steps are done. It fails when a step does,
 * when it is cancelled and when its time is over, after all that was done has been undone; what cannot be undone is told in
 * `compensation_failed` of the error's details.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import { childId } from "../operations/childId.ts"
import { isFinal, type Json, type Operation, OperationFailed } from "../operations/Operation.ts"
import type { Durable, OperationContext } from "../operations/OperationKinds.ts"
import type { OperationsUnavailable } from "../operations/Operations.ts"
import type { OperationStore } from "../operations/OperationStore.ts"
import type { Inventory } from "../provisioning/Inventory.ts"
import { settled } from "../provisioning/lifecycle.ts"
import { type Ask, decide } from "./decide.ts"
import { inOrder } from "./graph.ts"
import { type Child, childOf, historyOf } from "./history.ts"
import { stepStates } from "./stepStates.ts"
import { doneOf, headOf, outcome, stopText, tell } from "./telling.ts"
import { leftoverId } from "./undoing.ts"
import { type PlannedStep, WorkflowInput } from "./WorkflowInput.ts"

export interface WorkflowServices {
  readonly store: Pick<OperationStore["Service"], "children">
  readonly inventory: Pick<Inventory["Service"], "server" | "taskserv">
}

/** What has changed while it waited. */
type Change =
  | { readonly _tag: "ended"; readonly name: string; readonly child: Child }
  | { readonly _tag: "cancelled"; readonly at: number }
  /** It runs, from before a restart, and was not waited for because the whole is cancelled. */
  | { readonly _tag: "barred"; readonly name: string; readonly at: number }
  | { readonly _tag: "broken"; readonly cause: Cause.Cause<never> }

/** Timers are set anew now and then: a clock that was set has been noticed by then. */
const sleepMaxMs = 3_600_000

const decodeInput = Schema.decodeUnknownEffect(WorkflowInput)

export const runWorkflow =
  (services: WorkflowServices) =>
  (operation: Operation, context: OperationContext): Effect.Effect<Json, OperationFailed, Durable> =>
    Effect.flatMap(
      Effect.mapError(
        decodeInput(operation.input),
        () => new OperationFailed({ code: "invalid_input", message: "it is not what a workflow is given" })
      ),
      (input) => (input.check_mode ? rehearse(input, context) : Effect.scoped(run(services, operation, context, input)))
    )

/** A dry run asks for nothing. */
const rehearse = Effect.fnUntraced(function* (input: WorkflowInput, context: OperationContext) {
  for (const step of inOrder(input.steps)) {
    const times = step.count === null ? "" : ` ${step.count} times`
    const after = step.needs.length === 0 ? "" : ` after ${step.needs.join(", ")}`
    yield* context.say(`${step.name}: would ask for ${step.operation ?? `action ${step.action}`}${times}${after}`)
  }
  yield* context.progress(1, "dry run: nothing was done")
  const none = new Map<string, Child>()
  const steps = stepStates(decide(input, none, { startedAt: 0, cancelledAt: null, over: true, now: 0 }), none)
  return { ...headOf(input), check_mode: true, steps }
})

const run = Effect.fnUntraced(function* (
  { inventory, store }: WorkflowServices,
  operation: Operation,
  context: OperationContext,
  input: WorkflowInput
) {
  const startedAt = operation.startedAt ?? (yield* Clock.currentTimeMillis)
  let cancelledAt = operation.cancelRequestedAt
  const plannedSteps = new Map(input.steps.map((step) => [step.name, step]))
  /** What has changed since it was last looked at; open while there is something. Who waits takes nothing, and so loses nothing. */
  const changes: Array<Change> = []
  const changed = Latch.makeUnsafe(false)
  const change = (one: Change) =>
    Effect.sync(() => {
      changes.push(one)
      changed.openUnsafe()
    })
  /** Completes when nothing goes forward any more. */
  const stopped = Deferred.makeUnsafe<void>()
  const attached = new Set<string>()

  const isLeft = (step: PlannedStep, { id, startedAt: begun, status }: Operation): Effect.Effect<boolean> => {
    if (status === "completed" || begun === null) return Effect.succeed(false)
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
    const { input: given, kind, name: of } = child
    const name = names.get(child.id)
    const step = name === undefined ? undefined : plannedSteps.get(stepOf(name))
    if (name === undefined || step === undefined || !isFinal(child.status)) continue
    history.set(name, childOf(step, child, { left: yield* isLeft(step, child) }))
    // What ended before a restart is asked for as it was then: the journal has its answer, and wants to be heard.
    attached.add(name)
    yield* Effect.forkScoped(Effect.ignore(context.child(name, { kind, name: of, input: given }, { keep: true })))
  }

  const attach = Effect.fnUntraced(function* (ask: Ask, step: PlannedStep, now: number, isStopped: boolean) {
    attached.add(ask.name)
    const known = history.get(ask.name)
    const begun: Child = known ?? { ...unended, id: childId(operation.id, ask.name), createdAt: now }
    history.set(ask.name, begun)
    // Once it is stopped, what runs is still waited for: it may have been done.
    const keep = !ask.forward || isStopped
    let late = false
    const tooLate = (child: Operation) =>
      Effect.gen(function* () {
        if (ask.timeoutMs === null) return yield* Effect.never
        const left = child.createdAt + ask.timeoutMs - (yield* Clock.currentTimeMillis)
        yield* Effect.sleep(Duration.millis(Math.min(Math.max(left, 0), ask.timeoutMs)))
        late = true
      })
    const asked = context.child(ask.name, ask.task(), {
      keep,
      ...(ask.forward ? { cancelWhen: (child) => Effect.raceFirst(Deferred.await(stopped), tooLate(child)) } : {})
    })
    const ended = Effect.matchCauseEffect(asked, {
      onSuccess: (child): Effect.Effect<Change> =>
        Effect.map(isLeft(step, child), (left) => ({
          _tag: "ended",
          name: ask.name,
          child: childOf(step, child, late ? { left, late } : { left })
        })),
      onFailure: (cause) => {
        const reasons = cause.reasons.filter((reason) => !Cause.isFailReason(reason))
        const fault = Cause.findErrorOption(cause)
        if (reasons.length > 0 || Option.isNone(fault)) {
          return Effect.succeed<Change>({ _tag: "broken", cause: Cause.fromReasons(reasons) })
        }
        // It could not even be asked for.
        return Effect.map(Clock.currentTimeMillis, (endedAt): Change => {
          const { code, details, message } = fault.value
          if (code === "cancelled" && !keep && known !== undefined)
            return { _tag: "barred", name: ask.name, at: endedAt }
          const error = { code, message, ...(details === undefined ? {} : { details }) }
          const status = code === "cancelled" ? "cancelled" : "failed"
          return { _tag: "ended", name: ask.name, child: { ...begun, id: null, status, error, endedAt } }
        })
      }
    })
    yield* Effect.forkScoped(Effect.flatMap(ended, change))
  })

  yield* Effect.forkScoped(
    Effect.andThen(
      context.cancelled,
      Effect.flatMap(Clock.currentTimeMillis, (at) => change({ _tag: "cancelled", at }))
    )
  )

  const look = Effect.map(Clock.currentTimeMillis, (now) => {
    const decision = decide(input, history, { startedAt, cancelledAt, over: false, now })
    return { now, decision, states: stepStates(decision, history) }
  })
  let told = (yield* look).states
  if (history.size > 0) yield* context.say(`goes on after a restart: ${doneOf(told)} of ${told.length} steps are done`)

  for (;;) {
    const { decision, now, states } = yield* look
    yield* tell(context, told, states, decision)
    told = states
    if (decision.stop !== undefined && Deferred.doneUnsafe(stopped, Effect.void)) {
      yield* context.say(stopText(decision.stop))
    }
    const fresh = decision.asks.filter(({ name }) => !attached.has(name))
    for (const ask of fresh) {
      const step = plannedSteps.get(ask.step)
      if (step !== undefined) yield* attach(ask, step, now, decision.stop !== undefined)
    }
    if (fresh.length > 0) continue
    if (decision.ended) return yield* outcome(input, decision, states, history)
    const waitMs = Math.min(Math.max((decision.wakeAt ?? Infinity) - now, 1), sleepMaxMs)
    const passed = Effect.timeoutOption(changed.await, Duration.millis(waitMs))
    yield* Effect.raceFirst(passed, context.untilStop)
    changed.closeUnsafe()
    for (const one of changes.splice(0)) {
      if (one._tag === "broken") return yield* Effect.failCause(one.cause)
      if (one._tag === "ended") history.set(one.name, one.child)
      else cancelledAt ??= one.at
      if (one._tag === "barred") attached.delete(one.name)
    }
  }
})

const unended = { status: "pending", error: null, members: {}, endedAt: null, left: false, late: false } as const

const stepOf = (name: string): string => name.slice(0, name.indexOf("/"))
