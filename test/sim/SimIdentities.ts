/**
 * The identity file of a simulated machine: the real tables in memory, which outlive the process. Each request is done
 * when it is asked for, on a disk that has nothing.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { IdentityFile } from "../../src/services/storage/identity/IdentityFile.ts"
import { IdentityView } from "../../src/services/storage/identity/IdentityView.ts"
import { inMemory } from "../../src/services/storage/databaseFile.ts"
import { IdentityStorage } from "../../src/services/storage/IdentityStorage.ts"
import { storageOver } from "../../src/services/storage/IdentityStorageHere.ts"

export class SimIdentities {
  private readonly file = new IdentityFile(inMemory)

  /** Of one process: what it knows of the file begins anew with each. */
  readonly layer: Layer.Layer<IdentityStorage> = Layer.fresh(
    Layer.effect(
      IdentityStorage,
      Effect.flatMap(Clock.Clock, (clock) =>
        Effect.orDie(
          storageOver(inMemory, this.file, new IdentityView(inMemory, () => clock.currentTimeMillisUnsafe()))
        )
      )
    )
  )
}
