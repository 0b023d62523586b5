/** The real identity store, in memory, with a look at what is asked of it, and a way to make it unusable. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { IdentityStore, IdentityUnavailable, type Snapshot } from "../../src/services/identity/IdentityStore.ts"
import { identitiesInMemory } from "./identities.ts"

export interface WatchedIdentities {
  readonly layer: Layer.Layer<IdentityStore>
  /** The changes asked for, by name. */
  readonly calls: Array<string>
  /** From now on it fails so; undefined: it works again. */
  readonly breakWith: (reason: string | undefined) => void
  readonly snapshot: Effect.Effect<Snapshot>
}

export const watchIdentities = Effect.gen(function* () {
  const real = Context.get(yield* Layer.build(identitiesInMemory), IdentityStore)
  const calls: Array<string> = []
  let broken: string | undefined

  const unlessBroken = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | IdentityUnavailable> =>
    Effect.suspend((): Effect.Effect<A, E | IdentityUnavailable> =>
      broken === undefined ? effect : Effect.fail(new IdentityUnavailable({ reason: broken, full: false }))
    )
  const watched =
    <Args extends ReadonlyArray<unknown>, A, E>(call: string, act: (...args: Args) => Effect.Effect<A, E>) =>
    (...args: Args) =>
      Effect.suspend(() => {
        calls.push(call)
        return unlessBroken(act(...args))
      })

  const store = IdentityStore.of({
    ...real,
    current: () => (broken === undefined ? real.current() : undefined),
    fresh: unlessBroken(real.fresh),
    createUser: watched("createUser", real.createUser),
    changeUser: watched("changeUser", real.changeUser),
    deleteUser: watched("deleteUser", real.deleteUser),
    createToken: watched("createToken", real.createToken),
    revokeToken: watched("revokeToken", real.revokeToken),
    touchTokens: watched("touchTokens", real.touchTokens),
    startSession: watched("startSession", real.startSession),
    rotate: watched("rotate", real.rotate),
    endSession: watched("endSession", real.endSession),
    addKey: watched("addKey", real.addKey)
  })
  const identities: WatchedIdentities = {
    layer: Layer.succeed(IdentityStore, store),
    calls,
    breakWith: (reason) => {
      broken = reason
    },
    snapshot: Effect.orDie(real.fresh)
  }
  return identities
})
