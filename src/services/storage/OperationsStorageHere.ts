/**
 * OperationsStorage in this very thread, which waits for each fsync: for tests and the simulator. Nothing of it takes
 * time as Effect sees it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { OperationsFile } from "./operations/OperationsFile.ts"
import { OperationsStorage, storageOf } from "./OperationsStorage.ts"
import { faultOf } from "./sqliteFault.ts"

/** Over a file that is open in this thread, and that outlives the storage. */
export const storageOver = (file: OperationsFile): OperationsStorage["Service"] =>
  storageOf((command) =>
    Effect.flatMap(Effect.try({ try: () => file.perform([command]), catch: faultOf }), ([value]) =>
      value === undefined ? Effect.die(new Error(`nothing was answered to ${command.tag}`)) : Effect.succeed(value)
    )
  )

/** `:memory:` is gone with the layer. */
export const layerAt = (path: string): Layer.Layer<OperationsStorage> =>
  Layer.effect(
    OperationsStorage,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new OperationsFile(path)),
        (file) => Effect.sync(() => file.close())
      ),
      storageOver
    )
  )
