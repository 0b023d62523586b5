/**
 * Tokens of programs: `sa_`, the id, `_` and a secret of 256 random bits, told once and kept as a hash. Scoped, expiring,
 * revoked at once; when each was last used is kept to the minute.
 *
 * A token does what its scope and its owner's roles of now both allow: it stops with its owner. Uses are written together,
 * once a minute and at the end, so that a request writes nothing; what cannot be written waits for the next time. Bounds:
 * one time for each token there is.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { CurrentRoles } from "./CurrentRoles.ts"
import {
  IdentityStore,
  type IdentityUnavailable,
  type NotThere,
  type ServiceToken,
  type Snapshot,
  type TooMany,
  type User
} from "./IdentityStore.ts"
import { intersection, PermissionSet } from "./Permission.ts"
import type { Principal } from "./Principal.ts"
import type { Roles } from "./Roles.ts"
import { standingOf } from "./standing.ts"

export interface TokenRequest {
  readonly name: string
  /** Grants, each within what its owner may. */
  readonly permissions: ReadonlyArray<string>
  /** Undefined: it does not expire. */
  readonly expiresInSeconds: number | undefined
  readonly owner: string | undefined
}

export type VerifiedToken =
  | { readonly _tag: "valid"; readonly principal: Principal }
  | { readonly _tag: "invalid"; readonly reason: string; readonly claimed: string | undefined }

export class ServiceTokens extends Context.Service<
  ServiceTokens,
  {
    /** Whether it looks like one at all. */
    readonly isOne: (bearer: string) => boolean
    readonly verify: (bearer: string) => Effect.Effect<VerifiedToken, IdentityUnavailable>
    readonly create: (
      request: TokenRequest
    ) => Effect.Effect<
      { readonly token: ServiceToken; readonly secret: Redacted.Redacted },
      TooMany | IdentityUnavailable
    >
    readonly revoke: (id: string) => Effect.Effect<void, NotThere | IdentityUnavailable>
  }
>()("systemapi/services/identity/ServiceTokens") {
  static readonly layer = Layer.effect(
    ServiceTokens,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const config = yield* CurrentConfig
      const roles = yield* CurrentRoles
      const store = yield* IdentityStore
      const used = new Map<string, number>()
      const scopes = new WeakMap<ServiceToken, Scope>()

      const permissionsOf = (token: ServiceToken, owner: User | undefined): PermissionSet => {
        const inForce = roles.get()
        const last = scopes.get(token)
        if (last !== undefined && last.owner === owner && last.roles === inForce) return last.permissions
        const own = new PermissionSet(token.permissions)
        const permissions = owner === undefined ? own : intersection(own, inForce.grants(owner.roles))
        scopes.set(token, { owner, roles: inForce, permissions })
        return permissions
      }

      const verifyIn = (snapshot: Snapshot, bearer: string): VerifiedToken => {
        const match = tokenPattern.exec(bearer)
        const token = snapshot.tokens.get(match?.[1] ?? "")
        // As much work for an id that there is not.
        const isRight = timingSafeEqual(hashOf(match?.[2] ?? ""), token?.hash ?? noHash)
        if (match === null) return refused("it is no token of ours")
        if (token === undefined || !isRight) return refused("there is no such token")
        const id = `token:${token.name}`
        const now = clock.currentTimeMillisUnsafe()
        if (token.revokedAt !== undefined) return refused("it was revoked", id)
        if (token.expiresAt !== undefined && now >= token.expiresAt) return refused("it has expired", id)
        let owner: User | undefined
        if (token.owner !== undefined) {
          const standing = standingOf(snapshot, token.owner, config.get().auth.development_users)
          if (standing._tag === "none") return refused(`of its owner ${token.owner}: ${standing.reason}`, id)
          owner = standing.user
          // Whoever had the name before made it.
          if (token.createdAt < owner.createdAt) return refused("its owner is another user of the name", id)
        }
        if (now - (used.get(token.id) ?? token.lastUsedAt ?? 0) >= usedEveryMs) used.set(token.id, now)
        return {
          _tag: "valid",
          principal: {
            id,
            kind: "token",
            roles: [],
            permissions: permissionsOf(token, owner),
            owner: token.owner ?? id,
            provider: "bearer",
            authenticatedAt: now,
            credential: token.id,
            session: undefined,
            expiresAt: token.expiresAt
          }
        }
      }

      const flush = Effect.suspend(() => {
        if (used.size === 0) return Effect.void
        const times = new Map(used)
        const written = Effect.sync(() => {
          for (const [id, at] of times) if (used.get(id) === at) used.delete(id)
        })
        return Effect.andThen(store.touchTokens(times), written).pipe(
          Effect.catch((error) => Effect.logWarning(`when service tokens were last used: ${error.message}`))
        )
      })
      yield* Effect.addFinalizer(() => flush)
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(flushEvery), flush)))

      return ServiceTokens.of({
        isOne: (bearer) => bearer.startsWith(prefix),
        verify: (bearer) => {
          const snapshot = store.current()
          return snapshot === undefined
            ? Effect.map(store.fresh, (fresh) => verifyIn(fresh, bearer))
            : Effect.succeed(verifyIn(snapshot, bearer))
        },
        create: Effect.fn("ServiceTokens.create")(function* ({
          expiresInSeconds,
          name,
          owner,
          permissions
        }: TokenRequest) {
          const id = randomBytes(8).toString("hex")
          const secret = randomBytes(32).toString("base64url")
          const createdAt = yield* Clock.currentTimeMillis
          const token: ServiceToken = {
            id,
            name,
            owner,
            permissions,
            hash: hashOf(secret),
            createdAt,
            expiresAt: expiresInSeconds === undefined ? undefined : createdAt + expiresInSeconds * 1000,
            lastUsedAt: undefined,
            revokedAt: undefined
          }
          yield* store.createToken(token)
          return { token, secret: Redacted.make(`${prefix}${id}_${secret}`) }
        }),
        revoke: (id) => Effect.flatMap(Clock.currentTimeMillis, (now) => store.revokeToken(id, now))
      })
    })
  )
}

/** What a token may do, as long as its owner and the roles are these. */
interface Scope {
  readonly owner: User | undefined
  readonly roles: Roles
  readonly permissions: PermissionSet
}

const prefix = "sa_"
const tokenPattern = /^sa_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/u

/** A write each, and a new snapshot in every process: not more often than anybody looks. */
const flushEvery = Duration.minutes(1)
const usedEveryMs = 60_000

const hashOf = (secret: string): Uint8Array => createHash("sha256").update(secret).digest()

/** Of nothing. */
const noHash = randomBytes(32)

const refused = (reason: string, claimed?: string): VerifiedToken => ({ _tag: "invalid", reason, claimed })
