/**
 * IdentityStorage in this very thread, which waits for each fsync: for commands at the console, tests and the simulator.
 * Nothing of it takes time as Effect sees it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { IdentityCommand } from "./identity/commands.ts"
import { IdentityFile } from "./identity/IdentityFile.ts"
import { IdentityView } from "./identity/IdentityView.ts"
import { IdentityStorage, type IdentityUnusable, opened, storageOf } from "./IdentityStorage.ts"
import { faultOf } from "./sqliteFault.ts"

/** Says of a change what the audit log is to say; undefined: nothing. */
export type NoteOf = (command: IdentityCommand) => string | undefined

/** Over a file that is open in this thread, and that outlives the storage. */
export const storageOver = (
  path: string,
  file: IdentityFile,
  view: IdentityView,
  noteOf: NoteOf = () => undefined
): Effect.Effect<IdentityStorage["Service"], IdentityUnusable> => {
  const request = (command: IdentityCommand) =>
    Effect.try({
      try: () => {
        const { update, value } = file.perform({ command, note: noteOf(command), known: view.known })
        view.apply(update)
        return value
      },
      catch: faultOf
    })
  return Effect.as(opened(path, request), storageOf(view, request))
}

export const layerAt = (path: string, noteOf?: NoteOf): Layer.Layer<IdentityStorage, IdentityUnusable> =>
  Layer.effect(
    IdentityStorage,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const view = new IdentityView(path, () => clock.currentTimeMillisUnsafe())
      // Released last: the view's descriptor must outlive the connection (WalIndex).
      yield* Effect.addFinalizer(() => Effect.sync(() => view.lost()))
      const file = yield* Effect.acquireRelease(
        Effect.sync(() => new IdentityFile(path)),
        (file) => Effect.sync(() => file.close())
      )
      return yield* storageOver(path, file, view, noteOf)
    })
  )
