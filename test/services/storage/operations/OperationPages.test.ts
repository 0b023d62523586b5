import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { operationStatuses } from "../../../../src/services/operations/Operation.ts"
import { inMemory } from "../../../../src/services/storage/databaseFile.ts"
import { pageSql } from "../../../../src/services/storage/operations/OperationPages.ts"
import { operationsSchema } from "../../../../src/services/storage/operations/OperationsSchema.ts"

const empty = () => {
  const db = new DatabaseSync(inMemory)
  for (const step of operationsSchema) db.exec(step)
  return db
}

const subsets = Array.from({ length: 2 ** operationStatuses.length - 1 }, (_, i) =>
  operationStatuses.filter((_status, bit) => ((i + 1) >> bit) % 2 === 1)
)

describe("a page of operations", () => {
  it("is read from the right index in its order, whatever is asked for: nothing is scanned or sorted", () => {
    const db = empty()
    let plans = 0
    for (const statuses of subsets) {
      for (const order of ["ASC", "DESC"] as const) {
        for (const kind of [null, "action"]) {
          for (const who of [null, "ann"]) {
            const sql = pageSql({ statuses, kind, who, order })
            const plan = db
              .prepare(`EXPLAIN QUERY PLAN ${sql}`)
              .all()
              .map((row) => String(row["detail"]))
            const equal = [...(who === null ? [] : ["who=?"]), ...(kind === null ? [] : ["kind=?"]), "status=?"]
            const bound = `(${[...equal, `seq${order === "ASC" ? ">" : "<"}?`].join(" AND ")})`
            const searches = plan.filter((line) => line.includes("USING COVERING INDEX"))
            assert.isTrue(
              searches.length === statuses.length && searches.every((line) => line.endsWith(bound)),
              plan.join("\n")
            )
            assert.notMatch(plan.join("\n"), /SCAN|TEMP B-TREE/u)
            plans += 1
          }
        }
      }
    }
    assert.strictEqual(plans, 31 * 8)
    db.close()
  })
})
