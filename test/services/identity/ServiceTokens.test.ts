import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import { ServiceTokens, type TokenRequest } from "../../../src/services/identity/ServiceTokens.ts"
import { someDay, startIdentity, userOf } from "./support.ts"

const request: TokenRequest = {
  name: "ci",
  permissions: ["events:read", "actions:run:deploy", "users:manage"],
  expiresInSeconds: undefined,
  owner: "alice"
}

const start = Effect.gen(function* () {
  const started = yield* startIdentity({ users: { alice: "a long password" } })
  const tokens = Context.get(started.context, ServiceTokens)
  const create = Effect.fnUntraced(function* (more: Partial<TokenRequest> = {}) {
    const { secret, token } = yield* tokens.create({ ...request, ...more })
    return { token, bearer: Redacted.value(secret) }
  })
  /** Its permissions, or why not. */
  const says = (bearer: string) =>
    Effect.map(tokens.verify(bearer), (verified) =>
      verified._tag === "valid" ? verified.principal.permissions.grants.join() : verified.reason
    )
  return { ...started, tokens, create, says }
})

describe("ServiceTokens", () => {
  it.effect("are known by their id and right by their secret, of which the store has a hash", () =>
    Effect.gen(function* () {
      const { create, says, store, tokens } = yield* start
      const { bearer, token } = yield* create()
      assert.match(bearer, /^sa_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/u)
      assert.isTrue(tokens.isOne(bearer))
      assert.isFalse(tokens.isOne("eyJhbGciOiJIUzI1NiJ9.e30.x"))
      const stored = (yield* store.fresh).tokens.get(token.id)
      assert.notInclude(JSON.stringify(stored), bearer.slice(20))
      assert.isTrue(Exit.isExit(tokens.verify(bearer)))
      const verified = yield* tokens.verify(bearer)
      if (verified._tag === "invalid") return assert.fail(verified.reason)
      const { permissions } = verified.principal
      assert.deepStrictEqual(permissions.grants, ["actions:run:deploy", "events:read"])
      assert.deepStrictEqual(verified.principal, {
        id: "token:ci",
        kind: "token",
        roles: [],
        owner: "alice",
        provider: "bearer",
        authenticatedAt: someDay,
        credential: token.id,
        session: undefined,
        expiresAt: undefined,
        permissions
      })
      for (const wrong of [
        "sa_",
        `sa_${token.id}`,
        `${bearer}A`,
        bearer.slice(0, -1),
        ` ${bearer}`,
        `${bearer}\n`,
        bearer.toUpperCase(),
        "sa_" + "_".repeat(10_000)
      ]) {
        assert.strictEqual(yield* says(wrong), "it is no token of ours", wrong.slice(0, 30))
      }
      const other = bearer.endsWith("A") ? "E" : "A"
      assert.strictEqual(yield* says(bearer.slice(0, -1) + other), "there is no such token")
      assert.strictEqual(yield* says(`sa_${"0".repeat(16)}_${bearer.slice(20)}`), "there is no such token")
    })
  )

  it.effect("may do what their scope and their owner's roles of now both allow", () =>
    Effect.gen(function* () {
      const { create, says, store } = yield* start
      const { bearer } = yield* create()
      assert.strictEqual(yield* says(bearer), "actions:run:deploy,events:read")
      assert.strictEqual(yield* says(bearer), "actions:run:deploy,events:read")
      yield* store.changeUser("alice", { roles: ["viewer"] }, someDay)
      assert.strictEqual(yield* says(bearer), "events:read")
      yield* store.changeUser("alice", { roles: ["admin"] }, someDay)
      assert.strictEqual(yield* says(bearer), "actions:run:deploy,events:read,users:manage")
      yield* store.changeUser("alice", { roles: [] }, someDay)
      assert.strictEqual(yield* says(bearer), "")
    })
  )

  it.effect("made at the console have their scope alone", () =>
    Effect.gen(function* () {
      const { create, says, tokens } = yield* start
      const { bearer } = yield* create({ owner: undefined })
      assert.strictEqual(yield* says(bearer), "actions:run:deploy,events:read,users:manage")
      const verified = yield* tokens.verify(bearer)
      assert.strictEqual(verified._tag === "valid" ? verified.principal.owner : "", "token:ci")
    })
  )

  it.effect("stop with their owner", () =>
    Effect.gen(function* () {
      const { create, says, store } = yield* start
      const { bearer } = yield* create()
      yield* store.changeUser("alice", { disabled: true }, someDay)
      assert.strictEqual(yield* says(bearer), "of its owner alice: the user is disabled")
      yield* store.changeUser("alice", { disabled: false }, someDay)
      assert.strictEqual(yield* says(bearer), "actions:run:deploy,events:read")
      yield* store.deleteUser("alice", someDay)
      yield* store.createUser(userOf("alice", undefined, { createdAt: someDay + 1, sessionsFrom: someDay + 1 }))
      assert.strictEqual(yield* says(bearer), "it was revoked")
    })
  )

  it.effect("are not those of whoever gets the name of their owner", () =>
    Effect.gen(function* () {
      const { create, says, store } = yield* start
      yield* store.createUser(userOf("bob", undefined, { createdAt: someDay + 1 }))
      const { bearer } = yield* create({ owner: "bob" })
      assert.strictEqual(yield* says(bearer), "its owner is another user of the name")
    })
  )

  it.effect("end when they expire or are revoked, at once", () =>
    Effect.gen(function* () {
      const { create, says, tokens } = yield* start
      const first = yield* create({ expiresInSeconds: 60 })
      const second = yield* create()
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual(yield* says(first.bearer), "actions:run:deploy,events:read")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* says(first.bearer), "it has expired")
      yield* tokens.revoke(second.token.id)
      assert.strictEqual(yield* says(second.bearer), "it was revoked")
      assert.strictEqual((yield* Effect.flip(tokens.revoke("0"))).message, "there is no service token 0")
    })
  )

  it.effect("have the minute of their last use written together, not by each request", () =>
    Effect.gen(function* () {
      const { create, identities, says, store } = yield* start
      const all = [yield* create(), yield* create(), yield* create()]
      identities.calls.length = 0
      for (let n = 0; n < 100; n++) for (const { bearer } of all) yield* says(bearer)
      assert.deepStrictEqual(identities.calls, [])
      const lastUsed = Effect.map(store.fresh, ({ tokens }) => all.map(({ token }) => tokens.get(token.id)?.lastUsedAt))
      assert.deepStrictEqual(yield* lastUsed, [undefined, undefined, undefined])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* lastUsed, [someDay, someDay, someDay])
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(identities.calls, ["touchTokens"])

      // What cannot be written waits for the next time.
      yield* says(all[0]?.bearer ?? "")
      identities.breakWith("the disk is gone")
      yield* TestClock.adjust("2 minutes")
      identities.breakWith(undefined)
      assert.deepStrictEqual(yield* lastUsed, [someDay, someDay, someDay])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* lastUsed, [someDay + 660_000, someDay, someDay])
    })
  )
})

describe("the last use of a service token", () => {
  it.effect("is written when the daemon stops", () =>
    Effect.gen(function* () {
      const outer = yield* startIdentity({ users: { alice: "a long password" } })
      const bearer = yield* Effect.scoped(
        Effect.gen(function* () {
          const { context } = yield* startIdentity({ store: outer.identities.layer })
          const tokens = Context.get(context, ServiceTokens)
          const { secret } = yield* tokens.create(request)
          yield* tokens.verify(Redacted.value(secret))
          return Redacted.value(secret)
        })
      )
      const [token] = (yield* outer.store.fresh).tokens.values()
      assert.strictEqual(token?.lastUsedAt, someDay)
      assert.isNotEmpty(bearer)
    })
  )
})
