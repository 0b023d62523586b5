/** The services of stored users over a store in memory, with the configuration's defaults and hashes that cost nothing. */
import { createHmac } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import { FailureThrottle } from "../../../src/services/auth/FailureThrottle.ts"
import { encodeStored } from "../../../src/services/auth/SecretFormat.ts"
import { argon2idCost, SlowHash } from "../../../src/services/auth/SlowHash.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import type { AuthConfig } from "../../../src/services/config/IdentityConfig.ts"
import { CurrentRoles } from "../../../src/services/identity/CurrentRoles.ts"
import { identityLayer } from "../../../src/services/identity/identityLayer.ts"
import { IdentityStore, type User } from "../../../src/services/identity/IdentityStore.ts"
import type { Principal } from "../../../src/services/identity/Principal.ts"
import { PermissionSet } from "../../../src/services/identity/Permission.ts"
import { watchIdentities } from "../../harness/watchedIdentities.ts"

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Some day, in milliseconds, and not at the beginning of a second. */
export const someDay = Date.UTC(2026, 10, 22, 8, 0, 0, 250)

export const loopback = "127.0.0.1"

/** In place of argon2id: as easily told from another password, at no cost. */
const quickHash = (password: Uint8Array, salt: Uint8Array, length: number): Uint8Array =>
  createHmac("sha512", salt).update(password).digest().subarray(0, length)

const salt = Buffer.from("salt of the test")

const hashOf = (password: string) =>
  Redacted.make(encodeStored({ _tag: "slow", cost: argon2idCost, salt, hash: quickHash(utf8(password), salt, 32) }))

export const userOf = (name: string, password: string | undefined, more: Partial<User> = {}): User => ({
  name,
  roles: ["operator"],
  passwordHash: password === undefined ? undefined : hashOf(password),
  disabled: false,
  sessionsFrom: 0,
  createdAt: 0,
  updatedAt: 0,
  ...more
})

export interface IdentityOptions {
  readonly auth?: Partial<AuthConfig>
  /** Passwords by user. */
  readonly users?: Readonly<Record<string, string>>
  /** Runs before each hash, and is told of what. */
  readonly hashing?: (password: string) => Effect.Effect<void>
  readonly slowHash?: Layer.Layer<SlowHash>
  readonly throttle?: Layer.Layer<FailureThrottle>
  readonly store?: Layer.Layer<IdentityStore>
}

/** Counts what it computes. */
const quickSlowHash = (hashed: Array<string>, hashing: (password: string) => Effect.Effect<void>) =>
  Layer.effect(
    SlowHash,
    Effect.map(SlowHash, (real) => ({
      ...real,
      derive: (_cost, password, salt, length) =>
        Effect.suspend(() => {
          const text = Buffer.from(password).toString()
          hashed.push(text)
          return Effect.as(hashing(text), quickHash(password, salt, length))
        })
    }))
  ).pipe(Layer.provide(Layer.fresh(SlowHash.layer)))

export const startIdentity = Effect.fnUntraced(function* (options: IdentityOptions = {}) {
  yield* TestClock.setTime(someDay)
  const { config } = yield* Effect.orDie(load(undefined, {}))
  const identities = yield* watchIdentities
  const hashed: Array<string> = []
  const base = Layer.mergeAll(
    options.store ?? identities.layer,
    CurrentRoles.layer.pipe(
      Layer.provideMerge(CurrentConfig.layer({ ...config, auth: { ...config.auth, ...options.auth } }))
    ),
    options.throttle ?? FailureThrottle.layer,
    options.slowHash ?? quickSlowHash(hashed, options.hashing ?? (() => Effect.void))
  )
  const context = yield* Layer.build(Layer.fresh(identityLayer.pipe(Layer.provideMerge(base))))
  const store = Context.get(context, IdentityStore)
  for (const [name, password] of Object.entries(options.users ?? {})) {
    yield* Effect.orDie(store.createUser(userOf(name, password)))
  }
  yield* store.fresh
  identities.calls.length = 0
  return { context, identities, store, hashed, config: Context.get(context, CurrentConfig) }
})

/** Whoever came with this access token. */
export const bearer = (session: string, expiresAt: number): Principal => ({
  id: "alice",
  kind: "user",
  roles: [],
  permissions: PermissionSet.none,
  owner: "alice",
  provider: "bearer",
  authenticatedAt: 0,
  credential: undefined,
  session,
  expiresAt
})
