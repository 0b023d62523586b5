import { assert, describe, it } from "@effect/vitest"
import type { Claims } from "../../../src/services/identity/claims.ts"
import type { Snapshot, User } from "../../../src/services/identity/IdentityStore.ts"
import { bearerOf } from "../../../src/services/identity/standing.ts"
import { someDay, userOf } from "./support.ts"

const claims: Claims = {
  sub: "alice",
  jti: "j",
  sid: "s",
  issuedAt: someDay,
  loginAt: someDay - 500,
  expiresAt: someDay + 1000
}

const says = (user: Partial<User>, more: Partial<Snapshot> = {}) => {
  const snapshot: Snapshot = {
    users: new Map([["alice", userOf("alice", undefined, user)]]),
    tokens: new Map(),
    keys: [],
    endedSessions: new Set(),
    revokedTokens: new Set(),
    approvals: new Map(),
    ...more
  }
  const standing = bearerOf(snapshot, claims, false)
  return standing._tag === "good" ? standing.user.name : standing.reason
}

describe("the standing of whoever brings a token", () => {
  it("is good while user, login and token are", () => {
    assert.strictEqual(says({ sessionsFrom: someDay - 500, createdAt: someDay - 500 }), "alice")
  })

  it("is lost with the logins of its time, though the store has forgotten this one", () => {
    assert.strictEqual(says({ sessionsFrom: someDay + 1 }), "the user's logins of that time have ended")
  })

  it("is lost with the logins that began before, also for a token that was refreshed since", () => {
    assert.strictEqual(says({ sessionsFrom: someDay - 499 }), "the user's logins of that time have ended")
  })

  it("is not inherited by a later user of the name", () => {
    assert.strictEqual(says({ createdAt: someDay + 1 }), "the user's logins of that time have ended")
  })

  it("is lost with its login, its token, its user", () => {
    assert.strictEqual(says({}, { endedSessions: new Set(["s"]) }), "its login has ended")
    assert.strictEqual(says({}, { revokedTokens: new Set(["j"]) }), "it was revoked")
    assert.strictEqual(says({ disabled: true }), "the user is disabled")
    assert.strictEqual(says({}, { users: new Map() }), "there is no such user")
  })
})
