/**
 * What can be done to the operations file: so many commands at once in one transaction, each answered for itself. What
 * the rules refuse is an answer; a fault undoes all of them. Runs in the storage worker and in tests; no Effect here.
 */
import type { DatabaseSync } from "node:sqlite"
import type { Idempotency, OperationFault } from "../../operations/Operation.ts"
import type { Server, Taskserv, Workspace } from "../../provisioning/Inventory.ts"
import { rollback } from "../rollback.ts"
import {
  isChange,
  type OperationsCommand,
  type OperationsValue,
  type StoredOperation,
  type SubmitOutcome,
  type WorkspaceOutcome
} from "./commands.ts"
import { JournalTable } from "./JournalTable.ts"
import { OperationPages } from "./OperationPages.ts"
import { OperationPruning } from "./OperationPruning.ts"
import { type FinalState, OperationTable, type Unfinished } from "./OperationTable.ts"
import { OutputTable } from "./OutputTable.ts"
import { serverFormat, taskservFormat } from "./provisions.ts"
import { ProvisionTable } from "./ProvisionTable.ts"
import { Tally } from "./Tally.ts"
import { WorkspaceTable } from "./WorkspaceTable.ts"

type Of<T extends OperationsCommand["tag"]> = Extract<OperationsCommand, { readonly tag: T }>

export class OperationsTables {
  private readonly db: DatabaseSync
  private readonly tally: Tally
  private readonly operations: OperationTable
  private readonly pages: OperationPages
  private readonly journal: JournalTable
  private readonly outputs: OutputTable
  private readonly pruning: OperationPruning
  private readonly workspaces: WorkspaceTable
  private readonly servers: ProvisionTable<Server>
  private readonly taskservs: ProvisionTable<Taskserv>

  constructor(db: DatabaseSync) {
    this.db = db
    this.tally = new Tally(db)
    this.operations = new OperationTable(db, this.tally)
    this.pages = new OperationPages(db)
    this.journal = new JournalTable(db)
    this.outputs = new OutputTable(db, this.tally)
    this.pruning = new OperationPruning(db, this.tally, this.outputs)
    this.workspaces = new WorkspaceTable(db)
    this.servers = new ProvisionTable(db, this.workspaces, serverFormat)
    this.taskservs = new ProvisionTable(db, this.workspaces, taskservFormat)
  }

  /** An answer for each, in their order; each sees what those before it did. */
  perform(commands: ReadonlyArray<OperationsCommand>): ReadonlyArray<OperationsValue> {
    const { db, tally } = this
    db.exec(commands.some(isChange) ? "BEGIN IMMEDIATE" : "BEGIN")
    try {
      tally.read()
      const values = commands.map((command) => this.apply(command))
      tally.write()
      // Without a change it costs no fsync.
      db.exec("COMMIT")
      return values
    } catch (error) {
      rollback(db)
      throw error
    }
  }

  private apply(command: OperationsCommand): OperationsValue {
    const { operations } = this
    switch (command.tag) {
      case "submit":
        return { tag: "submit", outcome: this.submit(command) }
      case "begin":
        return changed(operations.begin(command.id, command.now))
      case "progress":
        return changed(operations.progress(command.id, command.fraction, command.text, command.now))
      case "end":
        return changed(this.end(command))
      case "cancel":
        return { tag: "operation", operation: this.cancel(command) }
      case "get":
        return { tag: "operation", operation: operations.get(command.id) }
      case "list":
        return { tag: "operations", ...this.pages.list(command.query) }
      case "unfinished":
        return { tag: "operations", ...this.pages.unfinished(command.after, command.limit) }
      case "children":
        return { tag: "operations", ...this.pages.children(command.parent, command.after, command.limit) }
      case "counts": {
        const { outputBytes, pending, running, total } = this.tally
        return { tag: "counts", counts: { pending, running, total, outputBytes } }
      }
      case "journal":
        return { tag: "journal", entries: this.journal.of(command.operation) }
      case "note": {
        const { entry } = command
        return this.ofUnfinished(entry.operation, (seq) => this.journal.note(seq, entry))
      }
      case "output":
        return { tag: "output", output: this.outputs.of(command.id) }
      case "keep-output":
        return this.ofUnfinished(command.id, (seq) => this.outputs.keep(seq, command.output))
      case "prune":
        return { tag: "pruned", more: this.pruning.prune(command.limits, command.now) }
      case "servers":
        return { tag: "servers", servers: this.servers.read(command.id) }
      case "add-server":
        return { tag: "added", outcome: this.servers.add(command.server) }
      case "change-server":
        return {
          tag: "renamed",
          outcome: this.servers.change(command.id, { ...command.change, updatedAt: command.now })
        }
      case "remove-server":
        return changed(this.servers.remove(command.id))
      case "taskservs":
        return { tag: "taskservs", taskservs: this.taskservs.read(command.id) }
      case "add-taskserv":
        return { tag: "added", outcome: this.taskservs.add(command.taskserv) }
      case "change-taskserv":
        return changed(this.taskservs.change(command.id, { ...command.change, updatedAt: command.now }) === "changed")
      case "remove-taskserv":
        return changed(this.taskservs.remove(command.id))
      case "workspaces":
        return { tag: "workspaces", workspaces: this.workspaces.read() }
      case "add-workspace":
        return { tag: "workspace", outcome: this.addWorkspace(command.workspace, command.idempotency) }
    }
  }

  private submit({ maxPending, now, operation }: Of<"submit">): SubmitOutcome {
    const { idempotency } = operation
    if (idempotency !== null) {
      const known = this.operations.keptFor(idempotency)
      if (known !== undefined) {
        return known.idempotency?.fingerprint === idempotency.fingerprint
          ? { _tag: "submitted", operation: known, replayed: true }
          : { _tag: "conflict" }
      }
      // A key stands for one request, whatever that made.
      if (this.workspaces.keptFor(idempotency) !== undefined) return { _tag: "conflict" }
    }
    const { pending } = this.tally
    if (pending >= maxPending) return { _tag: "many", pending }
    return { _tag: "submitted", ...this.operations.add(operation, now) }
  }

  private end({ error, id, now, output, result, status }: Of<"end">): boolean {
    const found = this.operations.unfinished(id)
    if (found === undefined) return false
    if (output !== null) this.outputs.keep(found.seq, output)
    this.over(found, { status, result, error }, now)
    return true
  }

  /** One that waits has ended with it. */
  private cancel({ id, now, who }: Of<"cancel">): StoredOperation | null {
    const found = this.operations.unfinished(id)
    if (found !== undefined) {
      this.operations.wishCancelled(found, who, now)
      if (found.isPending) {
        const error: OperationFault = { code: "cancelled", message: `cancelled by ${who} before it began` }
        this.over(found, { status: "cancelled", result: "null", error: JSON.stringify(error) }, now)
      }
    }
    return this.operations.get(id)
  }

  private over(found: Unfinished, state: FinalState, now: number): void {
    this.outputs.ended(found.seq, this.operations.end(found, state, now))
    this.journal.remove(found.seq)
  }

  /** What comes after the end is of no use to anybody. */
  private ofUnfinished(id: string, change: (seq: number) => void): OperationsValue {
    const found = this.operations.unfinished(id)
    if (found !== undefined) change(found.seq)
    return changed(found !== undefined)
  }

  private addWorkspace(workspace: Workspace, idempotency: Idempotency | null): WorkspaceOutcome {
    if (idempotency !== null) {
      const known = this.workspaces.keptFor(idempotency)
      if (known !== undefined) {
        return known.fingerprint === idempotency.fingerprint
          ? { _tag: "made", workspace: known.workspace, replayed: true }
          : { _tag: "conflict" }
      }
      if (this.operations.keptFor(idempotency) !== undefined) return { _tag: "conflict" }
    }
    if (this.workspaces.isThere(workspace.name)) return { _tag: "there" }
    if (this.workspaces.isFull()) return { _tag: "full" }
    this.workspaces.add(workspace, idempotency)
    return { _tag: "made", workspace, replayed: false }
  }
}

const changed = (isChanged: boolean): OperationsValue => ({ tag: "changed", changed: isChanged })
