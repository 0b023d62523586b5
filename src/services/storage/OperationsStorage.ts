/**
 * Durable storage of operations and of the inventory: the capability that OperationStore and Inventory stand on. The
 * daemon's is the storage worker (OperationsStorageWorker); tests and the simulator have it in their own
 * (OperationsStorageHere).
 */
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { OperationsUnavailable } from "../operations/Operations.ts"
import type { OperationsCommand, OperationsValue } from "./operations/commands.ts"
import type { StorageFault } from "./sqliteFault.ts"

/** Beside the event store, whose lock says which daemon may have it open. */
export const operationsFile = (directory: string): string => join(directory, "operations.sqlite")

export type OperationsValueOf<T extends OperationsValue["tag"]> = Extract<OperationsValue, { readonly tag: T }>

export class OperationsStorage extends Context.Service<
  OperationsStorage,
  {
    /** In the order in which it was asked; what it changed is durable when it succeeds. Fails to answer another tag. */
    readonly ask: <T extends OperationsValue["tag"]>(
      command: OperationsCommand,
      tag: T
    ) => Effect.Effect<OperationsValueOf<T>, OperationsUnavailable>
  }
>()("systemapi/services/storage/OperationsStorage") {}

const howToRecover =
  "It was left as it is. To recover what can be read: .recover of sqlite3; to start afresh: stop the daemon and move it " +
  "aside with the files beside it (-wal, -shm)"

const hasTag = <T extends OperationsValue["tag"]>(value: OperationsValue, tag: T): value is OperationsValueOf<T> =>
  value.tag === tag

/** Over requests to the file. */
export const storageOf = (
  request: (command: OperationsCommand) => Effect.Effect<OperationsValue, StorageFault>
): OperationsStorage["Service"] =>
  OperationsStorage.of({
    ask: (command, tag) =>
      Effect.filterOrElse(
        Effect.mapError(request(command), unavailable),
        (value) => hasTag(value, tag),
        (value) => Effect.die(new Error(`the operations file answered ${value.tag}, not ${tag}`))
      )
  })

const unavailable = ({ kind, reason }: StorageFault): OperationsUnavailable =>
  new OperationsUnavailable({
    reason: kind === "corrupt" ? `operations.sqlite is damaged: ${reason}. ${howToRecover}` : reason,
    full: kind === "full"
  })
