/**
 * Tokens of programs: `sa_`, the id, `_` and a secret of 256 random bits, told once and kept as a hash. Scoped, expiring,
 * revoked at once; when each was last used is kept to the minute.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { IdentityUnavailable, NotThere, ServiceToken, TooMany } from "./IdentityStore.ts"
import type { Principal } from "./Principal.ts"

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
>()("systemapi/services/identity/ServiceTokens") {}
