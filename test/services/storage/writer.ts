/**
 * A program for the kill test: appends to the store in the folder it is given, through the real worker, and prints the
 * last seq of every append that was acknowledged. Runs until it is killed.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import { EventStorage } from "../../../src/services/storage/EventStorage.ts"
import { layerWorker } from "../../../src/services/storage/EventStorageWorker.ts"
import { runOf } from "../../harness/events.ts"

const program = Effect.gen(function* () {
  const storage = yield* EventStorage
  const { last } = yield* storage.state
  for (let next = last + 1; ;) {
    const messages = Array.from({ length: 1 + (next % 7) }, (_, i) => `event ${next + i}`)
    const range = yield* storage.append([runOf(messages)])
    // Synchronous: what was acknowledged must be out before the next append begins.
    writeSync(1, `${range.last}\n`)
    next = range.last + 1
  }
})

Effect.runFork(Effect.provide(program, layerWorker(process.argv[2] ?? "")))
