/** Commands that become batches: their order, their bounds, and what those who wait are told when something fails. */
import type { Worker } from "node:worker_threads"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { OperationStore } from "../../../../src/services/operations/OperationStore.ts"
import { storedLayer } from "../../../../src/services/operations/storedLayer.ts"
import {
  batchesOf,
  batchWeightMax,
  waitingWeightMax,
  weightOf
} from "../../../../src/services/storage/operations/batches.ts"
import type { OperationsCommand, OperationsValue } from "../../../../src/services/storage/operations/commands.ts"
import { batched, layer } from "../../../../src/services/storage/OperationsStorageWorker.ts"
import type { StorageFault } from "../../../../src/services/storage/sqliteFault.ts"
import { StorageWorker } from "../../../../src/services/storage/StorageWorker.ts"
import { temporaryFolder } from "../../../harness/temporaryFolder.ts"
import { askedOf, completed, countsOf, many, outputOf, queryOf } from "../../operations/rows.ts"

const begin = (id: string): OperationsCommand => ({ tag: "begin", id, now: 1 })

const isBegin = (command: OperationsCommand) => command.tag === "begin"

/** A thread that keeps what it is sent until the test answers, one batch at a time. */
const held = Effect.gen(function* () {
  const sent: Array<{
    readonly commands: ReadonlyArray<OperationsCommand>
    readonly answer: Deferred.Deferred<ReadonlyArray<OperationsValue>, StorageFault>
  }> = []
  const request = yield* batched((commands) =>
    Effect.suspend(() => {
      const answer = Deferred.makeUnsafe<ReadonlyArray<OperationsValue>, StorageFault>()
      sent.push({ commands, answer })
      return Deferred.await(answer)
    })
  )
  /** All that can be done without an answer has been. */
  const settled = Effect.repeat(Effect.yieldNow, { times: 20 })
  const ask = (command: OperationsCommand) =>
    Effect.tap(Effect.forkChild(request(command), { startImmediately: true }), () => settled)
  const answer = (at: number, changed = true) =>
    Effect.suspend(() => {
      const { answer, commands } = sent[at] ?? assert.fail(`batch ${at} was not sent`)
      const values = commands.map((): OperationsValue => ({ tag: "changed", changed }))
      return Effect.andThen(Deferred.succeed(answer, values), settled)
    })
  const idsOf = (at: number) => sent[at]?.commands.map((command) => (isBegin(command) ? command.id : command.tag))
  return { ask, answer, idsOf, request, sent, settled }
})

describe("commands", () => {
  it.effect("that come while a batch is there go together as the next, in their order", () =>
    Effect.gen(function* () {
      const { answer, ask, idsOf, sent } = yield* held
      const fibers = [yield* ask(begin("a"))]
      for (const id of ["b", "c", "d"]) fibers.push(yield* ask(begin(id)))
      assert.deepStrictEqual([sent.length, idsOf(0)], [1, ["a"]])
      yield* answer(0)
      assert.deepStrictEqual([sent.length, idsOf(1)], [2, ["b", "c", "d"]])
      yield* answer(1, false)
      const answers = yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(
        answers.map((value) => value.tag === "changed" && value.changed),
        [true, false, false, false]
      )
    })
  )

  it.effect("of a batch that fails all fail, and those behind it do not", () =>
    Effect.gen(function* () {
      const { answer, ask, sent, settled } = yield* held
      const first = yield* ask(begin("a"))
      const second = yield* ask(begin("b"))
      const fault = { kind: "full", reason: "no space left on device" } as const
      yield* Deferred.fail(sent[0]?.answer ?? assert.fail("nothing was sent"), fault)
      yield* settled
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(first)), fault)
      yield* answer(1)
      assert.strictEqual((yield* Fiber.join(second)).tag, "changed")
    })
  )

  it.effect("that nobody waits for any longer are not sent", () =>
    Effect.gen(function* () {
      const { answer, ask, idsOf } = yield* held
      const first = yield* ask(begin("a"))
      const left = yield* ask(begin("b"))
      const third = yield* ask(begin("c"))
      yield* Fiber.interrupt(left)
      yield* answer(0)
      assert.deepStrictEqual(idsOf(1), ["c"])
      yield* answer(1)
      yield* Fiber.joinAll([first, third])
    })
  )

  it.effect("of operations wait as long as it takes; those of requests are told after ten seconds", () =>
    Effect.gen(function* () {
      const { answer, ask, request } = yield* held
      const own = yield* ask(begin("a"))
      const asked = yield* Effect.forkChild(Effect.flip(request({ tag: "get", id: "a" })), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(asked), { kind: "busy", reason: "no answer within 10 s" })
      yield* TestClock.adjust("1 hour")
      yield* answer(0)
      assert.strictEqual((yield* Fiber.join(own)).tag, "changed")
    })
  )

  it.effect("of requests are refused where too much waits; those of operations never are", () =>
    Effect.gen(function* () {
      const { answer, ask, request, sent } = yield* held
      yield* ask(begin("a"))
      const output = { ...outputOf(""), segments: new Uint8Array(waitingWeightMax) }
      yield* ask({ tag: "keep-output", id: "a", output })
      assert.deepStrictEqual(yield* Effect.flip(request({ tag: "get", id: "a" })), {
        kind: "busy",
        reason: "too much waits for the disk; try again"
      })
      const own = yield* ask(begin("b"))
      assert.strictEqual(sent.length, 1)
      for (const at of [0, 1, 2]) yield* answer(at)
      assert.strictEqual((yield* Fiber.join(own)).tag, "changed")
      const again = yield* ask({ tag: "get", id: "a" })
      yield* answer(3)
      yield* Fiber.join(again)
    })
  )

  it.effect("that wait when the scope closes are told, and so is who comes later", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { answer, ask, request } = yield* Scope.provide(held, scope)
      const there = yield* ask(begin("a"))
      const waiting = yield* ask(begin("b"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      // What is at the thread is waited for.
      yield* answer(0)
      yield* Fiber.join(closing)
      assert.strictEqual((yield* Fiber.join(there)).tag, "changed")
      assert.strictEqual((yield* Effect.flip(Fiber.join(waiting))).kind, "lost")
      assert.strictEqual((yield* Effect.flip(request(begin("c")))).kind, "lost")
    })
  )
})

describe("a batch", () => {
  const weights = (batches: ReadonlyArray<ReadonlyArray<{ readonly weight: number }>>) =>
    batches.map((batch) => batch.map(({ weight }) => weight))

  it("is of what fits, in order; what is heavier goes alone", () => {
    const half = batchWeightMax / 2
    const all = [half, half, 1, 2 * batchWeightMax, 1, batchWeightMax, half]
    assert.deepStrictEqual(weights(batchesOf(all.map((weight) => ({ weight })))), [
      [half, half],
      [1],
      [2 * batchWeightMax],
      [1],
      [batchWeightMax],
      [half]
    ])
    assert.deepStrictEqual(batchesOf([]), [])
  })

  it("is bounded in number too, and a page of a thousand fills one", () => {
    assert.strictEqual(batchesOf(Array.from({ length: 1000 }, () => ({ weight: weightOf(begin("a")) }))).length, 8)
    assert.isAtLeast(weightOf({ tag: "list", query: queryOf({ limit: 1024 }) }), batchWeightMax)
  })
})

/** The store over a real thread. */
const open = Effect.fnUntraced(function* (directory: string) {
  const workers: Array<Worker> = []
  const onWorker = (worker: Worker) => void workers.push(worker)
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("worker", onWorker)),
    () => Effect.sync(() => process.off("worker", onWorker))
  )
  const places = { directory, identityPath: undefined, operationsPath: join(directory, "operations.sqlite") }
  const stored = storedLayer.pipe(Layer.provide(layer), Layer.provide(StorageWorker.layer(places)))
  const store = Context.get(yield* Layer.build(Layer.fresh(stored)), OperationStore)
  return { store, terminate: Effect.promise(() => workers.at(-1)?.terminate() ?? Promise.resolve(0)) }
})

describe("the storage thread", () => {
  it.live("keeps what many do at once, each in its order", () =>
    Effect.gen(function* () {
      const { store } = yield* open(yield* temporaryFolder)
      const ids = Array.from({ length: 200 }, (_, i) => `op${i}`)
      const life = Effect.fnUntraced(function* (id: string) {
        const { operation } = yield* store.submit(askedOf(id), 1, many)
        assert.deepInclude(yield* store.get(id), { seq: operation.seq, status: "pending" })
        assert.isTrue(yield* store.begin(id, 2))
        assert.isTrue(yield* store.end(id, { ...completed, result: id, output: outputOf(id) }, 3))
        assert.deepInclude(yield* store.get(id), { status: "completed", result: id })
        assert.deepStrictEqual(yield* store.output(id), outputOf(id))
        return operation.seq
      })
      const seqs = yield* Effect.forEach(ids, life, { concurrency: 50 })
      assert.sameMembers(
        [...seqs],
        ids.map((_, i) => i + 1)
      )
      assert.deepStrictEqual(yield* countsOf(store), { pending: 0, running: 0, total: 200 })
    })
  )

  it.live("makes one operation of one key, however many ask at once", () =>
    Effect.gen(function* () {
      const { store } = yield* open(yield* temporaryFolder)
      const idempotency = { owner: "user:ann", key: "k", fingerprint: "f" }
      const submitted = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, i) => `op${i}`),
        (id) => store.submit(askedOf(id, { idempotency }), 1, many),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(submitted.filter(({ replayed }) => !replayed).length, 1)
      assert.strictEqual(new Set(submitted.map(({ operation }) => operation.id)).size, 1)
    })
  )

  it.live("that dies fails what it owed; the next request finds what was acknowledged", () =>
    Effect.gen(function* () {
      const { store, terminate } = yield* open(yield* temporaryFolder)
      const acknowledged: Array<string> = []
      let made = 0
      const submitNext = Effect.suspend(() => {
        const id = `op${++made}`
        return Effect.map(store.submit(askedOf(id), 1, many), () => void acknowledged.push(id))
      })
      const writers = yield* Effect.forEach(Array.from({ length: 8 }), () =>
        Effect.forkChild(Effect.exit(Effect.forever(submitNext)), { startImmediately: true })
      )
      while (acknowledged.length < 50) yield* Effect.yieldNow
      yield* terminate
      const exits = yield* Fiber.joinAll(writers)
      assert.isTrue(exits.every(Exit.isFailure))
      const { total } = yield* store.counts
      assert.isAtLeast(total, acknowledged.length)
      assert.isAtMost(total, made)
      for (const id of acknowledged) assert.isNotNull(yield* store.get(id))
    })
  )
})
