/**
 * Logins over HTTP, as the Provisioning API's contract has them: in, on, out, and who one is.
 *
 * What a stranger typed for a name goes into the audit log only where it could be one, for people type their password
 * into the wrong field; tokens and passwords never do. Answers with tokens are not to be stored by anybody.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { type IdentityStore, userNamePattern } from "../../services/identity/IdentityStore.ts"
import type { Passwords } from "../../services/identity/Passwords.ts"
import type { LoginRefused, RefreshRefused, Sessions, TokenPair } from "../../services/identity/Sessions.ts"
import type { Me, TokenAnswer } from "../api/identity/Auth.ts"
import { Login, Logout, PasswordChange, Refresh } from "../api/identity/inputs.ts"
import type { Call } from "../edge/Call.ts"
import { challengeOf } from "../edge/challenge.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { jsonReader } from "../edge/readJson.ts"
import type { Handler } from "../edge/routes.ts"
import { identityFailure, invalid } from "./failures.ts"
import { askerOf, forbidden, type Recorder } from "./recording.ts"
import { timeOrNull, timeText } from "./times.ts"

export interface AuthServices {
  readonly passwords: Passwords["Service"]
  readonly recorder: Recorder
  readonly sessions: Sessions["Service"]
  readonly store: IdentityStore["Service"]
}

/** A name, a password or two, a token; anybody may send these. */
const bodyMaxBytes = 8 * 1024

// Other servers' clients may send more than these know of.
const readLogin = jsonReader(Login, { maxBytes: bodyMaxBytes, unknown: "ignore" })
const readRefresh = jsonReader(Refresh, { maxBytes: bodyMaxBytes, unknown: "ignore" })
const readLogout = jsonReader(Logout, { maxBytes: bodyMaxBytes, whenEmpty: {} })
const readPasswords = jsonReader(PasswordChange, { maxBytes: bodyMaxBytes })

const empty = HttpServerResponse.empty({ status: 204 })

export const makeAuthHandlers = ({ passwords, recorder, sessions, store }: AuthServices) => {
  const login: Handler = Effect.fnUntraced(function* (call) {
    const { password, username } = yield* readLogin(call)
    const on = userNamePattern.test(username) ? username : undefined
    const pair = yield* Effect.mapError(sessions.login(username, Buffer.from(password), call.address), (error) => {
      if (error._tag === "LoginRefused") {
        recorder.record(call, "login", "refused", { on, detail: error.reason })
        return refused(call, error)
      }
      const outcome = error._tag === "LoginLimited" ? "refused" : "failed"
      recorder.record(call, "login", outcome, { on, detail: error.message })
      return identityFailure(error)
    })
    yield* recorder.before(call, "login", { on, who: username, kind: "user" })
    return tokens(pair)
  })

  const refresh: Handler = Effect.fnUntraced(function* (call) {
    const { refresh_token } = yield* readRefresh(call)
    const pair = yield* Effect.mapError(sessions.refresh(refresh_token), (error) => {
      if (error._tag === "IdentityUnavailable") return identityFailure(error)
      const action = error.reused ? "session.reused" : "refresh"
      recorder.record(call, action, "refused", { on: error.user, detail: error.reason })
      return refused(call, error)
    })
    yield* recorder.before(call, "refresh", { on: pair.user, who: pair.user, kind: "user" })
    return tokens(pair)
  })

  const logout: Handler = Effect.fnUntraced(function* (call) {
    const { all = false } = yield* readLogout(call)
    const principal = askerOf(call)
    if (principal.kind !== "user") {
      return yield* invalid(
        `${principal.id} is not logged in: there is nothing to end but what it shows at each request`
      )
    }
    if (!all && principal.session === undefined) {
      return yield* invalid('this request came by a password and belongs to no login; {"all":true} ends every login')
    }
    const ended = all
      ? Effect.flatMap(Clock.currentTimeMillis, (now) => store.changeUser(principal.id, { endSessions: true }, now))
      : sessions.logout(principal)
    const about = { on: principal.session, ...(all ? { detail: "every login of the user" } : {}) }
    yield* Effect.mapError(recorder.change(call, "logout", about, ended), identityFailure)
    return empty
  })

  const me: Handler = (call) => {
    const { authenticatedAt, credential, expiresAt, id, kind, owner, permissions, provider, roles, session } =
      askerOf(call)
    const body: typeof Me.Type = {
      id,
      kind,
      roles,
      permissions: permissions.grants,
      owner,
      authenticated_by: provider,
      authenticated_at: timeText(authenticatedAt),
      credential: credential ?? null,
      session: session ?? null,
      expires_at: timeOrNull(expiresAt)
    }
    return Effect.succeed(jsonResponse(body))
  }

  const changePassword: Handler = Effect.fnUntraced(function* (call) {
    const principal = askerOf(call)
    if (principal.kind !== "user") {
      return yield* forbidden(call, `${principal.id} is no user with a password`)
    }
    const { current_password, new_password } = yield* readPasswords(call)
    const verdict = yield* Effect.mapError(
      passwords.verify(principal.id, Buffer.from(current_password), call.address),
      identityFailure
    )
    if (verdict._tag === "wrong") {
      return yield* forbidden(call, "current_password is wrong")
    }
    const passwordHash = yield* Effect.mapError(passwords.hash(Buffer.from(new_password)), identityFailure)
    const change = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      store.changeUser(principal.id, { passwordHash, endSessions: true }, now)
    )
    const about = { on: principal.id, detail: "by the user itself" }
    yield* Effect.mapError(recorder.change(call, "password.changed", about, change), identityFailure)
    return empty
  })

  return { login, refresh, logout, me, changePassword }
}

/** RFC 6750 where a token was shown; to a wrong password, only which scheme is meant. */
const refused = (call: Call, error: LoginRefused | RefreshRefused): HttpFailure => {
  const shown = error._tag === "RefreshRefused"
  const challenge = challengeOf(call.path, {
    scheme: "bearer",
    error: shown ? "invalid_token" : undefined,
    reason: error.reason,
    claimed: undefined
  })
  return failure(401, error.message, { ...challenge, "cache-control": "no-store" })
}

const tokens = ({ expiresIn, refreshToken, token }: TokenPair): HttpServerResponse.HttpServerResponse => {
  const body: typeof TokenAnswer.Type = { token, refresh_token: refreshToken, expires_in: expiresIn }
  return HttpServerResponse.setHeader(jsonResponse(body), "cache-control", "no-store")
}
