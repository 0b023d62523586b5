/**
 * Access tokens of stored users: JWTs (RFC 7519, RFC 8725, RFC 9068) that are verified at every request, signature and
 * claims, and held against the snapshot of the identity store: the user, its roles of now, and whether the login has ended.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import type { Checked } from "./claims.ts"
import { IdentityStore, type IdentityUnavailable, type Snapshot, type User } from "./IdentityStore.ts"
import { Jwts } from "./Jwts.ts"
import { bearerOf } from "./standing.ts"

export interface AccessClaims {
  readonly user: string
  readonly jti: string
  readonly session: string
  /** UNIX milliseconds. */
  readonly issuedAt: number
  readonly expiresAt: number
}

export type Verified =
  | { readonly _tag: "valid"; readonly claims: AccessClaims; readonly user: User }
  /** For the audit log: `the signature is wrong`, `it has expired`, `its login has ended`; and whose it says it is. */
  | { readonly _tag: "invalid"; readonly reason: string; readonly claimed: string | undefined }

/** `auth.jwt_secret` signs, which only the configuration can change (HTTP 409). */
export class KeyConfigured extends Schema.TaggedError<KeyConfigured>()("KeyConfigured", {}) {
  override get message() {
    return "auth.jwt_secret signs the tokens: it is replaced in the configuration"
  }
}

export class AccessTokens extends Context.Service<
  AccessTokens,
  {
    /** Decides when it is called: with the key at hand and nothing changed in the store, an effect already done. */
    readonly verify: (token: string) => Effect.Effect<Verified, IdentityUnavailable>
    readonly issue: (user: User, session: string) => Effect.Effect<string, IdentityUnavailable>
    /** Public keys as a JWK set (RFC 7517); never those of HS256, which are secret. */
    readonly jwks: Effect.Effect<
      { readonly keys: ReadonlyArray<Readonly<Record<string, unknown>>> },
      IdentityUnavailable
    >
    /** Makes a key that signs from now on; the tokens of the one before count until they expire. Its kid. */
    readonly rotate: Effect.Effect<string, KeyConfigured | IdentityUnavailable>
  }
>()("systemapi/services/identity/AccessTokens") {
  static readonly layer = Layer.effect(
    AccessTokens,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const jwts = yield* Jwts
      const store = yield* IdentityStore

      const heldAgainst = (snapshot: Snapshot, checked: Checked): Verified => {
        if (checked._tag === "invalid") return checked
        const { expiresAt, issuedAt, jti, sid: session, sub } = checked.claims
        const bearer = bearerOf(snapshot, checked.claims, config.get().auth.development_users)
        if (bearer._tag === "none") return { _tag: "invalid", reason: bearer.reason, claimed: sub }
        return { _tag: "valid", claims: { user: sub, jti, session, issuedAt, expiresAt }, user: bearer.user }
      }

      const verifyIn = (snapshot: Snapshot, token: string): Effect.Effect<Verified> =>
        Effect.mapEager(jwts.verify("at+jwt", token, snapshot), (checked) => heldAgainst(snapshot, checked))

      return AccessTokens.of({
        verify: (token) => {
          const snapshot = store.current()
          return snapshot === undefined
            ? Effect.flatMap(store.fresh, (fresh) => verifyIn(fresh, token))
            : verifyIn(snapshot, token)
        },
        issue: ({ name, roles }, session) =>
          jwts.sign({
            kind: "at+jwt",
            user: name,
            session,
            lifeSeconds: config.get().auth.token_expiry_s,
            more: { role: roles[0] ?? "", ...(roles.length > 1 ? { roles } : {}) }
          }),
        jwks: Effect.map(jwts.keys, (keys) => ({
          keys: keys.flatMap(({ kid, verifying }) =>
            verifying.alg === "EdDSA"
              ? [{ ...verifying.publicKey.export({ format: "jwk" }), kid, alg: verifying.alg, use: "sig" }]
              : []
          )
        })),
        rotate: Effect.suspend((): Effect.Effect<string, KeyConfigured | IdentityUnavailable> => {
          const { jwt_algorithm, jwt_secret, jwt_secret_path } = config.get().auth
          // A command that may not see the secret knows that there is one.
          const configured = jwt_secret !== undefined || jwt_secret_path !== undefined
          return configured && jwt_algorithm === "HS256" ? Effect.fail(new KeyConfigured()) : jwts.rotate
        })
      })
    })
  )
}
