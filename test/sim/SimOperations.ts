/**
 * The operations file of a simulated machine: the real tables in memory, which outlive the process. Each request is done
 * when it is asked for, on a disk that has nothing.
 */
import * as Layer from "effect/Layer"
import { inMemory } from "../../src/services/storage/databaseFile.ts"
import { OperationsFile } from "../../src/services/storage/operations/OperationsFile.ts"
import { OperationsStorage } from "../../src/services/storage/OperationsStorage.ts"
import { storageOver } from "../../src/services/storage/OperationsStorageHere.ts"

export class SimOperations {
  readonly layer: Layer.Layer<OperationsStorage> = Layer.succeed(
    OperationsStorage,
    storageOver(new OperationsFile(inMemory))
  )
}
