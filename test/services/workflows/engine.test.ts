/** Workflows on the real engine and the real actor, over a store in memory: killed at each change that reaches it. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { type Operation, OperationFailed } from "../../../src/services/operations/Operation.ts"
import type { OperationKind } from "../../../src/services/operations/OperationKinds.ts"
import { makeWorkflowKind } from "../../../src/services/workflows/workflowKind.ts"
import type { WorkflowInput } from "../../../src/services/workflows/WorkflowInput.ts"
import { stepsOf } from "../../../src/services/workflows/workflowView.ts"
import { makeMemoryOperations } from "../../harness/memoryOperations.ts"
import { asking, kindOf, startOperations } from "../../harness/operationsUnderTest.ts"
import { step, workflowInput } from "./support.ts"

/** Actions that may be run again, whose names say what they do. */
const actions = (does: (name: string) => Effect.Effect<void, OperationFailed>): OperationKind =>
  kindOf("action", (operation, context) => context.once("do", Effect.as(does(operation.name), null), { again: true }), {
    concurrency: 64,
    perName: 64
  })

const nothing = { server: () => Effect.succeed(null), taskserv: () => Effect.succeed(null) }

const kindsOver = Effect.fnUntraced(function* (
  memory: ReturnType<typeof makeMemoryOperations>,
  does: (name: string) => Effect.Effect<void, OperationFailed>
) {
  const { config } = yield* load(undefined, {})
  const current = { get: () => config, set: () => Effect.void }
  return [actions(does), makeWorkflowKind({ config: current, store: memory.store, inventory: nothing })]
})

const failing = (name: string) => (asked: string) =>
  asked === name ? Effect.fail(new OperationFailed({ code: "command_failed", message: "exit code 1" })) : Effect.void

const diamond = workflowInput([
  step("a"),
  step("b", { needs: ["a"] }),
  step("c", { needs: ["a"] }),
  step("d", { needs: ["b", "c"] })
])

const names = (memory: ReturnType<typeof makeMemoryOperations>) =>
  [...memory.operations.values()].filter(({ parent }) => parent !== null).map(({ name }) => name)

/** Runs it, killed at the nth change of the store, and to its end by the next daemon; null: it ended before. */
const killedAt = Effect.fnUntraced(function* (
  n: number,
  input: WorkflowInput,
  does: (name: string) => Effect.Effect<void, OperationFailed>,
  cancelAt: string | null = null
) {
  const memory = makeMemoryOperations()
  const kinds = yield* kindsOver(memory, does)
  const first = yield* startOperations({ memory, kinds })
  const killed = yield* Deferred.make<void>()
  const { operation } = yield* first.operations.submit(asking("workflow", "test", { input }))
  let left = n
  memory.onChange((change, id) =>
    Effect.suspend(() => {
      if (cancelAt !== null && change === "begin" && memory.operations.get(id)?.name === cancelAt) {
        cancelAt = null
        return Effect.asVoid(Effect.forkDetach(Effect.ignore(first.operations.cancel(operation.id, "admin"))))
      }
      left -= 1
      if (left > 0) return Effect.void
      memory.onChange(() => Effect.void)
      return Effect.andThen(first.kill, Effect.andThen(Deferred.succeed(killed, undefined), Effect.never))
    })
  )
  const over = yield* Effect.raceFirst(
    Effect.as(Deferred.await(killed), false),
    Effect.as(first.operations.wait(operation.id, Duration.hours(1)), true)
  )
  if (over) return null
  const second = yield* startOperations({ memory, kinds })
  const ended = yield* second.operations.wait(operation.id, Duration.hours(1))
  const steps = yield* stepsOf(ended, memory.store)
  return { ended, memory, steps: Object.fromEntries(steps.map(({ name, status }) => [name, status])) }
})

/** Loading code takes the time that it takes; the clock stands still meanwhile. */
const loaded = Effect.promise(async () => {
  await import("../../../src/services/workflows/runWorkflow.ts")
  await import("../../../src/actors/OperationsRunner.ts")
})

/** Completes with the first entry of a journal whose key begins so: what it is of is known to have ended. */
const noted = (memory: ReturnType<typeof makeMemoryOperations>, prefix: string) =>
  Effect.map(Deferred.make<void>(), (seen) => {
    memory.onChange((change) =>
      change.startsWith(`note ${prefix}`) ? Effect.asVoid(Deferred.succeed(seen, undefined)) : Effect.void
    )
    return Effect.andThen(Deferred.await(seen), TestClock.adjust(0))
  })

const endOf = (memory: ReturnType<typeof makeMemoryOperations>, name: string): number =>
  [...memory.operations.values()].find((one) => one.name === name)?.endedAt ?? 0

describe("a workflow on the engine", () => {
  it.effect("that is killed at any change goes on where it was, and asks for nothing twice", () =>
    Effect.scoped(
      Effect.gen(function* () {
        let kills = 0
        for (let n = 1; ; n++) {
          const result = yield* Effect.scoped(killedAt(n, diamond, () => Effect.void))
          if (result === null) break
          kills += 1
          assert.strictEqual(result.ended.status, "completed", `killed at change ${n}`)
          assert.deepStrictEqual(names(result.memory).toSorted(), ["do a", "do b", "do c", "do d"])
          assert.deepStrictEqual(result.steps, { a: "completed", b: "completed", c: "completed", d: "completed" })
        }
        assert.isAbove(kills, 20)
      })
    )
  )

  it.effect("that fails is undone in reverse, once, wherever it is killed", () =>
    Effect.gen(function* () {
      let kills = 0
      for (let n = 1; ; n++) {
        const result = yield* Effect.scoped(killedAt(n, diamond, failing("do d")))
        if (result === null) break
        kills += 1
        assert.deepStrictEqual([result.ended.status, result.ended.error?.code], ["failed", "step_failed"])
        const asked = names(result.memory)
        assert.deepStrictEqual(asked.toSorted(), ["do a", "do b", "do c", "do d", "undo a", "undo b", "undo c"])
        assert.strictEqual(asked.at(-1), "undo a")
        assert.deepStrictEqual(result.steps, { a: "compensated", b: "compensated", c: "compensated", d: "failed" })
      }
      assert.isAbove(kills, 30)
    })
  )

  it.effect("that is cancelled while any step begins is undone, wherever it is killed", () =>
    Effect.gen(function* () {
      let kills = 0
      for (const cancelAt of ["do a", "do b", "do d"]) {
        for (let n = 1; ; n++) {
          const result = yield* Effect.scoped(killedAt(n, diamond, () => Effect.void, cancelAt))
          if (result === null) break
          kills += 1
          const { ended, memory } = result
          const done = [...memory.operations.values()]
            .filter(({ name, status }) => name.startsWith("do") && status === "completed")
            .map(({ name }) => name.replace("do ", ""))
          const undone = names(memory).filter((name) => name.startsWith("undo"))
          if (ended.status === "completed") {
            assert.deepStrictEqual([done.toSorted(), undone], [["a", "b", "c", "d"], []])
            continue
          }
          // The wish may have been lost with the daemon that heard it; then it was done as a whole.
          assert.strictEqual(ended.status, "cancelled", `cancelled at ${cancelAt}, killed at change ${n}`)
          assert.deepStrictEqual(undone.map((name) => name.replace("undo ", "")).toSorted(), done.toSorted())
          const ends = undone.map((name) => endOf(memory, name.replace("undo", "do")))
          assert.deepStrictEqual(
            ends,
            ends.toSorted((a, b) => b - a)
          )
        }
      }
      assert.isAbove(kills, 30)
    })
  )

  it.effect("waits for its next try through a stop, for what is left of the time", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      let tries = 0
      const kinds = yield* kindsOver(memory, () =>
        Effect.suspend(() => {
          tries += 1
          return tries === 1 ? failing("x")("x") : Effect.void
        })
      )
      const input = workflowInput([step("a", { retries: 1, retry_delay_ms: 60_000 })])
      yield* loaded
      const isTried = yield* noted(memory, "a/1/child a/1/1")
      const first = yield* startOperations({ memory, kinds })
      const { operation } = yield* first.operations.submit(asking("workflow", "test", { input }))
      yield* isTried
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(tries, 1)
      // The stop does not wait for it.
      yield* first.stop
      yield* TestClock.adjust("30 seconds")
      const second = yield* startOperations({ memory, kinds })
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(tries, 1)
      yield* TestClock.adjust("1 second")
      const ended = yield* second.operations.wait(operation.id, Duration.hours(1))
      assert.deepStrictEqual([tries, ended.status], [2, "completed"])
    })
  )

  it.effect("cancels the one step that takes too long, and tries it again", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      let tries = 0
      const begun = yield* Deferred.make<void>()
      const kinds = yield* kindsOver(memory, () =>
        Effect.suspend(() => {
          tries += 1
          return tries === 1 ? Effect.andThen(Deferred.succeed(begun, undefined), Effect.never) : Effect.void
        })
      )
      yield* loaded
      const isTried = yield* noted(memory, "a/1/child a/1/1")
      const input = workflowInput([step("a", { retries: 1, retry_delay_ms: 1000, timeout_ms: 5000 })])
      const { operations } = yield* startOperations({ memory, kinds })
      const { operation } = yield* operations.submit(asking("workflow", "test", { input }))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("5 seconds")
      yield* isTried
      yield* TestClock.adjust("1 second")
      const ended = yield* operations.wait(operation.id, Duration.hours(1))
      assert.deepStrictEqual([tries, ended.status], [2, "completed"])
      const children: ReadonlyArray<Operation> = yield* memory.store.children(operation.id)
      assert.deepStrictEqual(
        children.map(({ status }) => status),
        ["cancelled", "completed"]
      )
    })
  )

  it.effect("that was cancelled before its turn has skipped every step", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const kinds = yield* kindsOver(memory, () => Effect.never)
      const { operations } = yield* startOperations({ memory, kinds })
      // As many as run at once of a type that is not configured.
      yield* operations.submit(asking("workflow", "test", { input: diamond }))
      const { operation } = yield* operations.submit(asking("workflow", "test", { input: diamond }))
      yield* operations.cancel(operation.id, "admin")
      const ended = yield* operations.get(operation.id)
      assert.strictEqual(ended.status, "cancelled")
      const steps = yield* stepsOf(ended, memory.store)
      assert.deepStrictEqual(
        steps.map(({ status }) => status),
        ["skipped", "skipped", "skipped", "skipped"]
      )
    })
  )
})
