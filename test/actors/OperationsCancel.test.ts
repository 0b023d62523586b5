import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { TestClock } from "effect/testing"
import * as DurableClock from "effect/workflow/DurableClock"
import * as Workflow from "effect/workflow/Workflow"
import type { OperationContext } from "../../src/services/operations/OperationKinds.ts"
import { makeMemoryOperations } from "../harness/memoryOperations.ts"
import { asking, commandOf, finish, kindOf, startOperations } from "../harness/operationsUnderTest.ts"
import { exited } from "../services/commands/support.ts"

const patience = Duration.minutes(1)

const runs = kindOf("run", (operation, context) =>
  Effect.as(context.command(commandOf(operation.name), { again: false }), "ran")
)

/** Done once, and undone by a command of its own if the whole fails. */
const undoable = (context: OperationContext, name: string) =>
  context.once(name, Effect.succeed(name), { again: false }).pipe(
    Workflow.withCompensation(() => Effect.ignore(context.command(commandOf(`undo ${name}`), { again: true }))),
    Workflow.provideScope
  )

describe("a cancel", () => {
  it.effect("ends one that waits at once, and lets the next of its name go", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { operations, started, told } = yield* startOperations({ memory, kinds: [runs] })
      const one = yield* operations.submit(asking("run", "a"))
      const two = yield* operations.submit(asking("run", "a"))
      const three = yield* operations.submit(asking("run", "a"))
      const process = yield* started
      const { accepted, operation } = yield* operations.cancel(two.operation.id, "root")
      assert.deepStrictEqual([accepted, operation.status, operation.cancelRequestedBy], [true, "cancelled", "root"])
      assert.deepStrictEqual(told, [`operation ${two.operation.id} (run a) cancelled by root`])
      assert.strictEqual(operations.position(three.operation), 1)
      finish(process, exited(0), "")
      const next = yield* started
      assert.strictEqual(next.spec.env["SYSTEMAPI_OPERATION_ID"], three.operation.id)
      finish(next, exited(0), "")
      assert.strictEqual((yield* operations.wait(one.operation.id, patience)).status, "completed")
      assert.strictEqual((yield* operations.wait(two.operation.id, patience)).status, "cancelled")
    })
  )

  it.effect("ends the command of one that runs by TERM, and by KILL where that is ignored", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { operations, started } = yield* startOperations({ memory, kinds: [runs] })
      const { operation } = yield* operations.submit(asking("run", "a"))
      const process = yield* started
      const asked = yield* operations.cancel(operation.id, "root")
      assert.deepStrictEqual([asked.accepted, asked.operation.status], [true, "running"])
      assert.strictEqual(yield* Queue.take(process.signals), "SIGTERM")
      assert.isNotNull((yield* operations.get(operation.id)).cancelRequestedAt)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Queue.take(process.signals), "SIGKILL")
      finish(process, { _tag: "Signaled", signal: "SIGKILL" }, "so far")
      const { error, status } = yield* operations.wait(operation.id, patience)
      assert.deepStrictEqual([status, error?.code], ["cancelled", "cancelled"])
      assert.isTrue((yield* operations.cancel(operation.id, "root")).operation.status === "cancelled")
    })
  )

  it.effect("rewrites nothing that has ended", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { operations, started } = yield* startOperations({ memory, kinds: [runs] })
      const { operation } = yield* operations.submit(asking("run", "a"))
      finish(yield* started, exited(0), "")
      const ended = yield* operations.wait(operation.id, patience)
      const late = yield* operations.cancel(operation.id, "root")
      assert.deepStrictEqual(late, { operation: ended, accepted: false })
      assert.strictEqual((yield* Effect.flip(operations.cancel("nobody", "root")))._tag, "OperationNotFound")
    })
  )

  it.effect("that comes while the operation is begun is heard", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { operations, started } = yield* startOperations({ memory, kinds: [runs] })
      const held = yield* Deferred.make<void>()
      memory.onChange((change) => (change === "begin" ? Deferred.await(held) : Effect.void))
      const one = yield* operations.submit(asking("run", "a"))
      const two = yield* operations.submit(asking("run", "b"))
      yield* TestClock.adjust(0)
      // It waits, as far as the store knows; its turn has come all the same.
      assert.isTrue((yield* operations.cancel(one.operation.id, "root")).accepted)
      yield* Deferred.succeed(held, undefined)
      assert.strictEqual((yield* operations.wait(one.operation.id, patience)).status, "cancelled")
      const process = yield* started
      assert.strictEqual(process.spec.env["SYSTEMAPI_OPERATION_ID"], two.operation.id)
      finish(process, exited(0), "")
      assert.deepStrictEqual(operations.endings().cancelled, 1)
    })
  )

  it.effect("that comes when it has just been begun, and does not run yet, is heard", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { hasStarted, operations } = yield* startOperations({ memory, kinds: [runs] })
      const held = yield* Deferred.make<void>()
      memory.onChanged((change) => (change === "begin" ? Deferred.await(held) : Effect.void))
      const { operation } = yield* operations.submit(asking("run", "a"))
      yield* TestClock.adjust(0)
      const asked = yield* operations.cancel(operation.id, "root")
      assert.deepStrictEqual([asked.accepted, asked.operation.status], [true, "running"])
      yield* Deferred.succeed(held, undefined)
      assert.strictEqual((yield* operations.wait(operation.id, patience)).status, "cancelled")
      assert.isFalse(hasStarted())
    })
  )

  it.effect("that comes too late for the command leaves the operation its success", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { operations, started } = yield* startOperations({ memory, kinds: [runs] })
      const held = yield* Deferred.make<void>()
      const { operation } = yield* operations.submit(asking("run", "a"))
      const process = yield* started
      memory.onChange((change) => (change === "end" ? Deferred.await(held) : Effect.void))
      finish(process, exited(0), "")
      yield* TestClock.adjust(0)
      assert.isTrue((yield* operations.cancel(operation.id, "root")).accepted)
      yield* Deferred.succeed(held, undefined)
      assert.strictEqual((yield* operations.wait(operation.id, patience)).status, "completed")
    })
  )

  it.effect("ends what is done once, and a sleep, and has what was done before undone in reverse", () =>
    Effect.gen(function* () {
      for (const pause of ["once", "long sleep", "short sleep"] as const) {
        const memory = makeMemoryOperations()
        const sleeps = kindOf("sleeps", (_, context) =>
          Effect.gen(function* () {
            yield* undoable(context, "one")
            yield* undoable(context, "two")
            if (pause === "once") yield* context.once("never", Effect.never, { again: false })
            const duration = pause === "long sleep" ? "10 minutes" : "10 seconds"
            yield* DurableClock.sleep({ name: "pause", duration })
            return null
          })
        )
        const { operations, started } = yield* startOperations({ memory, kinds: [sleeps] })
        const { operation } = yield* operations.submit(asking("sleeps", "a"))
        yield* TestClock.adjust("1 second")
        assert.isTrue((yield* operations.cancel(operation.id, "root")).accepted, pause)
        for (const name of ["undo two", "undo one"]) {
          const process = yield* started
          assert.strictEqual(process.spec.argv[2], name)
          assert.strictEqual((yield* operations.get(operation.id)).status, "running")
          finish(process, exited(0), "")
        }
        const ended = yield* operations.wait(operation.id, patience)
        assert.deepStrictEqual([ended.status, ended.error?.code], ["cancelled", "cancelled"], pause)
      }
    })
  )

  it.effect("cancels the children, but for those that are to be kept", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const parent = kindOf("parent", (_, context) =>
        Effect.gen(function* () {
          const both = yield* Effect.all(
            [
              context.child("ended", { kind: "run", name: "ended", input: null }),
              context.child("kept", { kind: "run", name: "kept", input: null }, { keep: true })
            ],
            { concurrency: "unbounded" }
          )
          return both.map(({ status }) => status)
        })
      )
      const { operations, started } = yield* startOperations({ memory, kinds: [parent, runs] })
      const { operation } = yield* operations.submit(asking("parent", "a"))
      const [one, two] = [yield* started, yield* started]
      const [ended, kept] = one.spec.argv[2] === "ended" ? [one, two] : [two, one]
      yield* operations.cancel(operation.id, "root")
      assert.strictEqual(yield* Queue.take(ended.signals), "SIGTERM")
      finish(ended, { _tag: "Signaled", signal: "SIGTERM" }, "")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Queue.size(kept.signals), 0)
      finish(kept, exited(0), "")
      const whole = yield* operations.wait(operation.id, patience)
      assert.deepStrictEqual([whole.status, whole.result], ["completed", ["cancelled", "completed"]])
    })
  )

  it.effect("of a child alone is its parent's to judge", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const parent = kindOf("parent", (_, context) =>
        Effect.map(
          context.child(
            "slow",
            { kind: "run", name: "slow", input: null },
            { cancelWhen: () => Effect.sleep("3 seconds") }
          ),
          ({ error, status }) => [status, error?.code ?? null]
        )
      )
      const { operations, started } = yield* startOperations({ memory, kinds: [parent, runs] })
      const { operation } = yield* operations.submit(asking("parent", "a"))
      const process = yield* started
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Queue.take(process.signals), "SIGTERM")
      finish(process, { _tag: "Signaled", signal: "SIGTERM" }, "")
      const whole = yield* operations.wait(operation.id, patience)
      assert.deepStrictEqual([whole.status, whole.result], ["completed", ["cancelled", "cancelled"]])
    })
  )
})
