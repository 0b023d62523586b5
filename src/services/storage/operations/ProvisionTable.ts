/**
 * Things of one kind that are provisioned, within a transaction of OperationsTables; no Effect here. What the same
 * operation has added before is added: it may not have learnt of it.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import { numberOf } from "../columns.ts"
import type { AddOutcome, RenameOutcome } from "./commands.ts"
import type { Row } from "./rows.ts"
import type { WorkspaceTable } from "./WorkspaceTable.ts"

/** Of a kind: some ten megabytes, and a second's work for a list of them. */
const thingsMax = 100_000

interface Provisioned {
  readonly id: string
  readonly workspace: string
  readonly operation: string
  readonly createdAt: number
}

export interface ProvisionFormat<A extends Provisioned> {
  readonly table: string
  /** The first is `id`. */
  readonly columns: ReadonlyArray<string>
  /** The column that is unique within the workspace. */
  readonly name: string
  readonly nameOf: (thing: A) => string
  /** In the order of the columns. */
  readonly toValues: (thing: A) => ReadonlyArray<SQLInputValue>
  readonly toThing: (row: Row) => A
}

export class ProvisionTable<A extends Provisioned> {
  private readonly format: ProvisionFormat<A>
  private readonly workspaces: WorkspaceTable
  private readonly insert: StatementSync
  private readonly all: StatementSync
  private readonly one: StatementSync
  private readonly same: StatementSync
  private readonly count: StatementSync
  private readonly update: StatementSync
  private readonly delete: StatementSync

  constructor(db: DatabaseSync, workspaces: WorkspaceTable, format: ProvisionFormat<A>) {
    this.format = format
    this.workspaces = workspaces
    const { columns, name, table } = format
    const names = columns.join()
    this.insert = db.prepare(`INSERT INTO ${table} (${names}) VALUES (${columns.map(() => "?").join()})`)
    this.all = db.prepare(`SELECT ${names} FROM ${table} ORDER BY number`)
    this.one = db.prepare(`SELECT ${names} FROM ${table} WHERE id = ?`)
    this.same = db.prepare(`SELECT ${names} FROM ${table} WHERE id = ?1 OR (workspace = ?2 AND ${name} = ?3)`)
    this.count = db.prepare(`SELECT count(*) AS n FROM ${table}`)
    this.update = db.prepare(`UPDATE ${table} SET (${names}) = (${columns.map(() => "?").join()}) WHERE id = ?`)
    this.delete = db.prepare(`DELETE FROM ${table} WHERE id = ?`)
  }

  /** All, in the order in which they were made, or the one of that id. */
  read(id: string | null): ReadonlyArray<A> {
    return (id === null ? this.all.all() : this.one.all(id)).map(this.format.toThing)
  }

  add(thing: A): AddOutcome {
    const { createdAt, id, operation, workspace } = thing
    const { nameOf, toThing, toValues } = this.format
    const name = nameOf(thing)
    const [row] = this.same.all(id, workspace, name)
    if (row !== undefined) {
      const there = toThing(row)
      const isSame = there.id === id && there.workspace === workspace && nameOf(there) === name
      return isSame && there.operation === operation ? "added" : "there"
    }
    if (numberOf(this.count.get()?.["n"]) >= thingsMax) return "full"
    if (!this.workspaces.ensure(workspace, operation, createdAt)) return "full"
    this.insert.run(...toValues(thing))
    return "added"
  }

  change(id: string, change: Partial<A>): RenameOutcome {
    const [before] = this.read(id)
    if (before === undefined) return "none"
    const after = { ...before, ...change }
    if (after.id !== id && this.one.get(after.id) !== undefined) return "there"
    this.update.run(...this.format.toValues(after), id)
    return "changed"
  }

  remove(id: string): boolean {
    return this.delete.run(id).changes > 0
  }
}
