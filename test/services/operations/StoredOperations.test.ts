import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { inMemory } from "../../../src/services/storage/databaseFile.ts"
import type { OperationRetention } from "../../../src/services/operations/OperationStore.ts"
import { askedOf, completed, countsOf, entryOf, many, openAt, outputOf, queryOf } from "./rows.ts"

const fresh = Effect.map(openAt(inMemory), ({ store }) => store)

const keyed = (id: string, fingerprint: string, more: { readonly owner?: string; readonly key?: string } = {}) =>
  askedOf(id, { idempotency: { owner: "user:ann", key: "k", fingerprint, ...more } })

const everything: OperationRetention = { maxCount: many, maxAgeMs: many, maxBytes: many }

describe("submit", () => {
  it.effect("keeps what was asked for, numbered in its order, as pending", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      const asked = askedOf("a", {
        input: { text: "grün 🌱 \u0000 \ud800", list: [1, null, { deep: true }] },
        why: "because",
        parent: "p",
        idempotency: { owner: "token:1", key: "key", fingerprint: "f" }
      })
      const { operation, replayed } = yield* store.submit(asked, 5, many)
      assert.isFalse(replayed)
      assert.deepStrictEqual(operation, {
        ...asked,
        seq: 1,
        status: "pending",
        progress: null,
        progressText: null,
        result: null,
        error: null,
        createdAt: 5,
        updatedAt: 5,
        startedAt: null,
        endedAt: null,
        cancelRequestedAt: null,
        cancelRequestedBy: null
      })
      assert.deepStrictEqual(yield* store.get("a"), operation)
      assert.strictEqual((yield* store.submit(askedOf("b"), 6, many)).operation.seq, 2)
      assert.isNull(yield* store.get("c"))
    })
  )

  it.effect("answers the same key of the same owner with the first operation, also when it has ended", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(keyed("a", "f"), 1, many)
      const again = yield* store.submit(keyed("b", "f"), 2, many)
      assert.deepStrictEqual([again.operation.id, again.operation.createdAt, again.replayed], ["a", 1, true])
      yield* store.end("a", completed, 3)
      const late = yield* store.submit(keyed("c", "f"), 4, many)
      assert.deepStrictEqual([late.operation.status, late.replayed], ["completed", true])
      assert.strictEqual((yield* store.counts).total, 1)
      const others = [keyed("d", "f", { key: "l" }), keyed("e", "f", { owner: "user:bob" })]
      for (const other of others) assert.isFalse((yield* store.submit(other, 5, many)).replayed)
    })
  )

  it.effect("refuses a key that was used for something else", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(keyed("a", "f"), 1, many)
      const error = yield* Effect.flip(store.submit(keyed("b", "g"), 2, many))
      assert.strictEqual(error._tag, "IdempotencyConflict")
      assert.include(error.message, `"k" was used with another request`)
      assert.isNull(yield* store.get("b"))
    })
  )

  it.effect("refuses more than may wait, but not a key that is known", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(keyed("a", "f"), 1, 2)
      yield* store.submit(askedOf("b"), 1, 2)
      const error = yield* Effect.flip(store.submit(askedOf("c"), 1, 2))
      assert.isTrue(error._tag === "TooManyOperations" && error.pending === 2 && error.retry_after_seconds > 0)
      assert.isTrue((yield* store.submit(keyed("d", "f"), 1, 2)).replayed)
      yield* store.begin("b", 2)
      yield* store.submit(askedOf("c"), 3, 2)
      assert.deepStrictEqual(yield* countsOf(store), { pending: 2, running: 1, total: 3 })
    })
  )

  it.effect("takes a second one of the same id for the first, whose answer was lost", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(askedOf("a"), 1, many)
      yield* store.begin("a", 2)
      const again = yield* store.submit(askedOf("a", { name: "other" }), 3, many)
      assert.deepStrictEqual(
        [again.replayed, again.operation.name, again.operation.status],
        [true, "backup", "running"]
      )
      assert.deepStrictEqual(yield* countsOf(store), { pending: 0, running: 1, total: 1 })
    })
  )
})

describe("an operation", () => {
  it.effect("begins once, ends once, and stays as it ended", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(askedOf("a"), 1, many)
      assert.deepStrictEqual([yield* store.begin("a", 2), yield* store.begin("a", 3)], [true, false])
      yield* store.progress("a", 0.5, "half", 4)
      assert.deepInclude(yield* store.get("a"), {
        status: "running",
        startedAt: 2,
        progress: 0.5,
        progressText: "half",
        updatedAt: 4
      })
      const error = { code: "command_failed", message: "exit 3", details: { exit: 3 } }
      assert.isTrue(yield* store.end("a", { status: "failed", result: { x: 1 }, error, output: null }, 5))
      assert.isFalse(yield* store.end("a", completed, 6))
      yield* store.progress("a", 1, "late", 7)
      const ended = yield* store.get("a")
      assert.deepInclude(ended, { status: "failed", result: { x: 1 }, error, endedAt: 5, updatedAt: 5, progress: 0.5 })
      assert.isFalse(yield* store.begin("a", 8))
      assert.deepStrictEqual(yield* store.requestCancel("a", "bob", 9), ended)
      assert.deepStrictEqual(yield* countsOf(store), { pending: 0, running: 0, total: 1 })
    })
  )

  it.effect("that waits may end without having begun", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(askedOf("a"), 1, many)
      assert.isTrue(yield* store.end("a", { ...completed, status: "failed" }, 2))
      assert.deepInclude(yield* store.get("a"), { status: "failed", startedAt: null, endedAt: 2 })
      assert.deepStrictEqual(yield* countsOf(store), { pending: 0, running: 0, total: 1 })
    })
  )

  it.effect("that waits has ended with the wish to cancel it; one that runs has been told", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(askedOf("a"), 1, many)
      yield* store.submit(askedOf("b"), 1, many)
      yield* store.begin("b", 2)
      assert.deepInclude(yield* store.requestCancel("a", "bob", 3), {
        status: "cancelled",
        endedAt: 3,
        cancelRequestedAt: 3,
        cancelRequestedBy: "bob",
        error: { code: "cancelled", message: "cancelled by bob before it began" }
      })
      assert.isFalse(yield* store.begin("a", 4))
      assert.deepInclude(yield* store.requestCancel("b", "bob", 5), { status: "running", cancelRequestedBy: "bob" })
      // The first wish is the one that counts.
      assert.deepInclude(yield* store.requestCancel("b", "cid", 6), { cancelRequestedBy: "bob", cancelRequestedAt: 5 })
      assert.isNull(yield* store.requestCancel("c", "bob", 7))
      assert.deepStrictEqual(yield* countsOf(store), { pending: 0, running: 1, total: 2 })
    })
  )

  it.effect("that nobody knows of changes nothing", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      assert.deepStrictEqual([yield* store.begin("x", 1), yield* store.end("x", completed, 1)], [false, false])
      yield* store.progress("x", 1, null, 1)
      yield* store.note(entryOf("x", "k"))
      yield* store.keepOutput("x", outputOf("x"))
      assert.deepStrictEqual([yield* store.journal("x"), yield* store.output("x")], [[], null])
      assert.deepStrictEqual(yield* countsOf(store), { pending: 0, running: 0, total: 0 })
    })
  )
})

describe("the journal", () => {
  it.effect("has entries in the order of their beginning, replaced by key, until the end", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(askedOf("a"), 1, many)
      yield* store.submit(askedOf("b"), 1, many)
      const process = { pid: 77, startTicks: "12345678901234567890", bootId: "boot" }
      yield* store.note(entryOf("a", "second", { begunAt: 9 }))
      yield* store.note(entryOf("a", "first", { begunAt: 3, process }))
      yield* store.note(entryOf("b", "second", { exit: { other: true } }))
      const exit = { _tag: "Success", value: [1, null] }
      yield* store.note(entryOf("a", "second", { begunAt: 9, exit }))
      assert.deepStrictEqual(yield* store.journal("a"), [
        entryOf("a", "second", { begunAt: 9, exit }),
        entryOf("a", "first", { begunAt: 3, process })
      ])
      yield* store.end("a", completed, 5)
      yield* store.note(entryOf("a", "late"))
      assert.deepStrictEqual(yield* store.journal("a"), [])
      assert.strictEqual((yield* store.journal("b")).length, 1)
    })
  )
})

describe("the output", () => {
  it.effect("is what was kept last, and stays where the end brings none", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      for (const id of ["a", "b", "c"]) yield* store.submit(askedOf(id), 1, many)
      yield* store.keepOutput("a", outputOf("some"))
      yield* store.keepOutput("a", outputOf("some more"))
      yield* store.end("a", completed, 2)
      assert.deepStrictEqual(yield* store.output("a"), outputOf("some more"))
      yield* store.keepOutput("a", outputOf("late"))
      assert.deepStrictEqual(yield* store.output("a"), outputOf("some more"))
      yield* store.keepOutput("b", outputOf("some"))
      yield* store.end("b", { ...completed, output: outputOf("all") }, 2)
      assert.deepStrictEqual(yield* store.output("b"), outputOf("all"))
      assert.isNull(yield* store.output("c"))
    })
  )
})

describe("pages", () => {
  it.effect("go on behind operations that are too large for one answer of the thread", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      const input = "x".repeat(1024 * 1024)
      for (let i = 1; i <= 10; i++) yield* store.submit(askedOf(`op${i}`, { input }), 1, many)
      const listed = yield* store.list(queryOf({ limit: 9 }))
      assert.deepStrictEqual(
        listed.map(({ seq }) => seq),
        [10, 9, 8, 7, 6, 5, 4, 3, 2]
      )
      const waiting = yield* store.unfinished(1, 8)
      assert.deepStrictEqual(
        waiting.map(({ seq }) => seq),
        [2, 3, 4, 5, 6, 7, 8, 9]
      )
      assert.isTrue(waiting.every((operation) => operation.input === input))
    })
  )
})

describe("prune", () => {
  it.effect("removes the oldest of what has ended beyond the count, with all that is theirs", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      for (const id of ["a", "b", "c", "d"]) yield* store.submit(askedOf(id), 1, many)
      yield* store.begin("d", 1)
      // Not in the order in which they were asked for.
      for (const id of ["c", "a", "b"]) yield* store.end(id, { ...completed, output: outputOf(id) }, 2)
      assert.isFalse(yield* store.prune({ ...everything, maxCount: 1 }, 3))
      const left = yield* store.list(queryOf())
      assert.deepStrictEqual(
        left.map(({ id }) => id),
        ["d", "b"]
      )
      assert.isNull(yield* store.output("c"))
      assert.deepStrictEqual(yield* countsOf(store), { pending: 0, running: 1, total: 2 })
    })
  )

  it.effect("removes what ended too long ago, and gives back its key", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(keyed("a", "f"), 1, many)
      yield* store.submit(askedOf("b"), 1, many)
      yield* store.end("a", completed, 100)
      yield* store.end("b", completed, 101)
      yield* store.prune({ ...everything, maxAgeMs: 50 }, 151)
      assert.isNull(yield* store.get("a"))
      assert.isNotNull(yield* store.get("b"))
      assert.isFalse((yield* store.submit(keyed("c", "g"), 200, many)).replayed)
    })
  )

  it.effect("never numbers another as one that is gone", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(askedOf("a"), 1, many)
      yield* store.end("a", completed, 1)
      yield* store.prune({ ...everything, maxCount: 0 }, 2)
      assert.strictEqual((yield* store.submit(askedOf("b"), 3, many)).operation.seq, 2)
    })
  )

  it.effect("drops the output of the oldest beyond the bytes, and leaves what runs and the operations", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      for (const id of ["a", "b", "c"]) yield* store.submit(askedOf(id), 1, many)
      yield* store.keepOutput("a", outputOf("x".repeat(5000)))
      for (const id of ["c", "b"]) yield* store.end(id, { ...completed, output: outputOf("x".repeat(1000)) }, 2)
      assert.isFalse(yield* store.prune({ ...everything, maxBytes: 6500 }, 3))
      assert.isNull(yield* store.output("c"))
      assert.isNotNull(yield* store.output("b"))
      assert.isFalse(yield* store.prune({ ...everything, maxBytes: 10 }, 3))
      assert.isNull(yield* store.output("b"))
      assert.isNotNull(yield* store.output("a"))
      assert.strictEqual((yield* store.counts).total, 3)
    })
  )

  it.effect("leaves what was asked for by one that has not ended", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      yield* store.submit(askedOf("parent"), 1, many)
      yield* store.submit(askedOf("child", { parent: "parent" }), 1, many)
      yield* store.submit(askedOf("other"), 1, many)
      for (const id of ["child", "other"]) yield* store.end(id, completed, 2)
      yield* store.prune({ ...everything, maxCount: 0 }, 3)
      assert.isNotNull(yield* store.get("child"))
      assert.isNull(yield* store.get("other"))
      yield* store.end("parent", completed, 4)
      yield* store.prune({ ...everything, maxCount: 0 }, 5)
      assert.deepStrictEqual(yield* store.list(queryOf()), [])
    })
  )

  it.effect("does a part at a time, and says that there is more", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      const ids = Array.from({ length: 1200 }, (_, i) => `op${i}`)
      for (const id of ids) {
        yield* store.submit(askedOf(id), 1, many)
        yield* store.end(id, completed, 2)
      }
      const told: Array<boolean> = []
      do told.push(yield* store.prune({ ...everything, maxCount: 100 }, 3))
      while (told.at(-1) === true)
      assert.isAbove(told.length, 2)
      assert.deepStrictEqual(
        (yield* store.list(queryOf({ limit: 1000 }))).map(({ id }) => id),
        ids.slice(-100).toReversed()
      )
    })
  )
})

describe("children", () => {
  it.effect("are those of one parent, oldest first, whatever has become of them", () =>
    Effect.gen(function* () {
      const store = yield* fresh
      for (const [id, parent] of [
        ["a", null],
        ["b", "a"],
        ["c", "x"],
        ["d", "a"]
      ] as const) {
        yield* store.submit(askedOf(id, { parent }), 1, many)
      }
      yield* store.end("b", completed, 2)
      const found = yield* store.children("a")
      assert.deepStrictEqual(
        found.map(({ id, status }) => [id, status]),
        [
          ["b", "completed"],
          ["d", "pending"]
        ]
      )
      assert.deepStrictEqual(yield* store.children("b"), [])
    })
  )
})
