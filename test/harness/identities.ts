/** The real identity store without a daemon: over a file, or in memory. */
import * as Layer from "effect/Layer"
import type { ConsoleNotes } from "../../src/services/identity/ConsoleNotes.ts"
import type { IdentityStore } from "../../src/services/identity/IdentityStore.ts"
import * as StoredIdentities from "../../src/services/identity/StoredIdentities.ts"
import { inMemory } from "../../src/services/storage/databaseFile.ts"
import type { IdentityUnusable } from "../../src/services/storage/IdentityStorage.ts"
import { layerAt } from "../../src/services/storage/IdentityStorageHere.ts"

export const identitiesAt = (path: string): Layer.Layer<IdentityStore | ConsoleNotes, IdentityUnusable> =>
  Layer.fresh(StoredIdentities.layer.pipe(Layer.provide(layerAt(path))))

export const identitiesInMemory: Layer.Layer<IdentityStore | ConsoleNotes> = Layer.orDie(identitiesAt(inMemory))
