/**
 * Logins of stored users: a password for an access token and a refresh token, a refresh token for the next pair, and the end of
 * both (contract of the Provisioning API).
 *
 * A refresh token is a JWT as well, verified before the store is asked: a flood of junk costs no disk. It works once; who
 * shows a used one ends the login, as somebody has stolen it or has it twice, unless the answer to it was lost (`rotationGraceMs`).
 * Both new tokens are made before the old one is used up, so that what fails on the way costs no login.
 */
import { createHash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { AccessTokens } from "./AccessTokens.ts"
import { clockLeewayMs } from "./claims.ts"
import { IdentityStore, type IdentityUnavailable, type User } from "./IdentityStore.ts"
import { Jwts } from "./Jwts.ts"
import { type LoginLimited, Passwords } from "./Passwords.ts"
import type { Principal } from "./Principal.ts"
import { bearerOf } from "./standing.ts"
import { makeTimedId } from "./timedId.ts"

export { LoginLimited, PasswordRefused } from "./Passwords.ts"

/**
 * How long a used refresh token may be shown again while its successor never was: a client that lost the answer retries
 * within seconds, its own timeout included. A thief has no more from it than from the token itself: as soon as both
 * have shown theirs, the login ends.
 */
export const rotationGraceMs = 10_000

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
  user: Schema.UndefinedOr(Schema.String),
  /** Somebody has it who should not, or the same one twice: the login has ended by this. */
  reused: Schema.Boolean
}) {
  override get message() {
    return "The refresh token is not valid"
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
>()("systemapi/services/identity/Sessions") {
  static readonly layer = Layer.effect(
    Sessions,
    Effect.gen(function* () {
      const access = yield* AccessTokens
      const config = yield* CurrentConfig
      const jwts = yield* Jwts
      const passwords = yield* Passwords
      const store = yield* IdentityStore

      const makePair = Effect.fnUntraced(function* (user: User, session: string) {
        const { refresh_token_expiry_s, token_expiry_s } = config.get().auth
        const refreshToken = yield* jwts.sign({
          kind: "rt+jwt",
          user: user.name,
          session,
          lifeSeconds: refresh_token_expiry_s
        })
        const now = yield* Clock.currentTimeMillis
        const pair: TokenPair = { token: yield* access.issue(user, session), refreshToken, expiresIn: token_expiry_s }
        return { pair, now, hash: hashOf(refreshToken), expiresAt: now + refresh_token_expiry_s * 1000 }
      })

      return Sessions.of({
        login: Effect.fn("Sessions.login")(function* (name: string, password: Uint8Array, address: string) {
          const verdict = yield* passwords.verify(name, password, address)
          if (verdict._tag === "wrong") return yield* new LoginRefused({ reason: verdict.reason })
          const { user } = verdict
          // The time in the id is the one in the store: by it the login is told from those that have ended before.
          const createdAt = yield* Clock.currentTimeMillis
          const id = makeTimedId(createdAt)
          const { expiresAt, hash, pair } = yield* makePair(user, id)
          yield* store.startSession({ id, user: user.name, refreshHash: hash, createdAt, expiresAt })
          return pair
        }),

        refresh: Effect.fn("Sessions.refresh")(function* (shown: string) {
          const snapshot = yield* store.fresh
          const checked = yield* jwts.verify("rt+jwt", shown, snapshot)
          if (checked._tag === "invalid") return yield* refused(checked.reason, checked.claimed)
          const { sid: session, sub } = checked.claims
          const bearer = bearerOf(snapshot, checked.claims, config.get().auth.development_users)
          if (bearer._tag === "none") return yield* refused(bearer.reason, sub)
          const { expiresAt, hash: next, now, pair } = yield* makePair(bearer.user, session)
          const rotated = yield* store.rotate({
            session,
            shown: hashOf(shown),
            next,
            now,
            expiresAt,
            graceMs: rotationGraceMs
          })
          switch (rotated._tag) {
            case "rotated":
              return { ...pair, user: sub }
            case "reused":
              return yield* refused("it was used before: its login has ended by this", sub, true)
            case "unknown":
              return yield* refused("its login has ended", sub)
          }
        }),

        logout: Effect.fn("Sessions.logout")(function* ({ expiresAt, session }: Principal) {
          if (session === undefined) return
          const lastIssued = (yield* Clock.currentTimeMillis) + config.get().auth.token_expiry_s * 1000
          yield* store.endSession(session, Math.max(lastIssued, expiresAt ?? 0) + clockLeewayMs)
        })
      })
    })
  )
}

const hashOf = (token: string): Uint8Array => createHash("sha256").update(token).digest()

const refused = (reason: string, user: string | undefined, reused = false) =>
  new RefreshRefused({ reason, user, reused })
