import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { readKept } from "../../src/services/commands/OutputLog.ts"
import { OperationFailed } from "../../src/services/operations/Operation.ts"
import { makeKillable } from "../harness/killable.ts"
import { makeMemoryOperations, unavailable } from "../harness/memoryOperations.ts"
import { asking, commandOf, finish, kindOf, startOperations } from "../harness/operationsUnderTest.ts"
import { exited } from "../services/commands/support.ts"

const patience = Duration.seconds(30)

const runs = kindOf("run", (operation, context) =>
  Effect.map(context.command(commandOf(operation.name), { again: false }), ({ exit, stdout }) => ({
    exit: exit._tag,
    said: stdout.head
  }))
)

/** Ends when the test opens its gate. */
const makeGated = (limits: Parameters<typeof kindOf>[2] = {}) => {
  const begun: Array<string> = []
  const gates = new Map<string, Deferred.Deferred<void>>()
  const gateOf = (id: string) => {
    const gate = gates.get(id) ?? Deferred.makeUnsafe<void>()
    gates.set(id, gate)
    return gate
  }
  const kind = kindOf(
    "gated",
    ({ id }) =>
      Effect.suspend(() => {
        begun.push(id)
        return Effect.as(Deferred.await(gateOf(id)), null)
      }),
    limits
  )
  return { kind, begun, open: (id: string) => Deferred.succeed(gateOf(id), undefined) }
}

const statusesOf = (all: ReadonlyArray<{ readonly status: string }>) => all.map(({ status }) => status)

describe("an operation", () => {
  it.effect("runs its command in its turn and keeps how it ended", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { operations, started, told } = yield* startOperations({ memory, kinds: [runs] })
      const { operation } = yield* operations.submit(asking("run", "a"))
      assert.strictEqual(operation.status, "pending")
      const process = yield* started
      assert.strictEqual(process.spec.env["SYSTEMAPI_OPERATION_ID"], operation.id)
      assert.strictEqual((yield* operations.get(operation.id)).status, "running")
      finish(process, exited(0), "hello")
      const ended = yield* operations.wait(operation.id, patience)
      assert.deepStrictEqual([ended.status, ended.result], ["completed", { exit: "Exited", said: "hello" }])
      assert.deepStrictEqual(told, [`operation ${operation.id} (run a) completed`])
      assert.strictEqual(memory.journals.size, 0)
      assert.deepStrictEqual(operations.endings(), { completed: 1, failed: 0, cancelled: 0 })
    })
  )

  it.effect("is written down as begun before its command is started, and with its process after", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { operations, started } = yield* startOperations({ memory, kinds: [runs] })
      const changes: Array<string> = []
      memory.onChange((change) => Effect.sync(() => void changes.push(change)))
      const { operation } = yield* operations.submit(asking("run", "a"))
      const process = yield* started
      assert.deepStrictEqual(changes.slice(0, 3), ["submit", "begin", "note a/1/command"])
      finish(process, exited(0), "")
      yield* operations.wait(operation.id, patience)
      assert.deepStrictEqual(changes.slice(3), ["note a/1/command", "note a/1/command", "end"])
    })
  )

  it.effect("that fails says why, keeps what came of it, and is told as an error", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const fails = kindOf("run", () =>
        Effect.fail(
          new OperationFailed({
            code: "command_failed",
            message: "exit status 3",
            details: { exit_code: 3 },
            result: 7
          })
        )
      )
      const { operations, told } = yield* startOperations({ memory, kinds: [fails] })
      const { operation } = yield* operations.submit(asking("run", "a"))
      const { error, result, status } = yield* operations.wait(operation.id, patience)
      assert.deepStrictEqual([status, result], ["failed", 7])
      assert.deepStrictEqual(error, { code: "command_failed", message: "exit status 3", details: { exit_code: 3 } })
      assert.deepStrictEqual(told, [`operation ${operation.id} (run a) failed: command_failed: exit status 3`])
    })
  )

  it.effect("of a kind that is not known any more, or with a bug, fails and holds up nobody", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const bug = kindOf("bug", () => Effect.die(new Error("a secret")))
      const { operations } = yield* startOperations({ memory, kinds: [bug] })
      for (const kind of ["bug", "unknown", "bug"]) {
        const { operation } = yield* operations.submit(asking(kind, "a"))
        const { error, status } = yield* operations.wait(operation.id, patience)
        assert.deepStrictEqual([status, error?.code], ["failed", "internal"])
        assert.notInclude(error?.message, "secret")
      }
    })
  )

  it.effect("that is asked for again with the same key is not run again", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { begun, kind, open } = makeGated()
      const { operations } = yield* startOperations({ memory, kinds: [kind] })
      const idempotency = { owner: "mara", key: "k", fingerprint: "f" }
      const one = yield* operations.submit(asking("gated", "a", { idempotency }))
      const two = yield* operations.submit(asking("gated", "a", { idempotency }))
      assert.deepStrictEqual([two.replayed, two.operation.id], [true, one.operation.id])
      yield* open(one.operation.id)
      yield* operations.wait(one.operation.id, patience)
      const three = yield* operations.submit(asking("gated", "a", { idempotency }))
      assert.strictEqual(three.operation.status, "completed")
      assert.deepStrictEqual(begun, [one.operation.id])
    })
  )
})

describe("the queue", () => {
  it.effect("lets those of one name go one after the other, and others beside them, up to the group's bound", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { begun, kind, open } = makeGated({ concurrency: 2 })
      const { operations } = yield* startOperations({ memory, kinds: [kind] })
      const asked: Array<string> = []
      for (const name of ["a", "a", "b", "c", "a"]) {
        asked.push((yield* operations.submit(asking("gated", name))).operation.id)
      }
      yield* TestClock.adjust(0)
      const [a1 = "", a2 = "", b1 = "", c1 = "", a3 = ""] = asked
      assert.deepStrictEqual(begun, [a1, b1])
      const listed = yield* operations.list({ statuses: null, kind: null, who: null, before: null, limit: 10 })
      assert.deepStrictEqual(statusesOf(listed), ["pending", "pending", "running", "pending", "running"])
      assert.deepStrictEqual(
        listed.map((one) => operations.position(one)),
        [2, 1, undefined, 1, undefined]
      )
      yield* open(a1)
      yield* operations.wait(a1, patience)
      yield* TestClock.adjust(0)
      // It has waited longer than c.
      assert.deepStrictEqual(begun, [a1, b1, a2])
      yield* open(b1)
      yield* operations.wait(b1, patience)
      yield* open(a2)
      yield* operations.wait(a2, patience)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(begun, [a1, b1, a2, c1, a3])
      yield* open(c1)
      yield* open(a3)
    })
  )

  it.effect("drains ten thousand in the order of each name", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const begun = new Map<string, Array<number>>()
      const quick = kindOf("quick", ({ name, seq }) =>
        Effect.sync(() => {
          begun.set(name, [...(begun.get(name) ?? []), seq])
          return null
        })
      )
      const gated = makeGated({ group: "quick" })
      const kinds = [{ ...quick, limits: () => ({ group: "quick", concurrency: 4, perName: 1 }) }, gated.kind]
      const { operations } = yield* startOperations({ memory, kinds, maxPending: 20_000 })
      const gates: Array<string> = []
      for (let n = 0; n < 4; n++) gates.push((yield* operations.submit(asking("gated", `${n}`))).operation.id)
      const last: Array<string> = []
      for (let n = 0; n < 10_000; n++) {
        const { operation } = yield* operations.submit(asking("quick", `${n % 137}`))
        if (n >= 10_000 - 137) last.push(operation.id)
        if (n === 9999) assert.strictEqual(operations.position(operation), Math.ceil(10_000 / 137))
      }
      for (const id of gates) yield* gated.open(id)
      for (const id of last) assert.strictEqual((yield* operations.wait(id, patience)).status, "completed")
      assert.strictEqual(begun.size, 137)
      for (const seqs of begun.values())
        assert.deepStrictEqual(
          seqs,
          seqs.toSorted((one, other) => one - other)
        )
      assert.strictEqual([...begun.values()].flat().length, 10_000)
    })
  )

  it.effect("survives the actor, whatever ends it", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const killable = yield* makeKillable
      const { begun, kind, open } = makeGated()
      const { operations } = yield* startOperations({ memory, kinds: [kind], supervisor: killable.layer })
      const asked: Array<string> = []
      for (const way of ["fail", "die", "interrupt"] as const) {
        asked.push((yield* operations.submit(asking("gated", "a"))).operation.id)
        yield* TestClock.adjust(0)
        yield* killable.crash("Operations", way)
      }
      for (const id of asked) {
        yield* open(id)
        assert.strictEqual((yield* operations.wait(id, patience)).status, "completed")
      }
      assert.deepStrictEqual(begun, asked)
    })
  )
})

describe("who waits", () => {
  it.effect("is answered at the end, or with how it is when the time is over", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { kind, open } = makeGated()
      const { operations } = yield* startOperations({ memory, kinds: [kind] })
      const { operation } = yield* operations.submit(asking("gated", "a"))
      const impatient = yield* Effect.forkChild(operations.wait(operation.id, Duration.seconds(5)))
      const patient = yield* Effect.forkChild(operations.wait(operation.id, patience))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(impatient)).status, "running")
      assert.isUndefined(patient.pollUnsafe())
      yield* open(operation.id)
      assert.strictEqual((yield* Fiber.join(patient)).status, "completed")
      assert.strictEqual((yield* operations.wait(operation.id, patience)).status, "completed")
      assert.strictEqual((yield* Effect.flip(operations.wait("nobody", patience)))._tag, "OperationNotFound")
    })
  )
})

describe("progress", () => {
  it.effect("is shown at once and stored four times a second, the last of it in the end", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const gate = yield* Deferred.make<void>()
      const steps = kindOf("steps", (_, context) =>
        Effect.gen(function* () {
          for (let step = 1; step <= 100; step++) {
            yield* context.progress(step / 100, `step ${step}`)
            yield* Effect.sleep("10 millis")
          }
          yield* Deferred.await(gate)
          return null
        })
      )
      const { operations } = yield* startOperations({ memory, kinds: [steps] })
      let stored = 0
      memory.onChange((change) =>
        Effect.sync(() => {
          if (change === "progress") stored += 1
        })
      )
      const { operation } = yield* operations.submit(asking("steps", "a"))
      yield* TestClock.adjust("500 millis")
      const half = yield* operations.get(operation.id)
      assert.isAtLeast(half.progress ?? 0, 0.5)
      assert.isBelow(stored, 5)
      const [listed] = yield* operations.list({ statuses: null, kind: null, who: null, before: null, limit: 1 })
      assert.strictEqual(listed?.progressText, half.progressText)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([memory.operations.get(operation.id)?.progress, stored <= 6], [1, true])
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* operations.wait(operation.id, patience)).progressText, "step 100")
    })
  )
})

describe("output", () => {
  it.effect("of what the operation says is read while it runs, and kept", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const gate = yield* Deferred.make<void>()
      const says = kindOf("says", (_, context) =>
        Effect.gen(function* () {
          yield* context.say("one")
          yield* Deferred.await(gate)
          yield* context.say("two")
          return null
        })
      )
      const { operations } = yield* startOperations({ memory, kinds: [says] })
      const { operation } = yield* operations.submit(asking("says", "a"))
      const output = yield* operations.output(operation.id)
      const first = yield* output.read(0, 1000)
      assert.strictEqual(Buffer.concat(first.segments.map(({ bytes }) => bytes)).toString(), "one\n")
      assert.isFalse(first.ended)
      const rest = yield* Effect.forkChild(output.read(first.next, 1000))
      yield* TestClock.adjust(0)
      assert.isUndefined(rest.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      const second = yield* Fiber.join(rest)
      assert.strictEqual(Buffer.concat(second.segments.map(({ bytes }) => bytes)).toString(), "two\n")
      yield* operations.wait(operation.id, patience)
      const kept = yield* (yield* operations.output(operation.id)).snapshot
      const all = readKept(kept, 0, 1000)
      assert.strictEqual(Buffer.concat(all.segments.map(({ bytes }) => bytes)).toString(), "one\ntwo\n")
      assert.isTrue(all.ended)
      assert.strictEqual((yield* output.read(second.next, 1000)).ended, true)
    })
  )
})

describe("an unwritable store", () => {
  it.effect("that has stored what it could not answer for has it run all the same, once", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { begun, kind, open } = makeGated()
      const { operations } = yield* startOperations({ memory, kinds: [kind] })
      memory.onChange((change) => Effect.succeed(change === "submit" ? "unanswered" : undefined))
      assert.strictEqual((yield* Effect.flip(operations.submit(asking("gated", "a"))))._tag, "OperationsUnavailable")
      yield* TestClock.adjust("1 second")
      const [id = ""] = memory.operations.keys()
      assert.deepStrictEqual(begun, [id])
      yield* open(id)
      assert.strictEqual((yield* operations.wait(id, patience)).status, "completed")
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(begun, [id])
    })
  )

  it.effect("is asked again until it takes what has happened", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { kind, open } = makeGated()
      const { operations } = yield* startOperations({ memory, kinds: [kind] })
      const { operation } = yield* operations.submit(asking("gated", "a"))
      let refusals = 0
      memory.onChange(() =>
        Effect.suspend(() => {
          refusals += 1
          return refusals < 8 ? Effect.fail(unavailable) : Effect.void
        })
      )
      assert.strictEqual((yield* Effect.flip(operations.submit(asking("gated", "b"))))._tag, "OperationsUnavailable")
      yield* open(operation.id)
      const waiting = yield* Effect.forkChild(operations.wait(operation.id, Duration.minutes(5)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(waiting)).status, "completed")
      assert.isAtLeast(refusals, 8)
    })
  )
})
