import { mkdir, readFile, truncate, writeFile } from "node:fs/promises"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { levels } from "../../../src/services/events/Event.ts"
import { lockStore, openStore, openStoreReadOnly, storeFile } from "../../../src/services/storage/openStore.ts"
import { faultOf } from "../../../src/services/storage/sqliteFault.ts"
import { auditIndexSchema, EventTable, eventTableSchema } from "../../../src/services/storage/EventTable.ts"
import { toScanRange, toWire } from "../../../src/services/storage/wire.ts"
import { queryOf, runOf } from "../../harness/events.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { faultWhen } from "./faultWhen.ts"

const promise = <A>(work: () => Promise<A>) => Effect.promise(work)

/** A store with ten thousand events, closed. */
const filled = Effect.map(temporaryFolder, (folder) => {
  const db = openStore(folder)
  new EventTable(db).append(toWire([runOf(Array.from({ length: 10_000 }, (_, i) => `event ${i}`))]))
  db.close()
  return folder
})

/** As the first release made them: audit entries were not told from the rest. */
const ofFormat1 = Effect.map(temporaryFolder, (folder) => {
  const db = new DatabaseSync(storeFile(folder))
  db.exec(
    `PRAGMA journal_mode = WAL; ${eventTableSchema} PRAGMA application_id = ${0x73797361}; PRAGMA user_version = 1`
  )
  const insert = db.prepare("INSERT INTO events VALUES (?, 0, 'http', NULL, ?, 'x', NULL)")
  for (let seq = 1; seq <= 10; seq++) insert.run(seq, seq % 5 === 0 ? 4 : 1)
  db.close()
  return folder
})

describe("openStore", () => {
  it.effect("brings a store of the first format up to date, and reads one without", () =>
    Effect.gen(function* () {
      const folder = yield* ofFormat1
      const reader = openStoreReadOnly(folder)
      assert.deepInclude(new EventTable(reader).state(), { first: 1, last: 10, hidden: 0 })
      const all = queryOf({ filters: { levels } })
      assert.strictEqual(new EventTable(reader).scan(toScanRange(all)).rows.length, 10)
      reader.close()
      const db = openStore(folder)
      const table = new EventTable(db)
      assert.deepInclude(table.state(), { first: 1, last: 10, hidden: 2 })
      const audits = table.scan(toScanRange(queryOf({ filters: { levels: ["audit"] } }))).rows
      assert.deepStrictEqual(
        audits.map(([seq]) => seq),
        [5, 10]
      )
      db.close()
    })
  )

  it.effect("reads a store of the second format, which has no marks, and gives it some", () =>
    Effect.gen(function* () {
      const folder = yield* ofFormat1
      const old = new DatabaseSync(storeFile(folder))
      old.exec(`${auditIndexSchema} PRAGMA user_version = 2`)
      old.close()
      const reader = openStoreReadOnly(folder)
      assert.deepInclude(new EventTable(reader).state(), { first: 1, last: 10, hidden: 2 })
      reader.close()
      const db = openStore(folder)
      const table = new EventTable(db)
      assert.deepStrictEqual(table.marks.list(), [])
      assert.deepStrictEqual(table.append(toWire([runOf(["a"])]), [["journal:a", "1"]]).range, { first: 11, last: 11 })
      db.close()
      const again = openStore(folder)
      assert.deepStrictEqual(new EventTable(again).marks.list(), [["journal:a", "1"]])
      again.close()
    })
  )

  it.effect("makes a store that says what it is, and opens it again", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      openStore(folder).close()
      const db = openStore(folder)
      const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
      assert.deepStrictEqual(
        [pragma("application_id"), pragma("user_version"), pragma("journal_mode"), pragma("synchronous")],
        [0x73797361, 3, "wal", 2]
      )
      db.close()
    })
  )

  it.effect("takes an empty file, which a crash may have left, for a new store", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* promise(() => writeFile(storeFile(folder), ""))
      const db = openStore(folder)
      assert.strictEqual(new EventTable(db).state().last, 0)
      db.close()
    })
  )

  it.effect("refuses the database of another program and leaves it as it is", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const foreign = new DatabaseSync(storeFile(folder))
      foreign.exec("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('mine')")
      foreign.close()
      const before = yield* promise(() => readFile(storeFile(folder)))
      assert.deepStrictEqual(
        faultWhen(() => openStore(folder)),
        { kind: "corrupt", reason: "it is a database of another program" }
      )
      assert.isTrue(before.equals(yield* promise(() => readFile(storeFile(folder)))))
    })
  )

  it.effect("refuses a format it does not know yet", () =>
    Effect.gen(function* () {
      const folder = yield* filled
      const newer = new DatabaseSync(storeFile(folder))
      newer.exec("PRAGMA user_version = 99")
      newer.close()
      assert.deepStrictEqual(
        faultWhen(() => openStore(folder)),
        { kind: "corrupt", reason: "its format is 99, this systemapi knows formats up to 3" }
      )
    })
  )

  it.effect("refuses a file whose header is damaged and leaves it as it is", () =>
    Effect.gen(function* () {
      const folder = yield* filled
      const damaged = yield* promise(() => readFile(storeFile(folder)))
      damaged.write("this is no database!", 0)
      yield* promise(() => writeFile(storeFile(folder), damaged))
      assert.strictEqual(faultWhen(() => openStore(folder)).kind, "corrupt")
      assert.isTrue(damaged.equals(yield* promise(() => readFile(storeFile(folder)))))
    })
  )

  it.effect("tells of a file that was cut when it is read", () =>
    Effect.gen(function* () {
      const folder = yield* filled
      yield* promise(() => truncate(storeFile(folder), 8192))
      const fault = faultWhen(() => {
        const db = openStore(folder)
        try {
          return new EventTable(db)
        } finally {
          db.close()
        }
      })
      assert.strictEqual(fault.kind, "corrupt")
    })
  )

  it.effect("tells of a folder where the file should be", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* promise(() => mkdir(storeFile(folder)))
      const { kind, reason } = faultWhen(() => openStore(folder))
      assert.deepStrictEqual([kind, reason], ["failed", "unable to open database file"])
    })
  )
})

describe("openStoreReadOnly", () => {
  it.effect("reads beside a writer and cannot write", () =>
    Effect.gen(function* () {
      const folder = yield* filled
      const writer = openStore(folder)
      new EventTable(writer).append(toWire([runOf(["while open"])]))
      const reader = openStoreReadOnly(folder)
      assert.strictEqual(new EventTable(reader).state().last, 10_001)
      const fault = faultWhen(() => reader.exec("DELETE FROM events"))
      assert.strictEqual(fault.kind, "full")
      reader.close()
      writer.close()
    })
  )
})

describe("lockStore", () => {
  it.effect("is held by one, until that one closes it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const lock = lockStore(folder)
      assert.strictEqual(faultWhen(() => lockStore(folder)).kind, "busy")
      lock.close()
      lockStore(folder).close()
    })
  )
})

describe("faultOf", () => {
  const cases = [
    [5, "busy"],
    [261, "busy"],
    [8, "full"],
    [776, "full"],
    [13, "full"],
    [778, "full"],
    [1546, "full"],
    [10, "lost"],
    [266, "lost"],
    [1034, "lost"],
    [11, "corrupt"],
    [267, "corrupt"],
    [26, "corrupt"],
    [1, "failed"],
    [14, "failed"],
    [19, "failed"]
  ] as const
  for (const [errcode, kind] of cases) {
    it(`takes SQLite's ${errcode} for ${kind}`, () => {
      assert.strictEqual(faultOf(Object.assign(new Error("as SQLite says"), { errcode })).kind, kind)
    })
  }

  it("takes what is no error of SQLite for a failure with its words", () => {
    assert.deepStrictEqual(faultOf(new TypeError("bug")), { kind: "failed", reason: "bug" })
    assert.deepStrictEqual(faultOf("text"), { kind: "failed", reason: "text" })
  })
})
