/**
 * Access tokens of stored users: JWTs (RFC 7519, RFC 8725, RFC 9068) that are verified at every request, signature and
 * claims, and held against the snapshot of the identity store: the user, its roles of now, and whether the login has ended.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { IdentityUnavailable, User } from "./IdentityStore.ts"

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
    readonly rotate: Effect.Effect<string, IdentityUnavailable>
  }
>()("systemapi/services/identity/AccessTokens") {}
