/** IdentityStorage over the storage thread, which keeps the identity file open beside the event store. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { IdentityCommand } from "./identity/commands.ts"
import { IdentityView } from "./identity/IdentityView.ts"
import { IdentityStorage, type IdentityUnusable, opened, storageOf } from "./IdentityStorage.ts"
import { StorageWorker } from "./StorageWorker.ts"

/** `path`: that of the worker's. */
export const layer = (path: string): Layer.Layer<IdentityStorage, IdentityUnusable, StorageWorker> =>
  Layer.effect(
    IdentityStorage,
    Effect.gen(function* () {
      const worker = yield* StorageWorker
      const clock = yield* Clock.Clock
      const view = new IdentityView(path, () => clock.currentTimeMillisUnsafe())
      worker.onEnd(() => view.lost())
      const request = (command: IdentityCommand) =>
        Effect.suspend(() =>
          Effect.map(
            worker.ask(
              { tag: "identity", request: { command, note: undefined, known: view.known } },
              "identity",
              (value) => {
                if (value.tag === "identity") view.apply(value.answer.update)
              }
            ),
            ({ answer }) => answer.value
          )
        )
      yield* opened(path, request)
      return storageOf(view, request)
    })
  )
