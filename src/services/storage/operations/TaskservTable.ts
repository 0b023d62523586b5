/**
 * Task services, within a transaction of OperationsTables; no Effect here. As with servers, one that the same operation
 * has added before is added.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { Taskserv } from "../../provisioning/Inventory.ts"
import { namesOf, numberOf, textOf } from "../columns.ts"
import type { AddOutcome, TaskservChange } from "./commands.ts"
import { provisionStatusOf, type Row } from "./rows.ts"
import type { WorkspaceTable } from "./WorkspaceTable.ts"

/** As servers. */
const taskservsMax = 100_000

export class TaskservTable {
  private readonly workspaces: WorkspaceTable
  private readonly insert: StatementSync
  private readonly all: StatementSync
  private readonly one: StatementSync
  private readonly same: StatementSync
  private readonly count: StatementSync
  private readonly update: StatementSync
  private readonly delete: StatementSync

  constructor(db: DatabaseSync, workspaces: WorkspaceTable) {
    this.workspaces = workspaces
    const columns = "id, workspace, name, servers, status, operation, created_at, updated_at"
    this.insert = db.prepare(`INSERT INTO taskservs (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
    this.all = db.prepare(`SELECT ${columns} FROM taskservs ORDER BY number`)
    this.one = db.prepare(`SELECT ${columns} FROM taskservs WHERE id = ?`)
    this.same = db.prepare(
      `SELECT id, workspace, name, operation FROM taskservs WHERE id = ?1 OR (workspace = ?2 AND name = ?3)`
    )
    this.count = db.prepare(`SELECT count(*) AS n FROM taskservs`)
    this.update = db.prepare(`UPDATE taskservs SET status = ?2, operation = ?3, updated_at = ?4 WHERE id = ?1`)
    this.delete = db.prepare(`DELETE FROM taskservs WHERE id = ?`)
  }

  /** In the order in which they were made. */
  read(id: string | null): ReadonlyArray<Taskserv> {
    return (id === null ? this.all.all() : this.one.all(id)).map(toTaskserv)
  }

  add(taskserv: Taskserv): AddOutcome {
    const { createdAt, id, name, operation, servers, status, updatedAt, workspace } = taskserv
    const [there] = this.same.all(id, workspace, name)
    if (there !== undefined) return isSame(there, taskserv) ? "added" : "there"
    if (numberOf(this.count.get()?.["n"]) >= taskservsMax) return "full"
    if (!this.workspaces.ensure(workspace, operation, createdAt)) return "full"
    this.insert.run(id, workspace, name, JSON.stringify(servers), status, operation, createdAt, updatedAt)
    return "added"
  }

  change(id: string, change: TaskservChange, now: number): boolean {
    const [before] = this.read(id)
    if (before === undefined) return false
    const { operation, status } = { ...before, ...change }
    this.update.run(id, status, operation, now)
    return true
  }

  remove(id: string): boolean {
    return this.delete.run(id).changes > 0
  }
}

const isSame = (row: Row, { id, name, operation, workspace }: Taskserv): boolean =>
  row["id"] === id && row["workspace"] === workspace && row["name"] === name && row["operation"] === operation

const toTaskserv = (row: Row): Taskserv => ({
  id: textOf(row["id"]),
  workspace: textOf(row["workspace"]),
  name: textOf(row["name"]),
  servers: namesOf(row["servers"]),
  status: provisionStatusOf(textOf(row["status"])),
  operation: textOf(row["operation"]),
  createdAt: numberOf(row["created_at"]),
  updatedAt: numberOf(row["updated_at"])
})
