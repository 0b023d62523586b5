/**
 * A daemon that is killed at any change of its journal, just before or just after it is on disk, and started anew on what is
 * there: what is known to be done is not done again, what may not be done twice is not, what was done is undone, and all
 * of it ends.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowEngine, type WorkflowInstance } from "effect/workflow/WorkflowEngine"
import { Unrun } from "../../../src/services/workflow/Unrun.ts"
import { makeJournals, makeOurs, mortal, type Ours, Refused, Whole } from "./support.ts"

const executionId = "one"

const signal = DurableDeferred.make("signal")

/** What was done, by whichever daemon. */
type Trace = Array<string>

const does = (trace: Trace, name: string) =>
  Activity.make({ name, execute: Effect.asVoid(Effect.sync(() => void trace.push(name))) })

const interrupted = { _tag: "Refused", what: "interrupted" }

/** May be done once. */
const doesOnce = (ours: () => Ours, trace: Trace, name: string) =>
  Activity.make({
    name,
    error: Refused,
    execute: Effect.suspend(() =>
      Effect.andThen(
        ours().embedded.begin(executionId, name, null),
        Effect.sync(() => void trace.push(name))
      )
    ),
    annotations: Unrun.context({
      interrupted: () => Effect.succeed(Exit.fail(interrupted)),
      barred: Exit.fail({ _tag: "Refused", what: "barred" })
    })
  })

const undoable = <A, E, R>(trace: Trace, name: string, effect: Effect.Effect<A, E, R>) =>
  Workflow.withCompensation(effect, () => does(trace, `undo ${name}`))

interface Scenario {
  readonly name: string
  readonly body: (
    ours: () => Ours,
    trace: Trace
  ) => () => Effect.Effect<Schema.Json, Refused, WorkflowEngine | WorkflowInstance | Scope.Scope>
  readonly succeeds: boolean
  readonly undone: ReadonlyArray<string>
}

const steps = (ours: () => Ours, trace: Trace) =>
  Effect.gen(function* () {
    yield* undoable(trace, "one", does(trace, "one"))
    yield* undoable(trace, "two", doesOnce(ours, trace, "two"))
    yield* DurableDeferred.await(signal)
    yield* undoable(trace, "three", does(trace, "three"))
    yield* DurableClock.sleep({ name: "pause", duration: "10 minutes" })
    yield* undoable(trace, "four", doesOnce(ours, trace, "four"))
  })

const scenarios: ReadonlyArray<Scenario> = [
  {
    name: "that succeeds",
    body: (ours, trace) => () => Effect.as(steps(ours, trace), "done"),
    succeeds: true,
    undone: []
  },
  {
    name: "that is undone",
    body: (ours, trace) => () => Effect.andThen(steps(ours, trace), Effect.fail(new Refused({ what: "last" }))),
    succeeds: false,
    undone: ["undo four", "undo three", "undo two", "undo one"]
  },
  {
    name: "that did several things at once and is undone",
    body: (ours, trace) => () =>
      Effect.gen(function* () {
        yield* Effect.all(
          [
            undoable(trace, "one", does(trace, "one")),
            undoable(trace, "two", doesOnce(ours, trace, "two")),
            Effect.andThen(DurableDeferred.await(signal), undoable(trace, "three", does(trace, "three")))
          ],
          { concurrency: "unbounded" }
        )
        return yield* new Refused({ what: "last" })
      }),
    succeeds: false,
    undone: ["undo three", "undo two", "undo one"]
  }
]

/** Runs until it has ended, or the daemon has died. */
const drive = Effect.fnUntraced(function* ({ context }: Ours, isDead: () => boolean) {
  const engine = Context.get(context, WorkflowEngine)
  const give = engine.deferredDone(signal, {
    workflowName: Whole._tag,
    executionId,
    deferredName: signal.name,
    exit: Exit.void
  })
  const fiber = yield* Effect.forkDetach(
    Effect.exit(engine.execute(Whole, { executionId, payload: { id: executionId } }))
  )
  for (let minute = 0; minute < 30 && !isDead(); minute++) {
    yield* TestClock.adjust("1 minute")
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return yield* Fiber.join(fiber)
    if (minute === 2) yield* Effect.forkDetach(give)
  }
  return undefined
})

const started = Effect.fnUntraced(function* ({ body }: Scenario, store: Parameters<typeof makeOurs>[0], trace: Trace) {
  let ours: Ours | undefined
  const self = () => ours ?? assert.fail("not started")
  ours = yield* makeOurs(store, Whole.toLayer(body(self, trace)))
  return ours
})

const failureOf = (exit: Exit.Exit<Schema.Json, Refused>) =>
  Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause)

/** False: it ended before it could be killed. */
const killedAt = Effect.fnUntraced(function* (scenario: Scenario, change: number, when: "before" | "after") {
  const what = `killed ${when} change ${change}`
  const journals = makeJournals()
  const first: Trace = []
  const doomed = mortal(journals.store, change, when)
  const early = yield* drive(yield* started(scenario, doomed.store, first), doomed.dead)
  if (early !== undefined) return false
  const known = [...journals.entries.values()].filter(({ exit }) => exit !== null).map(({ key }) => key)
  const second: Trace = []
  const ours = yield* started(scenario, journals.store, second)
  const exit = yield* drive(ours, () => false)
  if (exit === undefined) return assert.fail(`${what}: it did not end`)

  for (const name of second) assert.notInclude(known, `a/1/${name}`, `${what}: ${name} was done again`)
  const all = [...first, ...second]
  for (const name of ["two", "four"]) {
    assert.isAtMost(all.filter((one) => one === name).length, 1, `${what}: ${name} was done twice`)
  }
  const failure = failureOf(exit)
  const wasCut = failure instanceof Refused && failure.what === "interrupted"
  assert.isTrue(scenario.succeeds ? failure === undefined || wasCut : failure instanceof Refused, what)
  // What was cut short may have been done, and is not undone: nobody knows.
  const done = new Set(all.filter((name) => !name.startsWith("undo")))
  const cut = [...journals.entries.values()].filter(
    ({ exit }) => JSON.stringify(exit)?.includes("interrupted") === true
  )
  for (const { key } of cut) done.delete(key.slice("a/1/".length))
  const undone = scenario.undone.filter((name) => done.has(name.slice("undo ".length)))
  const expected = failure === undefined ? [] : [...done].toReversed().map((name) => `undo ${name}`)
  const seen = all.filter((name) => name.startsWith("undo"))
  assert.sameMembers([...new Set(seen)], expected, what)
  // Only the one in whose midst the kill came may be seen twice, and the order is kept.
  assert.isAtMost(seen.length - new Set(seen).size, 1, what)
  if (scenario.undone.length > 0) assert.deepStrictEqual([...new Set(seen)], undone, what)
  yield* ours.close
  return true
})

describe("a workflow", () => {
  for (const scenario of scenarios) {
    it.effect(`${scenario.name} survives a kill at each change of its journal`, () =>
      Effect.gen(function* () {
        let kills = 0
        for (const when of ["before", "after"] as const) {
          for (let change = 1; yield* killedAt(scenario, change, when); change++) kills += 1
        }
        assert.isAtLeast(kills, 12)
      })
    )
  }

  it.effect("that was being undone for a reason that is gone is undone, and does not go on", () =>
    Effect.gen(function* () {
      let cut = 0
      for (let change = 1; ; change++) {
        const journals = makeJournals()
        const trace: Trace = []
        let daemons = 0
        const scenario: Scenario = {
          name: "moody",
          body: (ours, trace) => {
            const isFirst = (daemons += 1) === 1
            return () =>
              Effect.gen(function* () {
                yield* undoable(trace, "one", does(trace, "one"))
                yield* undoable(trace, "two", doesOnce(ours, trace, "two"))
                if (isFirst) return yield* new Refused({ what: "the first daemon's mood" })
                yield* does(trace, "three")
                return "done"
              })
          },
          succeeds: false,
          undone: []
        }
        const doomed = mortal(journals.store, change, "after")
        const early = yield* drive(yield* started(scenario, doomed.store, trace), doomed.dead)
        if (early !== undefined) break
        const isDecided = journals.entries.has(`${executionId} o/`)
        if (isDecided) cut += 1
        const ours = yield* started(scenario, journals.store, trace)
        const exit = yield* drive(ours, () => false)
        if (exit === undefined) return assert.fail("it did not end")
        const failure = failureOf(exit)
        if (isDecided) {
          assert.strictEqual(failure instanceof Refused ? failure.what : failure, "the first daemon's mood")
          assert.deepStrictEqual(trace, ["one", "two", "undo two", "undo one"], `killed after change ${change}`)
        } else {
          assert.notInclude(trace.slice(0, trace.indexOf("three")), "undo one")
        }
        yield* ours.close
      }
      assert.strictEqual(cut, 3)
    })
  )

  it.effect("that sleeps wakes after a restart when it would have", () =>
    Effect.gen(function* () {
      const journals = makeJournals()
      const trace: Trace = []
      const scenario: Scenario = {
        name: "sleep",
        body: (_, trace) => () =>
          Effect.gen(function* () {
            yield* DurableClock.sleep({ name: "pause", duration: "10 minutes" })
            yield* does(trace, "woke")
            return null
          }),
        succeeds: true,
        undone: []
      }
      const dying = yield* started(scenario, journals.store, trace)
      yield* Effect.forkDetach(execute(dying))
      yield* TestClock.adjust("7 minutes")
      yield* dying.close
      yield* TestClock.adjust("1 minute")
      const ours = yield* started(scenario, journals.store, trace)
      const fiber = yield* Effect.forkChild(execute(ours))
      yield* TestClock.adjust("119 seconds")
      assert.deepStrictEqual(trace, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(trace, ["woke"])
    })
  )

  it.effect("that is forgotten leaves nothing behind", () =>
    Effect.gen(function* () {
      const journals = makeJournals()
      const ours = yield* makeOurs(
        journals.store,
        Whole.toLayer(() => Effect.as(DurableClock.sleep({ name: "pause", duration: "10 minutes" }), "done"))
      )
      const fiber = yield* Effect.forkChild(Effect.exit(execute(ours)))
      yield* TestClock.adjust("1 minute")
      yield* ours.embedded.interrupt(executionId)
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      yield* ours.embedded.forget(executionId)
      const before = journals.entries.size
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(journals.entries.size, before)
    })
  )

  it.effect("that has cut short what may be done once does not do it again when it goes on", () =>
    Effect.gen(function* () {
      const trace: Trace = []
      let ours: Ours | undefined
      const self = () => ours ?? assert.fail("not started")
      const endless = Activity.make({
        name: "endless",
        error: Refused,
        execute: Effect.suspend(() =>
          Effect.andThen(
            self().embedded.begin(executionId, "endless", null),
            Effect.andThen(
              Effect.sync(() => void trace.push("endless")),
              Effect.never
            )
          )
        ),
        annotations: Unrun.context({ interrupted: () => Effect.succeed(Exit.fail(interrupted)), barred: null })
      })
      ours = yield* makeOurs(
        makeJournals().store,
        Whole.toLayer(() =>
          Effect.gen(function* () {
            yield* Effect.ignore(Effect.timeoutOption(endless, "1 second"))
            yield* DurableClock.sleep({ name: "pause", duration: "10 minutes" })
            yield* does(trace, "last")
            return "done"
          })
        )
      )
      const fiber = yield* Effect.forkChild(execute(ours))
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.deepStrictEqual(trace, ["endless", "last"])
    })
  )

  it.effect("that is preempted leaves what may be done once in flight, and joins it", () =>
    Effect.gen(function* () {
      const trace: Trace = []
      let ours: Ours | undefined
      const slow = Activity.make({
        name: "slow",
        execute: Effect.andThen(
          Effect.sync(() => void trace.push("slow began")),
          Effect.delay(
            Effect.sync(() => void trace.push("slow ended")),
            "10 minutes"
          )
        )
      })
      ours = yield* makeOurs(
        makeJournals().store,
        Whole.toLayer(() =>
          Effect.as(
            Effect.all([slow, Effect.andThen(DurableDeferred.await(signal), does(trace, "signalled"))], {
              concurrency: "unbounded"
            }),
            "done"
          )
        )
      )
      const engine = Context.get(ours.context, WorkflowEngine)
      const fiber = yield* Effect.forkChild(execute(ours))
      yield* TestClock.adjust("1 minute")
      yield* engine.deferredDone(signal, {
        workflowName: Whole._tag,
        executionId,
        deferredName: signal.name,
        exit: Exit.void
      })
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assert.deepStrictEqual(trace, ["slow began", "signalled", "slow ended"])
    })
  )
})

const execute = ({ context }: Ours) =>
  Context.get(context, WorkflowEngine).execute(Whole, { executionId, payload: { id: executionId } })
