/**
 * Workspaces, within a transaction of OperationsTables; no Effect here. There is no way to remove one yet, so their
 * Idempotency-Keys are good for ever.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import type { Idempotency } from "../../operations/Operation.ts"
import type { Workspace } from "../../provisioning/Inventory.ts"
import { numberOf, textOf } from "../columns.ts"
import type { Row } from "./rows.ts"

/** Some megabytes; a list of them is one answer. */
const workspacesMax = 10_000

export interface KeyedWorkspace {
  readonly workspace: Workspace
  readonly fingerprint: string
}

export class WorkspaceTable {
  private readonly insert: StatementSync
  private readonly all: StatementSync
  private readonly one: StatementSync
  private readonly keyed: StatementSync
  private readonly count: StatementSync
  private readonly asker: StatementSync

  constructor(db: DatabaseSync) {
    const columns = "name, description, who, created_at, owner, idempotency_key, fingerprint"
    this.insert = db.prepare(`INSERT INTO workspaces (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)`)
    this.all = db.prepare(`SELECT ${columns} FROM workspaces ORDER BY number`)
    this.one = db.prepare(`SELECT 1 FROM workspaces WHERE name = ?`)
    this.keyed = db.prepare(`SELECT ${columns} FROM workspaces WHERE owner = ? AND idempotency_key = ?`)
    this.count = db.prepare(`SELECT count(*) AS n FROM workspaces`)
    this.asker = db.prepare(`SELECT who FROM operations WHERE id = ?`)
  }

  /** In the order in which they were made. */
  read(): ReadonlyArray<Workspace> {
    return this.all.all().map(toWorkspace)
  }

  keptFor({ key, owner }: Idempotency): KeyedWorkspace | undefined {
    const row = this.keyed.get(owner, key)
    return row === undefined ? undefined : { workspace: toWorkspace(row), fingerprint: textOf(row["fingerprint"]) }
  }

  isThere(name: string): boolean {
    return this.one.get(name) !== undefined
  }

  isFull(): boolean {
    return numberOf(this.count.get()?.["n"]) >= workspacesMax
  }

  add({ createdAt, description, name, who }: Workspace, idempotency: Idempotency | null): void {
    const { fingerprint = null, key = null, owner = null } = idempotency ?? {}
    this.insert.run(name, description, who, createdAt, owner, key, fingerprint)
  }

  /** The one that something is made in; who asked for that is who made it. False: there is no room for another. */
  ensure(name: string, operation: string, now: number): boolean {
    if (this.isThere(name)) return true
    if (this.isFull()) return false
    const row = this.asker.get(operation)
    const who = row === undefined ? "anonymous" : textOf(row["who"])
    this.add({ name, description: "", who, createdAt: now }, null)
    return true
  }
}

const toWorkspace = (row: Row): Workspace => ({
  name: textOf(row["name"]),
  description: textOf(row["description"]),
  who: textOf(row["who"]),
  createdAt: numberOf(row["created_at"])
})
