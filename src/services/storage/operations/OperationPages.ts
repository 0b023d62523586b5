/**
 * Operations a page at a time, within a transaction of OperationsTables; no Effect here. Of several statuses, each is read
 * in its order from its index, and they are merged: a page costs what it shows, not what there is.
 *
 * Bounds: a page ends early when it weighs `pageTextMax`.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { operationStatuses, type OperationStatus } from "../../operations/statuses.ts"
import type { OperationQuery } from "../../operations/Operations.ts"
import type { StoredOperation } from "./commands.ts"
import { numberOfStatus, operationColumns, toOperation } from "./rows.ts"

/** Characters of inputs and results in one answer: some milliseconds of either thread. */
const pageTextMax = 4 * 1024 * 1024

export interface OperationPage {
  readonly operations: ReadonlyArray<StoredOperation>
  /** It has ended early. */
  readonly cut: boolean
}

interface Shape {
  readonly statuses: ReadonlyArray<OperationStatus>
  readonly kind: string | null
  readonly who: string | null
  readonly order: "ASC" | "DESC"
}

interface Selection extends Shape {
  readonly beyond: number
  readonly limit: number
}

/** Its values: who, kind and the seq beyond which it begins, where they are, for each status; then the limit. */
export const pageSql = ({ kind, order, statuses, who }: Shape): string => {
  const filters = [...(who === null ? [] : ["who = ?"]), ...(kind === null ? [] : ["kind = ?"])]
  const branches = statuses.map((status) => {
    const all = [...filters, `status = ${numberOfStatus(status)}`, `seq ${order === "ASC" ? ">" : "<"} ?`]
    return `SELECT seq FROM operations WHERE ${all.join(" AND ")}`
  })
  const merged = `${branches.join(" UNION ALL ")} ORDER BY seq ${order} LIMIT ?`
  return `SELECT ${operationColumns} FROM operations WHERE seq IN (${merged}) ORDER BY seq ${order}`
}

const childrenSql = `SELECT ${operationColumns} FROM operations WHERE parent = ? AND seq > ? ORDER BY seq LIMIT ?`

export class OperationPages {
  private readonly db: DatabaseSync
  /** By their text, of which there are as many as sets of statuses and filters. */
  private readonly statements = new Map<string, StatementSync>()

  constructor(db: DatabaseSync) {
    this.db = db
  }

  list({ before, kind, limit, statuses, who }: OperationQuery): OperationPage {
    const wanted = operationStatuses.filter((status) => statuses === null || statuses.includes(status))
    const beyond = before ?? Number.MAX_SAFE_INTEGER
    return this.read({ statuses: wanted, kind, who, beyond, order: "DESC", limit })
  }

  unfinished(after: number, limit: number): OperationPage {
    const statuses = ["pending", "running"] as const
    return this.read({ statuses, kind: null, who: null, beyond: after, order: "ASC", limit })
  }

  children(parent: string, after: number, limit: number): OperationPage {
    return this.page(childrenSql, [parent, after, limit])
  }

  private read({ beyond, limit, ...shape }: Selection): OperationPage {
    if (shape.statuses.length === 0 || limit <= 0) return { operations: [], cut: false }
    const { kind, statuses, who } = shape
    const values = [...(who === null ? [] : [who]), ...(kind === null ? [] : [kind]), beyond]
    return this.page(pageSql(shape), [...statuses.flatMap(() => values), limit])
  }

  private page(sql: string, values: ReadonlyArray<string | number>): OperationPage {
    const operations: Array<StoredOperation> = []
    let text = 0
    for (const row of this.prepared(sql).iterate(...values)) {
      const operation = toOperation(row)
      text += operation.input.length + operation.result.length
      if (text > pageTextMax && operations.length > 0) return { operations, cut: true }
      operations.push(operation)
    }
    return { operations, cut: false }
  }

  private prepared(text: string): StatementSync {
    const known = this.statements.get(text)
    if (known !== undefined) return known
    const statement = this.db.prepare(text)
    this.statements.set(text, statement)
    return statement
  }
}
