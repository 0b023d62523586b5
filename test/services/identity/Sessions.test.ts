import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { TestClock } from "effect/testing"
import { AccessTokens } from "../../../src/services/identity/AccessTokens.ts"
import { rotationGraceMs, Sessions } from "../../../src/services/identity/Sessions.ts"
import { bearer, type IdentityOptions, loopback, startIdentity, utf8 } from "./support.ts"

const alice = { users: { alice: "a long password" } }

const start = Effect.fnUntraced(function* (options: IdentityOptions = alice) {
  const started = yield* startIdentity(options)
  const sessions = Context.get(started.context, Sessions)
  const access = Context.get(started.context, AccessTokens)
  const login = sessions.login("alice", utf8("a long password"), loopback)
  const whoseIs = (token: string) =>
    Effect.map(access.verify(token), (verified) => (verified._tag === "valid" ? verified.user.name : verified.reason))
  const reason = (token: string) =>
    Effect.map(Effect.flip(sessions.refresh(token)), (error) => ("reason" in error ? error.reason : "?"))
  return { ...started, sessions, access, login, whoseIs, reason }
})

describe("Sessions.login", () => {
  it.effect("gives an access token and a refresh token for the right password", () =>
    Effect.gen(function* () {
      const { login, whoseIs, identities } = yield* start()
      const { expiresIn, refreshToken, token } = yield* login
      assert.strictEqual(expiresIn, 24 * 3600)
      assert.match(token, /^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{43}$/u)
      assert.match(refreshToken, /^eyJ/u)
      assert.strictEqual(yield* whoseIs(token), "alice")
      assert.deepStrictEqual(identities.calls, ["addKey", "startSession"])
    })
  )

  it.effect("refuses an unknown user, a wrong password, a disabled user and one without a password alike", () =>
    Effect.gen(function* () {
      const { sessions, store } = yield* start()
      yield* store.createUser({
        name: "bob",
        roles: [],
        passwordHash: undefined,
        disabled: false,
        sessionsFrom: 0,
        createdAt: 0,
        updatedAt: 0
      })
      const told: Array<string> = []
      for (const [name, password] of [
        ["nobody", "a long password"],
        ["alice", "wrong"],
        ["bob", "a long password"],
        ["Alice", "a long password"],
        ["", ""]
      ] as const) {
        const error = yield* Effect.flip(sessions.login(name, utf8(password), loopback))
        told.push(error.message)
        assert.strictEqual(error._tag, "LoginRefused")
      }
      assert.deepStrictEqual(new Set(told), new Set(["Wrong user name or password"]))
      yield* store.changeUser("alice", { disabled: true }, 0)
      const disabled = yield* Effect.flip(sessions.login("alice", utf8("a long password"), loopback))
      assert.deepInclude(disabled, { _tag: "LoginRefused", reason: "the user is disabled" })
    })
  )

  it.effect("does not log in while the store cannot keep the login", () =>
    Effect.gen(function* () {
      const { identities, login } = yield* start()
      yield* login
      identities.breakWith("the disk is gone")
      assert.strictEqual((yield* Effect.flip(login))._tag, "IdentityUnavailable")
    })
  )
})

describe("Sessions.refresh", () => {
  it.effect("takes a refresh token once and gives both anew", () =>
    Effect.gen(function* () {
      const { login, sessions, whoseIs } = yield* start()
      let { refreshToken, token } = yield* login
      for (let day = 0; day < 8; day++) {
        yield* TestClock.adjust("1 day")
        const next = yield* sessions.refresh(refreshToken)
        assert.strictEqual(next.user, "alice")
        assert.notStrictEqual(next.refreshToken, refreshToken)
        assert.strictEqual(yield* whoseIs(next.token), "alice")
        ;({ refreshToken, token } = next)
      }
      assert.strictEqual(yield* whoseIs(token), "alice")
      yield* TestClock.adjust("168 hours")
      yield* TestClock.adjust("5 seconds")
      const late = yield* Effect.flip(sessions.refresh(refreshToken))
      assert.deepInclude(late, { reason: "it has expired", user: "alice" })
    })
  )

  it.effect("ends the login whose used token is shown, its access token at once, and no other login", () =>
    Effect.gen(function* () {
      const { login, reason, sessions, whoseIs } = yield* start()
      const other = yield* login
      const first = yield* login
      const second = yield* sessions.refresh(first.refreshToken)
      yield* TestClock.adjust(rotationGraceMs)
      assert.strictEqual(yield* reason(first.refreshToken), "it was used before: its login has ended by this")
      assert.strictEqual(yield* reason(second.refreshToken), "its login has ended")
      assert.strictEqual(yield* whoseIs(second.token), "its login has ended")
      assert.strictEqual(yield* whoseIs(other.token), "alice")
      assert.strictEqual((yield* sessions.refresh(other.refreshToken)).user, "alice")
    })
  )

  it.effect(
    "takes the used token again from who lost the answer, for ten seconds and until its successor is shown",
    () =>
      Effect.gen(function* () {
        const { login, reason, sessions } = yield* start()
        const { refreshToken: lost } = yield* login
        const unseen = yield* sessions.refresh(lost)
        yield* TestClock.adjust(rotationGraceMs - 1)
        const { refreshToken: seen } = yield* sessions.refresh(lost)
        const { refreshToken: last } = yield* sessions.refresh(seen)
        // The successor was shown: now it is a used one.
        assert.strictEqual(yield* reason(lost), "it was used before: its login has ended by this")
        assert.strictEqual(yield* reason(last), "its login has ended")
        assert.strictEqual(yield* reason(unseen.refreshToken), "its login has ended")
      })
  )

  it.effect("ends the login when thief and owner have both shown theirs, within the grace as well", () =>
    Effect.gen(function* () {
      const { login, reason, sessions } = yield* start()
      const { refreshToken: stolen } = yield* login
      const owners = yield* sessions.refresh(stolen)
      const thiefs = yield* sessions.refresh(stolen)
      assert.strictEqual(yield* reason(owners.refreshToken), "it was used before: its login has ended by this")
      assert.strictEqual(yield* reason(thiefs.refreshToken), "its login has ended")
    })
  )

  it.effect("lets one of two have a token that both show at once, or both within the grace, never two logins", () =>
    Effect.gen(function* () {
      const { login, sessions } = yield* start()
      const { refreshToken } = yield* login
      const exits = yield* Effect.forEach(
        [refreshToken, refreshToken],
        (token) => Effect.exit(sessions.refresh(token)),
        {
          concurrency: "unbounded"
        }
      )
      const pairs = exits.flatMap((exit) => (Exit.isSuccess(exit) ? [exit.value] : []))
      assert.strictEqual(pairs.length, 2)
      const results = yield* Effect.forEach(pairs, (pair) => Effect.exit(sessions.refresh(pair.refreshToken)))
      assert.isAtMost(results.filter(Exit.isSuccess).length, 1)
    })
  )

  it.effect("refuses junk, access tokens and strangers' tokens without asking the store", () =>
    Effect.gen(function* () {
      const { identities, login, reason } = yield* start()
      const { refreshToken, token } = yield* login
      identities.calls.length = 0
      const [head, body, signature] = refreshToken.split(".")
      assert.strictEqual(yield* reason(token), "it is of another kind")
      assert.strictEqual(yield* reason("junk"), "it is no token of ours")
      assert.strictEqual(yield* reason(""), "it is no token of ours")
      assert.strictEqual(yield* reason(`${head}.${body}.`), "its signature is wrong")
      assert.strictEqual(yield* reason(`${head}.${body}.${signature?.slice(1)}A`), "its signature is wrong")
      assert.strictEqual(yield* reason("x".repeat(100_000)), "it is no token of ours")
      assert.deepStrictEqual(identities.calls, [])
    })
  )

  it.effect("refuses users that are disabled, deleted, made anew, or whose logins were ended", () =>
    Effect.gen(function* () {
      const { login, reason, store, whoseIs } = yield* start()
      const { refreshToken, token } = yield* login
      yield* store.changeUser("alice", { disabled: true }, 0)
      assert.strictEqual(yield* reason(refreshToken), "the user is disabled")
      assert.strictEqual(yield* whoseIs(token), "the user is disabled")
      const user = yield* store.changeUser("alice", { disabled: false }, 0)
      assert.strictEqual(yield* whoseIs(token), "alice")

      yield* TestClock.adjust("1 millis")
      const now = yield* Clock.currentTimeMillis
      yield* store.changeUser("alice", { endSessions: true }, now)
      assert.strictEqual(yield* reason(refreshToken), "its login has ended")
      const again = yield* login
      assert.strictEqual(yield* whoseIs(again.token), "alice")

      yield* store.deleteUser("alice", now)
      assert.strictEqual(yield* reason(again.refreshToken), "its login has ended")
      yield* TestClock.adjust("1 millis")
      yield* store.createUser({ ...user, sessionsFrom: 0, createdAt: now + 1 })
      assert.strictEqual(yield* whoseIs(again.token), "its login has ended")
    })
  )
})

describe("Sessions.logout", () => {
  it.effect("ends the login and its access tokens at once, and no other login", () =>
    Effect.gen(function* () {
      const { access, login, reason, sessions, whoseIs } = yield* start()
      const other = yield* login
      const { refreshToken, token } = yield* login
      const verified = yield* access.verify(token)
      if (verified._tag === "invalid") return assert.fail(verified.reason)
      yield* sessions.logout(bearer(verified.claims.session, verified.claims.expiresAt))
      assert.strictEqual(yield* whoseIs(token), "its login has ended")
      assert.strictEqual(yield* reason(refreshToken), "its login has ended")
      assert.strictEqual(yield* whoseIs(other.token), "alice")
    })
  )
})
