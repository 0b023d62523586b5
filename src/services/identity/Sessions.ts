/**
 * Logins of stored users: a password for an access token and a refresh token, a refresh token for the next pair, and the end of
 * both (contract of the Provisioning API).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { IdentityUnavailable } from "./IdentityStore.ts"
import type { Principal } from "./Principal.ts"

export interface TokenPair {
  readonly token: string
  readonly refreshToken: string
  /** Seconds of the access token. */
  readonly expiresIn: number
}

/** User or password are wrong, the user is disabled or has no password: which one it is, is not told (HTTP 401). */
export class LoginRefused extends Schema.TaggedError<LoginRefused>()("LoginRefused", {
  /** For the audit log. */
  reason: Schema.String
}) {
  override get message() {
    return "Wrong user name or password"
  }
}

/** The refresh token is none, has ended, or was used before (HTTP 401). */
export class RefreshRefused extends Schema.TaggedError<RefreshRefused>()("RefreshRefused", {
  reason: Schema.String,
  /** Whose it was, where that is known. */
  user: Schema.UndefinedOr(Schema.String)
}) {
  override get message() {
    return "The refresh token is not valid"
  }
}

/** Too many wrong passwords, or too many that are being verified (HTTP 429). */
export class LoginLimited extends Schema.TaggedError<LoginLimited>()("LoginLimited", {
  retryAfterSeconds: Schema.Int
}) {
  override get message() {
    return "Too many wrong credentials"
  }
}

/** A password that cannot be set (HTTP 400); says why, never what was given. */
export class PasswordRefused extends Schema.TaggedError<PasswordRefused>()("PasswordRefused", {
  reason: Schema.String
}) {
  override get message() {
    return `the password was not taken: ${this.reason}`
  }
}

export class Sessions extends Context.Service<
  Sessions,
  {
    readonly login: (
      user: string,
      password: Uint8Array,
      address: string
    ) => Effect.Effect<TokenPair, LoginRefused | LoginLimited | IdentityUnavailable>
    readonly refresh: (
      refreshToken: string
    ) => Effect.Effect<TokenPair & { readonly user: string }, RefreshRefused | IdentityUnavailable>
    /** Ends the login that the principal came by, and its access token at once. */
    readonly logout: (principal: Principal) => Effect.Effect<void, IdentityUnavailable>
  }
>()("systemapi/services/identity/Sessions") {}
