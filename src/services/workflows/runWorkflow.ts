/**
 * Runs a workflow: asks for what is to be done (decide.ts), waits until something changes, and decides anew. Every operation
 * it asks for is a child of its own, so a restart finds each of them as it is: what was asked for is not asked for twice, what
 * has ended is not waited for.
 *
 * Its output has a line for each transition of a step; its progress is how many steps are done. It fails when a step does,
 * when it is cancelled and when its time is over, after all that was done has been undone; what cannot be undone is told in
 * `compensation_failed` of the error's details.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Json, type Operation, OperationFailed } from "../operations/Operation.ts"
import type { Durable, OperationContext } from "../operations/OperationKinds.ts"
import { decide } from "./decide.ts"
import { inOrder } from "./graph.ts"
import type { History } from "./history.ts"
import { stepStates } from "./stepStates.ts"
import { doneOf, headOf, outcome, stopText, tell } from "./telling.ts"
import { watchChildren, type WorkflowServices } from "./workflowChildren.ts"
import { WorkflowInput } from "./WorkflowInput.ts"

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
  const none: History = new Map()
  const steps = stepStates(decide(input, none, { startedAt: 0, cancelledAt: null, over: true, now: 0 }), none)
  return { ...headOf(input), check_mode: true, steps }
})

const run = Effect.fnUntraced(function* (
  services: WorkflowServices,
  operation: Operation,
  context: OperationContext,
  input: WorkflowInput
) {
  const startedAt = operation.startedAt ?? (yield* Clock.currentTimeMillis)
  const children = yield* watchChildren(services, operation, context, input)
  const { history } = children

  const look = Effect.map(Clock.currentTimeMillis, (now) => {
    const decision = decide(input, history, { startedAt, cancelledAt: children.cancelledAt(), over: false, now })
    return { now, decision, states: stepStates(decision, history) }
  })
  let told = (yield* look).states
  if (history.size > 0) yield* context.say(`goes on after a restart: ${doneOf(told)} of ${told.length} steps are done`)

  for (;;) {
    const { decision, now, states } = yield* look
    const { asks, ended, stop, wakeAt } = decision
    yield* tell(context, told, states, decision)
    told = states
    if (stop !== undefined && children.stop()) yield* context.say(stopText(stop))
    const fresh = asks.filter(({ name }) => !children.isAsked(name))
    for (const ask of fresh) yield* children.ask(ask, stop !== undefined)
    if (fresh.length > 0) continue
    if (ended) return yield* outcome(input, decision, states, history)
    yield* children.wait(Duration.millis(Math.min(Math.max((wakeAt ?? Infinity) - now, 1), sleepMaxMs)))
  }
})
