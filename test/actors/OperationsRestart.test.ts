/** Daemons that are killed and stopped, and those that find what they have left. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { TestClock } from "effect/testing"
import * as DurableClock from "effect/workflow/DurableClock"
import * as Workflow from "effect/workflow/Workflow"
import { isFinal } from "../../src/services/operations/Operation.ts"
import { makeMemoryOperations } from "../harness/memoryOperations.ts"
import { asking, commandOf, finish, kindOf, startOperations } from "../harness/operationsUnderTest.ts"
import { exited } from "../services/commands/support.ts"

const patience = Duration.minutes(1)

const runs = (again: boolean) =>
  kindOf("run", (operation, context) => Effect.as(context.command(commandOf(operation.name), { again }), "ran"))

/** Lets what was started end by itself, after a second each; counts it. */
const attend = Effect.fnUntraced(function* (
  { started }: { readonly started: Effect.Effect<Parameters<typeof finish>[0]> },
  runsOf: Map<string, number>
) {
  yield* Effect.forkDetach(
    Effect.forever(
      Effect.gen(function* () {
        const process = yield* started
        const id = process.spec.env["SYSTEMAPI_OPERATION_ID"] ?? ""
        runsOf.set(id, (runsOf.get(id) ?? 0) + 1)
        yield* Effect.forkDetach(
          Effect.delay(
            Effect.sync(() => finish(process, exited(0), "said")),
            "1 second"
          )
        )
      })
    )
  )
})

/** Each second what has ended begins something else. */
const pass = Effect.forEach(Array.from({ length: 10 }), () => TestClock.adjust("1 second"))

describe("a daemon that is killed at any change of the store", () => {
  for (const again of [false, true]) {
    it.effect(`loses no operation and runs none twice${again ? ", but for those that may" : ""}`, () =>
      Effect.gen(function* () {
        let kills = 0
        for (const when of ["before", "after"] as const) {
          for (let at = 1; ; at++) {
            const memory = makeMemoryOperations()
            const first = yield* startOperations({ memory, kinds: [runs(again)] })
            const runsOf = new Map<string, number>()
            yield* attend(first, runsOf)
            let changes = 0
            let killed = false
            memory.onChange(() =>
              Effect.suspend(() => {
                changes += 1
                if (changes < at || killed) return Effect.void
                killed = true
                return when === "before" ? Effect.andThen(first.kill, Effect.never) : first.kill
              })
            )
            const acknowledged: Array<string> = []
            yield* Effect.forkDetach(
              Effect.forEach(["a", "a", "b"], (name) =>
                Effect.map(first.operations.submit(asking("run", name)), ({ operation }) => {
                  if (!killed) acknowledged.push(operation.id)
                })
              )
            )
            yield* pass
            if (!killed) break
            kills += 1
            memory.onChange(() => Effect.void)
            const finals = [...memory.operations.values()].filter(({ status }) => isFinal(status))
            const second = yield* startOperations({ memory, kinds: [runs(again)] })
            yield* attend(second, runsOf)
            const what = `killed ${when} change ${at}`
            for (const id of acknowledged) assert.isTrue(memory.operations.has(id), `${what}: ${id} is lost`)
            yield* pass
            for (const { error, id, status } of memory.operations.values()) {
              const times = runsOf.get(id) ?? 0
              assert.isTrue(isFinal(status), `${what}: ${status}`)
              if (again) assert.deepStrictEqual([status, times >= 1], ["completed", true], what)
              else if (status === "completed") assert.strictEqual(times, 1, what)
              else {
                assert.deepStrictEqual([status, error?.code], ["failed", "interrupted_by_restart"], what)
                assert.isAtMost(times, 1, what)
              }
            }
            for (const one of finals) assert.deepStrictEqual(memory.operations.get(one.id), one, what)
            assert.strictEqual(memory.journals.size, 0)
          }
        }
        assert.isAtLeast(kills, 24)
      })
    )
  }
})

describe("after a kill", () => {
  it.effect("what waits has its turn in its order", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const first = yield* startOperations({ memory, kinds: [runs(false)] })
      const asked: Array<string> = []
      for (let n = 0; n < 4; n++) asked.push((yield* first.operations.submit(asking("run", "a"))).operation.id)
      yield* first.started
      yield* first.kill
      const second = yield* startOperations({ memory, kinds: [runs(false)] })
      const begun: Array<string | undefined> = []
      for (let n = 1; n < 4; n++) {
        const process = yield* second.started
        begun.push(process.spec.env["SYSTEMAPI_OPERATION_ID"])
        finish(process, exited(0), "")
      }
      assert.deepStrictEqual(begun, asked.slice(1))
      const failed = yield* second.operations.wait(asked[0] ?? "", patience)
      assert.deepStrictEqual([failed.status, failed.error?.code], ["failed", "interrupted_by_restart"])
      assert.deepStrictEqual(failed.error?.details, { pid: 101, started_at: "1970-01-01T00:00:00.000Z" })
    })
  )

  it.effect("processes that it left are ended and told, before anything is run", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const first = yield* startOperations({ memory, kinds: [runs(true)] })
      const { operation } = yield* first.operations.submit(asking("run", "a"))
      const { operation: waiting } = yield* first.operations.submit(asking("run", "a"))
      yield* first.started
      yield* TestClock.adjust(0)
      yield* first.kill
      const held = yield* Deferred.make<void>()
      const second = yield* startOperations({
        memory,
        kinds: [runs(true)],
        leftovers: Effect.as(Deferred.await(held), [{ operation: operation.id, pids: [101, 102], left: [102] }])
      })
      // It is shown meanwhile, and more may be asked for.
      assert.strictEqual((yield* second.operations.get(operation.id)).status, "running")
      yield* second.operations.submit(asking("run", "b"))
      yield* TestClock.adjust("5 seconds")
      assert.isFalse(second.hasStarted())
      assert.deepStrictEqual(second.suspects, [
        [
          { operation: operation.id, process: null },
          { operation: operation.id, process: { pid: 101, startTicks: "10100", bootId: "boot" } }
        ]
      ])
      yield* Deferred.succeed(held, undefined)
      const again = [yield* second.started, yield* second.started]
      assert.include(
        again.map(({ spec }) => spec.env["SYSTEMAPI_OPERATION_ID"]),
        operation.id
      )
      const what = `operation ${operation.id} (run a)`
      assert.deepStrictEqual(second.told, [
        `ended processes that an earlier daemon left of ${what}: 101, 102; KILL did not end 102`
      ])
      assert.strictEqual(second.operations.position(waiting), 1)
    })
  )

  it.effect("a wish to cancel is still known", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const first = yield* startOperations({ memory, kinds: [runs(true)] })
      const { operation } = yield* first.operations.submit(asking("run", "a"))
      const process = yield* first.started
      yield* first.operations.cancel(operation.id, "root")
      yield* Queue.take(process.signals)
      yield* first.kill
      const second = yield* startOperations({ memory, kinds: [runs(true)] })
      assert.strictEqual((yield* second.operations.wait(operation.id, patience)).status, "cancelled")
      assert.isFalse(second.hasStarted())
    })
  )

  it.effect("a wish to cancel that was said meanwhile ends what sleeps at once", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const sleeps = kindOf("sleeps", () => Effect.as(DurableClock.sleep({ name: "nap", duration: "1 day" }), null))
      const first = yield* startOperations({ memory, kinds: [sleeps] })
      const { operation } = yield* first.operations.submit(asking("sleeps", "a"))
      yield* TestClock.adjust("1 second")
      yield* first.kill
      yield* memory.store.requestCancel(operation.id, "root", 5000)
      const second = yield* startOperations({ memory, kinds: [sleeps] })
      assert.strictEqual((yield* second.operations.wait(operation.id, patience)).status, "cancelled")
    })
  )

  it.effect("what was done is seen again before the wish to cancel is, so that it is undone", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const undone: Array<string> = []
      const careful = kindOf("careful", (_, context) =>
        Effect.gen(function* () {
          for (const name of ["one", "two"]) {
            if (yield* context.isCancelled) break
            yield* context.once(name, Effect.succeed(name), { again: false }).pipe(
              Workflow.withCompensation(() =>
                Effect.ignore(
                  context.once(
                    `undo ${name}`,
                    Effect.as(
                      Effect.sync(() => undone.push(name)),
                      null
                    ),
                    { again: true }
                  )
                )
              ),
              Workflow.provideScope
            )
          }
          return yield* context.once("never", Effect.never, { again: true })
        })
      )
      const first = yield* startOperations({ memory, kinds: [careful] })
      const { operation } = yield* first.operations.submit(asking("careful", "a"))
      yield* TestClock.adjust("1 second")
      yield* first.kill
      const now = 5000
      yield* memory.store.requestCancel(operation.id, "root", now)
      const second = yield* startOperations({ memory, kinds: [careful] })
      assert.strictEqual((yield* second.operations.wait(operation.id, patience)).status, "cancelled")
      assert.deepStrictEqual(undone, ["two", "one"])
    })
  )

  it.effect("a parent finds its child again, however that has gone on", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const parent = kindOf("parent", (_, context) =>
        Effect.map(context.child("one", { kind: "run", name: "a", input: null }), ({ status }) => status)
      )
      const kinds = [parent, runs(true)]
      const first = yield* startOperations({ memory, kinds })
      const { operation } = yield* first.operations.submit(asking("parent", "a"))
      yield* first.started
      yield* first.kill
      const second = yield* startOperations({ memory, kinds })
      finish(yield* second.started, exited(0), "")
      const ended = yield* second.operations.wait(operation.id, patience)
      assert.deepStrictEqual([ended.status, ended.result], ["completed", "completed"])
      assert.strictEqual(memory.operations.size, 2)
    })
  )

  it.effect("what was written is there once, and what follows comes behind it", () =>
    Effect.gen(function* () {
      for (const again of [false, true]) {
        const memory = makeMemoryOperations()
        const talks = kindOf("talks", (_, context) =>
          Effect.gen(function* () {
            yield* context.say("before")
            const exit = yield* Effect.exit(context.command(commandOf("a"), { again }))
            yield* context.say("after")
            return yield* Effect.as(exit, null)
          })
        )
        const first = yield* startOperations({ memory, kinds: [talks] })
        const { operation } = yield* first.operations.submit(asking("talks", "a"))
        yield* first.started
        yield* TestClock.adjust("3 seconds")
        yield* first.kill
        const second = yield* startOperations({ memory, kinds: [talks] })
        if (again) finish(yield* second.started, exited(0), "")
        const { status } = yield* second.operations.wait(operation.id, patience)
        assert.strictEqual(status, again ? "completed" : "failed")
        const kept = yield* (yield* second.operations.output(operation.id)).snapshot
        assert.strictEqual(Buffer.concat(kept.segments.map(({ bytes }) => bytes)).toString(), "before\nafter\n")
      }
    })
  )

  it.effect("an end that was not written down any more keeps the output that was", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const talks = kindOf("talks", (_, context) =>
        Effect.gen(function* () {
          yield* context.say("said")
          return yield* Effect.as(context.command(commandOf("a"), { again: false }), null)
        })
      )
      const first = yield* startOperations({ memory, kinds: [talks] })
      const { operation } = yield* first.operations.submit(asking("talks", "a"))
      memory.onChange((change) => (change === "end" ? Effect.andThen(first.kill, Effect.never) : Effect.void))
      finish(yield* first.started, exited(0), "")
      yield* TestClock.adjust("1 second")
      memory.onChange(() => Effect.void)
      const second = yield* startOperations({ memory, kinds: [talks] })
      assert.strictEqual((yield* second.operations.wait(operation.id, patience)).status, "completed")
      assert.isFalse(second.hasStarted())
      assert.strictEqual(memory.outputs.get(operation.id)?.bytes, "said\n".length)
    })
  )
})

describe("a stop", () => {
  it.effect("ends commands, which is their end, and leaves the next daemon what waits and what may run again", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const once = runs(false)
      const repeatable = { ...runs(true), kind: "again" }
      const sleeper = kindOf("sleeper", (_, context) =>
        Effect.raceFirst(Effect.never, context.untilStop).pipe(Effect.as(null))
      )
      const kinds = [once, repeatable, sleeper]
      const first = yield* startOperations({ memory, kinds })
      const ids: Array<string> = []
      for (const kind of ["run", "run", "again", "sleeper"]) {
        ids.push((yield* first.operations.submit(asking(kind, "a"))).operation.id)
      }
      const processes = [yield* first.started, yield* first.started]
      yield* TestClock.adjust(0)
      const stopping = yield* Effect.forkChild(first.stop)
      for (const process of processes) {
        assert.strictEqual(yield* Queue.take(process.signals), "SIGTERM")
        finish(process, { _tag: "Signaled", signal: "SIGTERM" }, "")
      }
      // No time passes: nothing is waited for that does not end.
      yield* Fiber.join(stopping)
      const statuses = ids.map((id) => memory.operations.get(id)?.status)
      assert.deepStrictEqual(statuses, ["failed", "pending", "running", "running"])
      assert.strictEqual(memory.operations.get(ids[0] ?? "")?.error?.code, "interrupted_by_restart")

      const second = yield* startOperations({ memory, kinds })
      const again = [yield* second.started, yield* second.started]
      assert.sameMembers(
        again.map(({ spec }) => spec.env["SYSTEMAPI_OPERATION_ID"]),
        [ids[1], ids[2]]
      )
      for (const process of again) finish(process, exited(0), "")
      for (const id of ids.slice(1, 3)) {
        assert.strictEqual((yield* second.operations.wait(id, patience)).status, "completed")
      }
    })
  )

  it.effect("does not believe a command that it has ended, and believes one that ended before", () =>
    Effect.gen(function* () {
      for (const ends of ["after", "before"] as const) {
        const memory = makeMemoryOperations()
        const { operations, started, stop } = yield* startOperations({ memory, kinds: [runs(false)] })
        const { operation } = yield* operations.submit(asking("run", "a"))
        const process = yield* started
        if (ends === "before") {
          finish(process, exited(0), "")
          yield* TestClock.adjust(0)
        }
        const stopping = yield* Effect.forkChild(stop)
        if (ends === "after") {
          yield* Queue.take(process.signals)
          finish(process, exited(0), "")
        }
        yield* Fiber.join(stopping)
        const { error, status } = memory.operations.get(operation.id) ?? assert.fail("it is lost")
        assert.deepStrictEqual(
          [status, error?.details?.["exit_code"]],
          ends === "before" ? ["completed", undefined] : ["failed", 0]
        )
      }
    })
  )

  it.effect("leaves what is to be undone to the next daemon, however that is done", () =>
    Effect.gen(function* () {
      for (const aside of [false, true]) {
        const memory = makeMemoryOperations()
        const undone: Array<string> = []
        const careful = kindOf("careful", (_, context) =>
          Effect.gen(function* () {
            yield* context.once("one", Effect.succeed(null), { again: false }).pipe(
              Workflow.withCompensation(() => {
                const undo = context.once(
                  "undo",
                  Effect.sync(() => undone.push("one")),
                  { again: true }
                )
                return aside ? Effect.asVoid(Effect.flatMap(Effect.forkChild(undo), Fiber.await)) : Effect.ignore(undo)
              }),
              Workflow.provideScope
            )
            yield* context.command(commandOf("a"), { again: false })
            return null
          })
        )
        const first = yield* startOperations({ memory, kinds: [careful] })
        const { operation } = yield* first.operations.submit(asking("careful", "a"))
        const process = yield* first.started
        const stopping = yield* Effect.forkChild(first.stop)
        yield* Queue.take(process.signals)
        finish(process, { _tag: "Signaled", signal: "SIGTERM" }, "")
        yield* Fiber.join(stopping)
        assert.deepStrictEqual([memory.operations.get(operation.id)?.status, undone], ["running", []])
        const second = yield* startOperations({ memory, kinds: [careful] })
        const ended = yield* second.operations.wait(operation.id, patience)
        assert.deepStrictEqual([ended.status, ended.error?.code], ["failed", "interrupted_by_restart"])
        assert.deepStrictEqual(undone, ["one"])
        assert.isFalse(second.hasStarted())
      }
    })
  )
})
