/**
 * EventStorage over the storage thread.
 *
 * Bounds: the EventStore actor sends one append at a time, and at most `scansMax` pages are asked for at a time, however
 * many readers there are.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import {
  EventStorage,
  howToRecover,
  StorageFailed,
  StorageFull,
  StorageLost,
  type StoreUnusable
} from "./EventStorage.ts"
import type { StorageFault } from "./sqliteFault.ts"
import { StorageWorker } from "./StorageWorker.ts"
import { toPage, toScanRange, toWire } from "./wire.ts"

/** Pages asked for at a time: an append waits behind them, so it waits for two pages at the most. */
const scansMax = 2

const noMarks: ReadonlyMap<string, string> = new Map()

type Fault = StorageFull | StorageFailed | StorageLost

const toError = ({ kind, reason }: StorageFault, directory: string): Fault => {
  switch (kind) {
    case "full":
      return new StorageFull({ reason })
    case "lost":
      return new StorageLost({ reason })
    case "corrupt":
      return new StorageFailed({ reason: `store.sqlite is damaged: ${reason}. ${howToRecover(directory)}` })
    default:
      return new StorageFailed({ reason })
  }
}

export const layer = (directory: string): Layer.Layer<EventStorage, never, StorageWorker> =>
  Layer.effect(
    EventStorage,
    Effect.gen(function* () {
      const worker = yield* StorageWorker
      const scanning = yield* Semaphore.make(scansMax)
      const told = <A>(effect: Effect.Effect<A, StorageFault>) =>
        Effect.mapError(effect, (fault) => toError(fault, directory))
      /** Reading cannot fail for lack of room. */
      const readOnly = <A>(effect: Effect.Effect<A, StorageFault>) =>
        Effect.catchTag(told(effect), "StorageFull", (full) => Effect.fail(new StorageFailed({ reason: full.reason })))

      return EventStorage.of({
        append: (runs, marks = noMarks) =>
          Effect.suspend(() =>
            Effect.map(
              told(worker.ask({ tag: "append", appends: toWire(runs), marks: [...marks] }, "appended")),
              ({ range }) => range
            )
          ),
        marks: Effect.map(readOnly(worker.ask({ tag: "marks" }, "marks")), ({ marks }) => new Map(marks)),
        scan: (query) =>
          scanning.withPermit(
            Effect.map(readOnly(worker.ask({ tag: "scan", range: toScanRange(query) }, "scanned")), toPage)
          ),
        seek: (query) => scanning.withPermit(readOnly(worker.ask({ tag: "seek", query }, "sought"))),
        retain: (limits) => told(worker.ask({ tag: "retain", limits }, "retained")),
        state: readOnly(worker.ask({ tag: "state" }, "state"))
      })
    })
  )

/** With a thread of its own. */
export const layerWorker = (directory: string): Layer.Layer<EventStorage, StoreUnusable> =>
  layer(directory).pipe(
    Layer.provide(StorageWorker.layer({ directory, identityPath: undefined, operationsPath: undefined }))
  )
