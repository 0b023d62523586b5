/** The operations file and what may befall it: it is made late, private, refused when it is not ours, never repaired. */
import {
  chmod,
  copyFile,
  mkdir,
  open as openFile,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile
} from "node:fs/promises"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { OperationsUnavailable } from "../../../../src/services/operations/Operations.ts"
import { OperationsFile } from "../../../../src/services/storage/operations/OperationsFile.ts"
import { readOnly, smallDisk } from "../../../harness/smallDisk.ts"
import { temporaryFolder } from "../../../harness/temporaryFolder.ts"
import { askedOf, completed, countsOf, entryOf, many, openAt, outputOf, queryOf } from "../../operations/rows.ts"

const promise = <A>(work: () => Promise<A>) => Effect.promise(work)

const pathIn = Effect.map(temporaryFolder, (folder) => join(folder, "operations.sqlite"))

/** With so many operations, closed. */
const filled = Effect.fnUntraced(function* (operations = 1) {
  const path = yield* pathIn
  const { close, store } = yield* openAt(path)
  for (let i = 1; i <= operations; i++) yield* store.submit(askedOf(`op${i}`, { input: "x".repeat(1000) }), 1, many)
  yield* close
  return path
})

const refusal = Effect.fnUntraced(function* (path: string) {
  const { close, store } = yield* openAt(path)
  const error: OperationsUnavailable = yield* Effect.flip(store.counts)
  yield* close
  return error
})

const submission = (id: string, now: number) =>
  ({ tag: "submit", operation: { ...askedOf(id), input: "null" }, now, maxPending: many }) as const

describe("an operations file", () => {
  it.live("is made by the first operation and nothing else, for its owner alone", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "deep", "operations.sqlite")
      const { store } = yield* openAt(path)
      assert.deepStrictEqual(yield* countsOf(store), { pending: 0, running: 0, total: 0 })
      assert.deepStrictEqual([yield* store.list(queryOf()), yield* store.unfinished(0, 10)], [[], []])
      assert.deepStrictEqual([yield* store.get("a"), yield* store.requestCancel("a", "ann", 1)], [null, null])
      assert.deepStrictEqual([yield* store.begin("a", 1), yield* store.end("a", completed, 1)], [false, false])
      assert.deepStrictEqual([yield* store.journal("a"), yield* store.output("a")], [[], null])
      yield* store.progress("a", 1, null, 1)
      yield* store.note(entryOf("a", "k"))
      yield* store.keepOutput("a", outputOf("x"))
      assert.isFalse(yield* store.prune({ maxCount: 0, maxAgeMs: 0, maxBytes: 0 }, 1))
      assert.isFalse(existsSync(join(path, "..")))
      yield* store.submit(askedOf("a"), 1, many)
      for (const file of [path, `${path}-wal`, `${path}-shm`]) {
        assert.strictEqual((yield* promise(() => stat(file))).mode & 0o777, 0o600)
      }
    })
  )

  it.live("says what it is, keeps what it is told before it answers, and closes itself to others", () =>
    Effect.gen(function* () {
      const path = yield* filled()
      const db = new DatabaseSync(path, { readOnly: true })
      const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
      assert.deepStrictEqual(
        [pragma("application_id"), pragma("user_version"), pragma("journal_mode")],
        [0x7379736f, 1, "wal"]
      )
      db.close()
      yield* promise(() => chmod(path, 0o644))
      const { store } = yield* openAt(path)
      assert.strictEqual((yield* store.counts).total, 1)
      assert.strictEqual((yield* promise(() => stat(path))).mode & 0o777, 0o600)
    })
  )

  it.live("takes an empty file, which a crash may have left, for a new one", () =>
    Effect.gen(function* () {
      const path = yield* pathIn
      yield* promise(() => writeFile(path, ""))
      const { store } = yield* openAt(path)
      assert.strictEqual((yield* store.counts).total, 0)
    })
  )

  it.live("of another program is refused and left as it is", () =>
    Effect.gen(function* () {
      const path = yield* pathIn
      const foreign = new DatabaseSync(path)
      foreign.exec("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('mine')")
      foreign.close()
      const before = yield* promise(() => readFile(path))
      const error = yield* refusal(path)
      assert.isFalse(error.full)
      assert.match(error.message, /operations\.sqlite is damaged: it is a database of another program\. It was left/u)
      assert.isTrue(before.equals(yield* promise(() => readFile(path))))
    })
  )

  it.live("of a newer format is refused", () =>
    Effect.gen(function* () {
      const path = yield* filled()
      const newer = new DatabaseSync(path)
      newer.exec("PRAGMA user_version = 99")
      newer.close()
      assert.include((yield* refusal(path)).message, "its format is 99, this systemapi knows formats up to 1")
    })
  )

  it.live("that is damaged is refused, and SQLite's log beside it is left, too", () =>
    Effect.gen(function* () {
      const path = yield* pathIn
      const killed = `${path}.killed`
      const { store } = yield* openAt(path)
      for (let i = 0; i < 200; i++) yield* store.submit(askedOf(`op${i}`), 1, many)
      for (const suffix of ["", "-wal"]) yield* promise(() => copyFile(path + suffix, killed + suffix))
      const damaged = yield* promise(() => openFile(killed, "r+"))
      yield* promise(() => damaged.write(Buffer.alloc(4096, 0x55), 0, 4096, 0))
      yield* promise(() => damaged.close())
      const emptied = yield* promise(() => openFile(`${killed}-wal`, "r+"))
      yield* promise(() => emptied.write(Buffer.alloc(100, 0x55), 0, 100, 0))
      yield* promise(() => emptied.close())
      const log = yield* promise(() => readFile(`${killed}-wal`))
      assert.match((yield* refusal(killed)).message, /is damaged: .*To recover what can be read/u)
      assert.isTrue(log.equals(yield* promise(() => readFile(`${killed}-wal`))))
    })
  )

  it.live("that was cut is told of when it is read", () =>
    Effect.gen(function* () {
      const path = yield* filled(50)
      yield* promise(() => truncate(path, 8192))
      assert.match((yield* refusal(path)).message, /is damaged/u)
    })
  )

  it.live("is read anew where another has taken its place, and never made anew where it is gone", () =>
    Effect.gen(function* () {
      const path = yield* filled(1)
      const other = yield* filled(2)
      const { store } = yield* openAt(path)
      assert.strictEqual((yield* store.counts).total, 1)
      yield* promise(() => rename(other, path))
      for (const suffix of ["-wal", "-shm"]) yield* promise(() => rm(path + suffix, { force: true }))
      assert.strictEqual((yield* store.counts).total, 2)
      yield* promise(() => rm(path))
      const error = yield* Effect.flip(store.submit(askedOf("b"), 1, many))
      assert.include(error.message, "it was removed; put it back, or restart the daemon")
      assert.isFalse(existsSync(path))
    })
  )
})

describe("a batch", () => {
  it.live("that changes nothing writes nothing", () =>
    Effect.gen(function* () {
      const path = yield* pathIn
      const file = new OperationsFile(path)
      file.perform([submission("a", 1)])
      const before = yield* promise(() => readFile(`${path}-wal`))
      file.perform([{ tag: "counts" }, { tag: "get", id: "a" }, { tag: "list", query: queryOf() }])
      file.perform([
        { tag: "begin", id: "x", now: 2 },
        { ...submission("b", 2), maxPending: 1 },
        { tag: "prune", limits: { maxCount: 10, maxAgeMs: 10, maxBytes: 10 }, now: 2 }
      ])
      assert.isTrue(before.equals(yield* promise(() => readFile(`${path}-wal`))))
      file.close()
    })
  )

  it.effect("answers each command for itself, in order, each seeing what was done before it", () =>
    Effect.sync(() => {
      const file = new OperationsFile(":memory:")
      const values = file.perform([
        { tag: "get", id: "a" },
        submission("a", 1),
        { ...submission("b", 1), maxPending: 1 },
        { tag: "begin", id: "a", now: 2 },
        { tag: "begin", id: "a", now: 2 },
        { tag: "counts" }
      ])
      assert.deepStrictEqual(
        values.map((value) => {
          switch (value.tag) {
            case "operation":
              return value.operation
            case "submit":
              return value.outcome._tag
            case "changed":
              return value.changed
            case "counts":
              return value.counts
            default:
              return value.tag
          }
        }),
        [null, "submitted", "many", true, false, { pending: 0, running: 1, total: 1, outputBytes: 0 }]
      )
      file.close()
    })
  )

  it.effect("that fails has done nothing, and the next one counts from what there was", () =>
    Effect.sync(() => {
      const file = new OperationsFile(":memory:")
      file.perform([submission("a", 1)])
      // No whole number: SQLite refuses it for a time.
      assert.throws(() => file.perform([submission("b", 1), { tag: "begin", id: "a", now: 1 }, submission("c", 0.5)]))
      const [counts, b] = file.perform([{ tag: "counts" }, { tag: "get", id: "b" }])
      assert.deepStrictEqual(counts, { tag: "counts", counts: { pending: 1, running: 0, total: 1, outputBytes: 0 } })
      assert.deepStrictEqual(b, { tag: "operation", operation: null })
      file.close()
    })
  )
})

describe("a full disk", () => {
  it.live("refuses what is new, goes on being read, and takes it when there is room", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const disk = yield* smallDisk(folder, 2048)
      const path = join(folder, "operations.sqlite")
      const { store } = yield* openAt(path)
      yield* store.submit(askedOf("a"), 1, many)
      yield* disk.fill()
      let kept = 0
      let refused = yield* Effect.exit(store.submit(askedOf("b0", { input: "x".repeat(9000) }), 1, many))
      while (refused._tag === "Success" && kept < 1000) {
        kept += 1
        refused = yield* Effect.exit(store.submit(askedOf(`b${kept}`, { input: "x".repeat(9000) }), 1, many))
      }
      const error = yield* Effect.flip(refused)
      assert.isTrue(error._tag === "OperationsUnavailable" && error.full)
      assert.deepStrictEqual(yield* countsOf(store), { pending: kept + 1, running: 0, total: kept + 1 })
      assert.isNotNull(yield* store.get("a"))
      yield* disk.free
      yield* store.submit(askedOf("late"), 1, many)
      assert.strictEqual((yield* store.counts).total, kept + 2)
    })
  )

  it.live("has no file yet and gets none until there is room", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const disk = yield* smallDisk(folder, 2048)
      yield* disk.fill()
      const { store } = yield* openAt(join(folder, "operations.sqlite"))
      assert.strictEqual((yield* store.counts).total, 0)
      const error = yield* Effect.flip(store.submit(askedOf("a"), 1, many))
      assert.isTrue(error._tag === "OperationsUnavailable" && error.full)
      assert.strictEqual((yield* store.counts).total, 0)
      yield* disk.free
      yield* store.submit(askedOf("a"), 1, many)
      assert.strictEqual((yield* store.counts).total, 1)
    })
  )

  it.live("as a read-only one refuses, and says so", () =>
    Effect.gen(function* () {
      const fixed = join(yield* temporaryFolder, "fixed")
      yield* promise(() => mkdir(fixed))
      yield* readOnly(fixed)
      const { store } = yield* openAt(join(fixed, "operations.sqlite"))
      assert.strictEqual((yield* store.counts).total, 0)
      const error = yield* Effect.flip(store.submit(askedOf("a"), 1, many))
      assert.isTrue(error._tag === "OperationsUnavailable" && error.full)
    })
  )
})
