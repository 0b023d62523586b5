/**
 * Servers, within a transaction of OperationsTables; no Effect here. One that the same operation has added before is
 * added: the operation may not have learnt of it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { Server } from "../../provisioning/Inventory.ts"
import { namesOf, numberOf, textOf, textOrNone } from "../columns.ts"
import type { AddOutcome, RenameOutcome, ServerChange } from "./commands.ts"
import { provisionStatusOf, type Row } from "./rows.ts"
import type { WorkspaceTable } from "./WorkspaceTable.ts"

/** Some ten megabytes, and a second's work for a list of them. */
const serversMax = 100_000

export class ServerTable {
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
    const columns =
      "id, workspace, hostname, provider, plan, zone, ip_address, status, tags, operation, created_at, updated_at"
    this.insert = db.prepare(`INSERT INTO servers (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
    this.all = db.prepare(`SELECT ${columns} FROM servers ORDER BY number`)
    this.one = db.prepare(`SELECT ${columns} FROM servers WHERE id = ?`)
    this.same = db.prepare(
      `SELECT id, workspace, hostname, operation FROM servers WHERE id = ?1 OR (workspace = ?2 AND hostname = ?3)`
    )
    this.count = db.prepare(`SELECT count(*) AS n FROM servers`)
    this.update = db.prepare(
      `UPDATE servers SET zone = ?2, ip_address = ?3, status = ?4, operation = ?5, updated_at = ?6, id = ?7 WHERE id = ?1`
    )
    this.delete = db.prepare(`DELETE FROM servers WHERE id = ?`)
  }

  /** In the order in which they were made. */
  read(id: string | null): ReadonlyArray<Server> {
    return (id === null ? this.all.all() : this.one.all(id)).map(toServer)
  }

  add(server: Server): AddOutcome {
    const { createdAt, hostname, id, ipAddress, operation, plan, provider, status, tags, updatedAt, workspace, zone } =
      server
    const [there] = this.same.all(id, workspace, hostname)
    if (there !== undefined) return isSame(there, server) ? "added" : "there"
    if (numberOf(this.count.get()?.["n"]) >= serversMax) return "full"
    if (!this.workspaces.ensure(workspace, operation, createdAt)) return "full"
    const where = [id, workspace, hostname]
    const what = [provider, plan, zone, ipAddress, status, JSON.stringify(tags)]
    this.insert.run(...where, ...what, operation, createdAt, updatedAt)
    return "added"
  }

  change(id: string, change: ServerChange, now: number): RenameOutcome {
    const [before] = this.read(id)
    if (before === undefined) return "none"
    const after = { ...before, ...change }
    if (after.id !== id && this.one.get(after.id) !== undefined) return "there"
    this.update.run(id, after.zone, after.ipAddress, after.status, after.operation, now, after.id)
    return "changed"
  }

  remove(id: string): boolean {
    return this.delete.run(id).changes > 0
  }
}

const isSame = (row: Row, { hostname, id, operation, workspace }: Server): boolean =>
  row["id"] === id && row["workspace"] === workspace && row["hostname"] === hostname && row["operation"] === operation

const toServer = (row: Row): Server => ({
  id: textOf(row["id"]),
  workspace: textOf(row["workspace"]),
  hostname: textOf(row["hostname"]),
  provider: textOf(row["provider"]),
  plan: textOf(row["plan"]),
  zone: textOrNone(row["zone"]) ?? null,
  ipAddress: textOrNone(row["ip_address"]) ?? null,
  status: provisionStatusOf(textOf(row["status"])),
  tags: namesOf(row["tags"]),
  operation: textOf(row["operation"]),
  createdAt: numberOf(row["created_at"]),
  updatedAt: numberOf(row["updated_at"])
})
