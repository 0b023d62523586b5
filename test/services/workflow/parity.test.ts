/** Small workflows on Effect's own engine and on ours: what is seen of them is the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as Workflow from "effect/workflow/Workflow"
import { layerMemory, WorkflowEngine, type WorkflowInstance } from "effect/workflow/WorkflowEngine"
import { layerOurs, Refused, Whole } from "./support.ts"

type Trace = Array<string>
type Body = (trace: Trace) => () => Effect.Effect<Schema.Json, Refused, WorkflowEngine | WorkflowInstance | Scope.Scope>

const says = (trace: Trace, name: string) =>
  Activity.make({
    name,
    success: Schema.String,
    execute: Effect.sync(() => {
      trace.push(name)
      return name
    })
  })

const refuses = (trace: Trace, name: string) =>
  Activity.make({
    name,
    error: Refused,
    execute: Effect.suspend(() => {
      trace.push(`${name} refuses`)
      return Effect.fail(new Refused({ what: name }))
    })
  })

const undoable = (trace: Trace, name: string) =>
  Workflow.withCompensation(says(trace, name), (value, cause) =>
    Effect.asVoid(says(trace, `undo ${value} after ${Cause.hasInterruptsOnly(cause) ? "an interrupt" : "a failure"}`))
  )

const described = (exit: Exit.Exit<Schema.Json, Refused>) => {
  if (Exit.isSuccess(exit)) return { value: exit.value }
  if (Cause.hasInterruptsOnly(exit.cause)) return { interrupted: true }
  return { failed: String(Cause.squash(exit.cause)) }
}

/** What both engines show when this is done with the workflow `body`. */
const same = <A>(
  body: Body,
  act: (trace: Trace) => Effect.Effect<A, never, WorkflowEngine>,
  expected: { readonly trace: ReadonlyArray<string>; readonly result: A }
) =>
  Effect.gen(function* () {
    for (const engine of [layerMemory, layerOurs]) {
      const trace: Trace = []
      const layer = Layer.fresh(Layer.provideMerge(Whole.toLayer(body(trace)), engine))
      const result = yield* Effect.provide(act(trace), layer)
      assert.deepStrictEqual({ trace, result }, expected, engine === layerOurs ? "ours" : "Effect's")
    }
  })

/** Its id would else be made by a promise, which no test clock waits for. */
const executionId = "one"

const whole = Effect.flatMap(WorkflowEngine, (engine) =>
  Effect.map(Effect.exit(engine.execute(Whole, { executionId, payload: { id: "one" } })), described)
)

const signal = DurableDeferred.make("signal", { success: Schema.String })

const give = (value: string) =>
  DurableDeferred.succeed(signal, {
    token: DurableDeferred.tokenFromExecutionId(signal, { workflow: Whole, executionId }),
    value
  })

const interrupt = Whole.interrupt(executionId)

/** What runs by now has come as far as it can without time. */
const settle = TestClock.adjust(0)

describe("on both engines", () => {
  it.effect("a workflow answers what its activities did, each done once", () =>
    same(
      (trace) => () =>
        Effect.gen(function* () {
          const one = yield* says(trace, "one")
          return [one, yield* says(trace, "two")]
        }),
      () => Effect.all([whole, whole], { concurrency: "unbounded" }),
      { trace: ["one", "two"], result: [{ value: ["one", "two"] }, { value: ["one", "two"] }] }
    )
  )

  it.effect("a failure undoes what was done, in reverse", () =>
    same(
      (trace) => () =>
        Effect.gen(function* () {
          yield* undoable(trace, "one")
          yield* undoable(trace, "two")
          yield* refuses(trace, "three")
          return null
        }),
      () => whole,
      {
        trace: ["one", "two", "three refuses", "undo two after a failure", "undo one after a failure"],
        result: { failed: "Refused" }
      }
    )
  )

  it.effect("what succeeds undoes nothing", () =>
    same(
      (trace) => () => Effect.as(undoable(trace, "one"), "done"),
      () => whole,
      { trace: ["one"], result: { value: "done" } }
    )
  )

  it.effect("an activity is tried again as often as is said, each attempt an activity", () =>
    same(
      (trace) => () =>
        Effect.gen(function* () {
          const attempts = Activity.make({
            name: "attempt",
            success: Schema.Finite,
            error: Refused,
            execute: Effect.gen(function* () {
              const attempt = yield* Activity.CurrentAttempt
              trace.push(`attempt ${attempt}`)
              return attempt < 3 ? yield* new Refused({ what: "early" }) : attempt
            })
          })
          return yield* Activity.retry(attempts, { times: 5 })
        }),
      () => whole,
      { trace: ["attempt 1", "attempt 2", "attempt 3"], result: { value: 3 } }
    )
  )

  it.effect("a bug is a failure, after which is undone too", () =>
    same(
      (trace) => () =>
        Effect.andThen(
          undoable(trace, "one"),
          Activity.make({ name: "bug", execute: Effect.die(new Error("bug")) })
        ).pipe(Effect.as(null)),
      () => whole,
      { trace: ["one", "undo one after a failure"], result: { failed: "Error: bug" } }
    )
  )

  it.effect("a long sleep takes its time, and a short one", () =>
    same(
      (trace) => () =>
        Effect.gen(function* () {
          yield* says(trace, "one")
          yield* DurableClock.sleep({ name: "long", duration: "10 minutes" })
          yield* says(trace, "two")
          yield* DurableClock.sleep({ name: "short", duration: "30 seconds" })
          return yield* says(trace, "three")
        }),
      (trace) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(whole)
          yield* TestClock.adjust("9 minutes")
          trace.push("nine minutes")
          yield* TestClock.adjust("1 minutes")
          trace.push("ten minutes")
          yield* TestClock.adjust("30 seconds")
          return yield* Fiber.join(fiber)
        }),
      { trace: ["one", "nine minutes", "two", "ten minutes", "three"], result: { value: "three" } }
    )
  )

  it.effect("a deferred is awaited, and the first value counts", () =>
    same(
      (trace) => () =>
        Effect.gen(function* () {
          yield* says(trace, "one")
          const given = yield* DurableDeferred.await(signal)
          return `${yield* says(trace, "two")} ${given}`
        }),
      () =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(whole)
          yield* settle
          yield* give("first")
          yield* give("second")
          return yield* Fiber.join(fiber)
        }),
      { trace: ["one", "two"], result: { value: "two first" } }
    )
  )

  it.effect("a race between a deferred and time has one winner", () =>
    same(
      (trace) => () =>
        DurableDeferred.raceAll({
          name: "race",
          success: Schema.String,
          error: Schema.Never,
          effects: [
            DurableDeferred.await(signal),
            Effect.as(DurableClock.sleep({ name: "late", duration: "5 minutes" }), "late")
          ]
        }).pipe(Effect.tap((winner) => says(trace, winner))),
      () =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(whole)
          yield* TestClock.adjust("5 minutes")
          yield* give("too late")
          return yield* Fiber.join(fiber)
        }),
      { trace: ["late"], result: { value: "late" } }
    )
  )

  it.effect("who waits is interrupted at once, and what it did is undone", () =>
    same(
      (trace) => () =>
        Effect.gen(function* () {
          yield* undoable(trace, "one")
          yield* undoable(trace, "two")
          return yield* DurableDeferred.await(signal)
        }),
      () =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(whole)
          yield* settle
          yield* interrupt
          return yield* Fiber.join(fiber)
        }),
      {
        trace: ["one", "two", "undo two after an interrupt", "undo one after an interrupt"],
        result: { interrupted: true }
      }
    )
  )

  it.effect("who is at work is interrupted where it waits next, and begins nothing", () =>
    same(
      (trace) => () =>
        Effect.gen(function* () {
          yield* Workflow.withCompensation(
            Activity.make({
              name: "work",
              execute: Effect.delay(
                Effect.sync(() => trace.push("work")),
                "1 second"
              )
            }),
            () => Effect.asVoid(says(trace, "undo work"))
          )
          return yield* says(trace, "never")
        }),
      () =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(whole)
          yield* settle
          yield* interrupt
          yield* TestClock.adjust("1 second")
          return yield* Fiber.join(fiber)
        }),
      { trace: ["work", "undo work"], result: { interrupted: true } }
    )
  )

  it.effect("side by side the first failure ends the others", () =>
    same(
      (trace) => () =>
        Effect.all(
          [
            undoable(trace, "one"),
            Activity.make({
              name: "slow",
              execute: Effect.onInterrupt(Effect.never, () => Effect.sync(() => void trace.push("slow was ended")))
            }),
            Effect.andThen(Effect.yieldNow, refuses(trace, "three"))
          ],
          { concurrency: "unbounded" }
        ).pipe(Effect.as(null)),
      () => whole,
      {
        trace: ["one", "three refuses", "slow was ended", "undo one after a failure"],
        result: { failed: "Refused" }
      }
    )
  )

  it.effect("a result can be looked at", () =>
    same(
      (trace) => () => says(trace, "one"),
      () =>
        Effect.gen(function* () {
          const before = yield* Whole.poll(executionId)
          yield* whole
          const after = yield* Whole.poll(executionId)
          return [before._tag, after._tag === "Some" ? after.value._tag : after._tag]
        }),
      { trace: ["one"], result: ["None", "Complete"] }
    )
  )
})

const Part = Workflow.make("part", {
  payload: { name: Schema.String },
  idempotencyKey: ({ name }) => name,
  success: Schema.String,
  error: Refused
})

describe("on both engines, within each other,", () => {
  const parts = (trace: Trace) =>
    Part.toLayer(({ name }) =>
      Effect.gen(function* () {
        yield* undoable(trace, `${name} of part`)
        yield* DurableClock.sleep({ name: "pause", duration: "2 minutes" })
        return name === "bad" ? yield* refuses(trace, "part").pipe(Effect.as("")) : name
      })
    )
  const wholeOf = (trace: Trace, name: string) =>
    Whole.toLayer(() =>
      Effect.gen(function* () {
        yield* undoable(trace, "of whole")
        const engine = yield* WorkflowEngine
        return yield* engine.execute(Part, { executionId: `part ${name}`, payload: { name } })
      })
    )
  const both = (name: string, expected: { readonly trace: ReadonlyArray<string>; readonly result: unknown }) =>
    Effect.gen(function* () {
      for (const engine of [layerMemory, layerOurs]) {
        const trace: Trace = []
        const workflows = Layer.mergeAll(wholeOf(trace, name), parts(trace))
        const result = yield* Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(whole)
          while (!trace.includes(`${name} of part`)) yield* settle
          yield* settle
          yield* TestClock.adjust("2 minutes")
          return yield* Fiber.join(fiber)
        }).pipe(Effect.provide(Layer.fresh(Layer.provideMerge(workflows, engine))))
        assert.deepStrictEqual({ trace, result }, expected, engine === layerOurs ? "ours" : "Effect's")
      }
    })

  it.effect("a workflow waits for another", () =>
    both("good", { trace: ["of whole", "good of part"], result: { value: "good" } })
  )

  it.effect("a workflow fails with another, and both undo", () =>
    both("bad", {
      trace: [
        "of whole",
        "bad of part",
        "part refuses",
        "undo bad of part after a failure",
        "undo of whole after a failure"
      ],
      result: { failed: "Refused" }
    })
  )
})
