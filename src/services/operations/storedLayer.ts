/** Operations and the inventory, as they are kept in one file. */
import * as Layer from "effect/Layer"
import type { OperationsStorage } from "../storage/OperationsStorage.ts"
import type { Inventory } from "../provisioning/Inventory.ts"
import type { OperationStore } from "./OperationStore.ts"
import * as StoredInventory from "./StoredInventory.ts"
import * as StoredOperations from "./StoredOperations.ts"

export const storedLayer: Layer.Layer<OperationStore | Inventory, never, OperationsStorage> = Layer.merge(
  StoredOperations.layer,
  StoredInventory.layer
)
