/**
 * What is asked of the operations file and what it answers, between the main thread and the storage worker, or within
 * one thread. Both ends are this program in the same version, so these are types, not schemas.
 *
 * JSON crosses as text: the worker stores it as it is.
 */
import type { FinalStatus, Idempotency, NewOperation, Operation } from "../../operations/Operation.ts"
import type { OperationCounts, OperationQuery } from "../../operations/Operations.ts"
import type { JournalEntry, OperationRetention } from "../../operations/OperationStore.ts"
import type { Server, Taskserv, Workspace } from "../../provisioning/Inventory.ts"

export interface StoredRequest extends Omit<NewOperation, "input"> {
  readonly input: string
}

export interface StoredOperation extends Omit<Operation, "input" | "result" | "error"> {
  readonly input: string
  readonly result: string
  readonly error: string | null
}

export interface StoredEntry extends Omit<JournalEntry, "exit"> {
  /** Null: it has not ended. */
  readonly exit: string | null
}

export interface StoredOutput {
  readonly bytes: number
  readonly stdoutBytes: number
  readonly stderrBytes: number
  readonly sha256: string
  /** As operations/outputBytes.ts has it. */
  readonly segments: Uint8Array
}

export type ServerChange = Partial<Pick<Server, "id" | "ipAddress" | "status" | "operation" | "zone">>

export type TaskservChange = Partial<Pick<Taskserv, "status" | "operation">>

export type OperationsCommand =
  | { readonly tag: "submit"; readonly operation: StoredRequest; readonly now: number; readonly maxPending: number }
  | { readonly tag: "begin"; readonly id: string; readonly now: number }
  | {
      readonly tag: "progress"
      readonly id: string
      readonly fraction: number | null
      readonly text: string | null
      readonly now: number
    }
  | {
      readonly tag: "end"
      readonly id: string
      readonly status: FinalStatus
      readonly result: string
      readonly error: string | null
      readonly output: StoredOutput | null
      readonly now: number
    }
  | { readonly tag: "cancel"; readonly id: string; readonly who: string; readonly now: number }
  | { readonly tag: "get"; readonly id: string }
  | { readonly tag: "list"; readonly query: OperationQuery }
  | { readonly tag: "unfinished"; readonly after: number; readonly limit: number }
  | { readonly tag: "children"; readonly parent: string; readonly after: number; readonly limit: number }
  | { readonly tag: "counts" }
  | { readonly tag: "journal"; readonly operation: string }
  | { readonly tag: "note"; readonly entry: StoredEntry }
  | { readonly tag: "output"; readonly id: string }
  | { readonly tag: "keep-output"; readonly id: string; readonly output: StoredOutput }
  | { readonly tag: "prune"; readonly limits: OperationRetention; readonly now: number }
  /** All, or the one of that id. */
  | { readonly tag: "servers"; readonly id: string | null }
  | { readonly tag: "add-server"; readonly server: Server }
  | { readonly tag: "change-server"; readonly id: string; readonly change: ServerChange; readonly now: number }
  | { readonly tag: "remove-server"; readonly id: string }
  | { readonly tag: "taskservs"; readonly id: string | null }
  | { readonly tag: "add-taskserv"; readonly taskserv: Taskserv }
  | { readonly tag: "change-taskserv"; readonly id: string; readonly change: TaskservChange; readonly now: number }
  | { readonly tag: "remove-taskserv"; readonly id: string }
  | { readonly tag: "workspaces" }
  | { readonly tag: "add-workspace"; readonly workspace: Workspace; readonly idempotency: Idempotency | null }

export type SubmitOutcome =
  | { readonly _tag: "submitted"; readonly operation: StoredOperation; readonly replayed: boolean }
  | { readonly _tag: "many"; readonly pending: number }
  | { readonly _tag: "conflict" }

/** `full`: as many are kept as may be. */
export type AddOutcome = "added" | "there" | "full"

/** `there`: another has the id that it was to take. */
export type RenameOutcome = "changed" | "none" | "there"

export type WorkspaceOutcome =
  | { readonly _tag: "made"; readonly workspace: Workspace; readonly replayed: boolean }
  | { readonly _tag: "there" | "full" | "conflict" }

export type OperationsValue =
  | { readonly tag: "submit"; readonly outcome: SubmitOutcome }
  /** Whether there was something to change. */
  | { readonly tag: "changed"; readonly changed: boolean }
  | { readonly tag: "renamed"; readonly outcome: RenameOutcome }
  | { readonly tag: "operation"; readonly operation: StoredOperation | null }
  /** `cut`: there are more, which were left out for their size. */
  | { readonly tag: "operations"; readonly operations: ReadonlyArray<StoredOperation>; readonly cut: boolean }
  | { readonly tag: "counts"; readonly counts: OperationCounts }
  | { readonly tag: "journal"; readonly entries: ReadonlyArray<StoredEntry> }
  | { readonly tag: "output"; readonly output: StoredOutput | null }
  | { readonly tag: "pruned"; readonly more: boolean }
  | { readonly tag: "servers"; readonly servers: ReadonlyArray<Server> }
  | { readonly tag: "taskservs"; readonly taskservs: ReadonlyArray<Taskserv> }
  | { readonly tag: "workspaces"; readonly workspaces: ReadonlyArray<Workspace> }
  | { readonly tag: "added"; readonly outcome: AddOutcome }
  | { readonly tag: "workspace"; readonly outcome: WorkspaceOutcome }

const reading: ReadonlySet<OperationsCommand["tag"]> = new Set([
  "get",
  "list",
  "unfinished",
  "children",
  "counts",
  "journal",
  "output",
  "servers",
  "taskservs",
  "workspaces"
])

export const isChange = ({ tag }: OperationsCommand): boolean => !reading.has(tag)

const nothing: OperationsValue = { tag: "changed", changed: false }

/** What a store answers in which nothing was ever put; undefined: this would be the first. */
export const ofNothing = ({ tag }: OperationsCommand): OperationsValue | undefined => {
  switch (tag) {
    case "submit":
    case "add-server":
    case "add-taskserv":
    case "add-workspace":
      return undefined
    case "begin":
    case "progress":
    case "end":
    case "note":
    case "keep-output":
    case "remove-server":
    case "change-taskserv":
    case "remove-taskserv":
      return nothing
    case "change-server":
      return { tag: "renamed", outcome: "none" }
    case "get":
    case "cancel":
      return { tag: "operation", operation: null }
    case "list":
    case "unfinished":
    case "children":
      return { tag: "operations", operations: [], cut: false }
    case "counts":
      return { tag: "counts", counts: { pending: 0, running: 0, total: 0, outputBytes: 0 } }
    case "journal":
      return { tag: "journal", entries: [] }
    case "output":
      return { tag: "output", output: null }
    case "prune":
      return { tag: "pruned", more: false }
    case "servers":
      return { tag: "servers", servers: [] }
    case "taskservs":
      return { tag: "taskservs", taskservs: [] }
    case "workspaces":
      return { tag: "workspaces", workspaces: [] }
  }
}
