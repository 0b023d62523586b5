/**
 * A program for the tests that kill: eight at a time submit, begin, note and end operations through the real worker, in the folder
 * it is given, and print each step that was acknowledged, and each that failed. Runs until it is killed.
 */
import { randomUUID } from "node:crypto"
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { OperationStore } from "../../../../src/services/operations/OperationStore.ts"
import { storedLayer } from "../../../../src/services/operations/storedLayer.ts"
import { operationsFile } from "../../../../src/services/storage/OperationsStorage.ts"
import { layer } from "../../../../src/services/storage/OperationsStorageWorker.ts"
import { StorageWorker } from "../../../../src/services/storage/StorageWorker.ts"
import { askedOf, completed, entryOf, many, outputOf } from "../../operations/rows.ts"

const directory = process.argv[2] ?? ""

/** Synchronous: what was acknowledged must be out before the next step begins. */
const say = (step: string, id: string) => Effect.sync(() => void writeSync(1, `${step} ${id}\n`))

const life = Effect.gen(function* () {
  const store = yield* OperationStore
  const id = randomUUID()
  const step = <A, E>(name: string, effect: Effect.Effect<A, E>) => Effect.andThen(effect, say(name, id))
  yield* step("submitted", store.submit(askedOf(id), 1, many))
  yield* step("begun", store.begin(id, 2))
  yield* step("noted", store.note(entryOf(id, "command", { exit: { id } })))
  yield* step("ended", store.end(id, { ...completed, result: id, output: outputOf(id) }, 3))
}).pipe(Effect.catch(({ message }) => say("failed", message)))

const program = Effect.all(
  Array.from({ length: 8 }, () => Effect.forever(life)),
  { concurrency: "unbounded" }
)

const places = { directory, identityPath: undefined, operationsPath: operationsFile(directory) }
Effect.runFork(
  Effect.provide(program, storedLayer.pipe(Layer.provide(layer), Layer.provide(StorageWorker.layer(places))))
)
