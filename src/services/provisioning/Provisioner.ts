/**
 * Who does what is asked of servers and task services: one contract, two drivers (BuiltinProvisioner.ts,
 * CliProvisioner.ts). A driver knows nothing of the inventory; what it has done it tells, and what it does it does within
 * the operation's context, so that a restart does not do it again.
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ProvisioningConfig } from "../config/Config.ts"
import { OperationFailed } from "../operations/Operation.ts"
import type { Durable, OperationContext } from "../operations/OperationKinds.ts"
import type { Server, Taskserv } from "./Inventory.ts"

export type Driver = ProvisioningConfig["driver"]

/** What is to be done, of whom the inventory tells the rest. */
export type Order =
  | { readonly _tag: "server.create"; readonly server: Server }
  | { readonly _tag: "server.delete"; readonly server: Server }
  | { readonly _tag: "taskserv.create"; readonly taskserv: Taskserv }
  | { readonly _tag: "taskserv.delete"; readonly taskserv: Taskserv }

/** What came of it; null: nothing was said about that. */
export interface Done {
  readonly id: string | null
  readonly ipAddress: string | null
  /** More of the operation's result. */
  readonly told: Schema.JsonObject
}

/** It was not done, or not to the end. */
export class DriverFailed extends Schema.TaggedError<DriverFailed>()("DriverFailed", {
  fault: OperationFailed,
  /** Something of it may exist; false: nothing was begun. */
  begun: Schema.Boolean
}) {
  override get message() {
    return this.fault.message
  }
}

export interface Provisioner {
  /** Whether what the inventory does not have does not exist. */
  readonly isWhole: boolean
  /** For a new server, none of those that are taken; null: the driver tells it when the server is there. */
  readonly address: (taken: () => ReadonlySet<string>) => Effect.Effect<string | null, OperationFailed>
  /** By what it is done, as the configuration says now; kept by the operation, for a restart may bring another. */
  readonly means: (tag: Order["_tag"]) => string | null
  readonly perform: (
    order: Order,
    means: string | null,
    context: OperationContext
  ) => Effect.Effect<Done, DriverFailed, Durable>
  /** A dry run: nothing is changed, and it is told what would be done. */
  readonly rehearse: (order: Order, context: OperationContext) => Effect.Effect<Done, DriverFailed, Durable>
  /** Takes back what a cancelled `perform` has begun; false: it cannot, or could not. */
  readonly undo: (order: Order, context: OperationContext) => Effect.Effect<boolean, never, Durable>
}
