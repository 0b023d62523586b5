/**
 * What is provisioned: servers, task services and the workspaces they are in. Durable when a change succeeds; kept in the
 * same file as operations, in the storage thread.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Idempotency } from "../operations/Operation.ts"
import type { IdempotencyConflict, OperationsUnavailable } from "../operations/Operations.ts"

/** There is one of that name. */
export class AlreadyProvisioned extends Schema.TaggedError<AlreadyProvisioned>()("AlreadyProvisioned", {
  what: Schema.String
}) {
  override get message() {
    return `${this.what} is there already`
  }
}

export interface Workspace {
  readonly name: string
  readonly description: string
  /** Whom the log names; it is made by the first thing that is made in it, too. */
  readonly who: string
  readonly createdAt: number
}

export type ProvisionStatus = "creating" | "running" | "failed" | "deleting"

export interface Server {
  /** `srv-` and random letters and digits, or what the provider calls it. */
  readonly id: string
  readonly workspace: string
  /** Unique within the workspace. */
  readonly hostname: string
  readonly provider: string
  readonly plan: string
  readonly zone: string | null
  readonly ipAddress: string | null
  readonly status: ProvisionStatus
  readonly tags: ReadonlyArray<string>
  /** The operation that changed it last. */
  readonly operation: string
  readonly createdAt: number
  readonly updatedAt: number
}

export interface Taskserv {
  /** `tsk-` and random letters and digits. */
  readonly id: string
  readonly workspace: string
  /** Unique within the workspace. */
  readonly name: string
  /** Host names. */
  readonly servers: ReadonlyArray<string>
  readonly status: ProvisionStatus
  readonly operation: string
  readonly createdAt: number
  readonly updatedAt: number
}

export class Inventory extends Context.Service<
  Inventory,
  {
    readonly servers: Effect.Effect<ReadonlyArray<Server>, OperationsUnavailable>
    readonly server: (id: string) => Effect.Effect<Server | null, OperationsUnavailable>
    /**
     * Its workspace is made where there is none; fails where another server has the host name or the id. Of one that the
     * same operation has added before it is done already: after a restart that need not be known.
     */
    readonly addServer: (server: Server) => Effect.Effect<void, AlreadyProvisioned | OperationsUnavailable>
    /**
     * False: there is none. The provider may name it otherwise than we did: the change of its id and of the rest is one;
     * fails where another server has that id.
     */
    readonly changeServer: (
      id: string,
      change: Partial<Pick<Server, "id" | "ipAddress" | "status" | "operation" | "zone">>,
      now: number
    ) => Effect.Effect<boolean, AlreadyProvisioned | OperationsUnavailable>
    readonly removeServer: (id: string) => Effect.Effect<boolean, OperationsUnavailable>
    readonly taskservs: Effect.Effect<ReadonlyArray<Taskserv>, OperationsUnavailable>
    readonly taskserv: (id: string) => Effect.Effect<Taskserv | null, OperationsUnavailable>
    /** As `addServer`. */
    readonly addTaskserv: (taskserv: Taskserv) => Effect.Effect<void, AlreadyProvisioned | OperationsUnavailable>
    readonly changeTaskserv: (
      id: string,
      change: Partial<Pick<Taskserv, "status" | "operation">>,
      now: number
    ) => Effect.Effect<boolean, OperationsUnavailable>
    readonly removeTaskserv: (id: string) => Effect.Effect<boolean, OperationsUnavailable>
    readonly workspaces: Effect.Effect<ReadonlyArray<Workspace>, OperationsUnavailable>
    /** `replayed`: the same key made it before. */
    readonly addWorkspace: (
      workspace: Workspace,
      idempotency: Idempotency | null
    ) => Effect.Effect<
      { readonly workspace: Workspace; readonly replayed: boolean },
      AlreadyProvisioned | IdempotencyConflict | OperationsUnavailable
    >
  }
>()("systemapi/services/provisioning/Inventory") {}
