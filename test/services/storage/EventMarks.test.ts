import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { EventMarks } from "../../../src/services/storage/EventMarks.ts"
import { EventTable } from "../../../src/services/storage/EventTable.ts"
import { openStore } from "../../../src/services/storage/openStore.ts"
import { toWire } from "../../../src/services/storage/wire.ts"
import { runOf } from "../../harness/events.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"

const opened = Effect.flatMap(temporaryFolder, (folder) =>
  Effect.acquireRelease(
    Effect.sync(() => openStore(folder)),
    (db) => Effect.sync(() => db.close())
  )
)

describe("marks", () => {
  it.effect("are moved with the events, and also without any", () =>
    Effect.gen(function* () {
      const table = new EventTable(yield* opened)
      table.append(toWire([runOf(["a", "b"])]), [
        ["x", "1"],
        ["y", "1"]
      ])
      assert.deepStrictEqual(table.append([], [["x", "2"]]).range, { first: 3, last: 2 })
      assert.strictEqual(table.state().last, 2)
      assert.deepStrictEqual(table.marks.list(), [
        ["x", "2"],
        ["y", "1"]
      ])
    })
  )

  it.effect("stay where they were when the events beside them cannot be stored", () =>
    Effect.gen(function* () {
      const db = yield* opened
      const table = new EventTable(db)
      table.append(toWire([runOf(["a"])]), [["x", "1"]])
      db.exec("CREATE TRIGGER no_more BEFORE UPDATE ON marks BEGIN SELECT raise(ABORT, 'no'); END")
      assert.throws(() => table.append(toWire([runOf(["b"])]), [["x", "2"]]), "no")
      db.exec("DROP TRIGGER no_more; CREATE TRIGGER none BEFORE INSERT ON events BEGIN SELECT raise(ABORT, 'no'); END")
      assert.throws(() => table.append(toWire([runOf(["b"])]), [["x", "2"]]), "no")
      assert.strictEqual(table.state().last, 1)
      assert.deepStrictEqual(table.marks.list(), [["x", "1"]])
    })
  )

  it.effect("are forgotten beyond the bound, those first that were moved the longest ago", () =>
    Effect.gen(function* () {
      const marks = new EventMarks(yield* opened, 2)
      marks.move([["old", "1"]], 1)
      marks.move([["newer", "1"]], 2)
      marks.move([["old", "2"]], 3)
      marks.move([["newest", "1"]], 4)
      assert.deepStrictEqual(marks.list(), [
        ["newest", "1"],
        ["old", "2"]
      ])
    })
  )
})
