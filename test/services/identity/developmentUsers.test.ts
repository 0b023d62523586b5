import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { SlowHash } from "../../../src/services/auth/SlowHash.ts"
import { AccessTokens } from "../../../src/services/identity/AccessTokens.ts"
import { ServiceTokens } from "../../../src/services/identity/ServiceTokens.ts"
import { Sessions } from "../../../src/services/identity/Sessions.ts"
import { loopback, startIdentity, userOf, utf8 } from "./support.ts"

const on = { development_users: true }
const slowHash = Layer.fresh(SlowHash.layer)
const printed = [
  ["admin", "admin123", "admin"],
  ["operator", "operator123", "operator"],
  ["developer", "dev123", "developer"]
] as const

describe("the development users", () => {
  it.effect("are there with the passwords of the document where the configuration says so", () =>
    Effect.gen(function* () {
      const { context, store } = yield* startIdentity({ auth: on, slowHash })
      const sessions = Context.get(context, Sessions)
      for (const [name, password, role] of printed) {
        assert.isNotEmpty((yield* sessions.login(name, utf8(password), loopback)).token)
        assert.deepStrictEqual((yield* store.fresh).users.get(name)?.roles, [role])
        assert.strictEqual((yield* Effect.flip(sessions.login(name, utf8("x"), loopback)))._tag, "LoginRefused")
      }
    })
  )

  it.effect("are nobody as soon as it does not, with every token they got", () =>
    Effect.gen(function* () {
      const before = yield* startIdentity({ auth: on, slowHash })
      const pair = yield* Context.get(before.context, Sessions).login("admin", utf8("admin123"), loopback)
      const { secret } = yield* Context.get(before.context, ServiceTokens).create({
        name: "mine",
        permissions: ["*"],
        expiresInSeconds: undefined,
        owner: "admin"
      })
      const after = yield* startIdentity({ store: before.identities.layer, slowHash })
      assert.strictEqual((yield* after.store.fresh).users.size, 0)
      // Another daemon of the machine still has them, and adds them again.
      const again = yield* startIdentity({ auth: on, store: before.identities.layer, slowHash })
      assert.strictEqual((yield* again.store.fresh).users.size, 3)
      const third = yield* Context.get(again.context, Sessions).login("admin", utf8("admin123"), loopback)
      const reason = "it is a development user, which auth.development_users does not allow"
      const sessions = Context.get(after.context, Sessions)
      for (const [name, password] of printed) {
        assert.deepInclude(yield* Effect.flip(sessions.login(name, utf8(password), loopback)), { reason })
      }
      const access = Context.get(after.context, AccessTokens)
      assert.deepInclude(yield* access.verify(third.token), { _tag: "invalid", reason })
      assert.strictEqual((yield* access.verify(pair.token))._tag, "invalid")
      assert.deepInclude(yield* Effect.flip(sessions.refresh(third.refreshToken)), { reason })
      const tokens = Context.get(after.context, ServiceTokens)
      assert.strictEqual((yield* tokens.verify(Redacted.value(secret)))._tag, "invalid")
    })
  )

  it.effect("leave a user alone who has one of their names or got a password since", () =>
    Effect.gen(function* () {
      const before = yield* startIdentity({ users: { admin: "a password of the admin" } })
      const dev = yield* startIdentity({ auth: on, store: before.identities.layer })
      const { passwordHash } = userOf("operator", "a password since")
      if (passwordHash !== undefined) yield* dev.store.changeUser("operator", { passwordHash }, 0)
      const after = yield* startIdentity({ store: before.identities.layer })
      assert.deepStrictEqual([...(yield* after.store.fresh).users.keys()].sort(), ["admin", "operator"])
      const sessions = Context.get(after.context, Sessions)
      assert.isNotEmpty((yield* sessions.login("admin", utf8("a password of the admin"), loopback)).token)
      assert.isNotEmpty((yield* sessions.login("operator", utf8("a password since"), loopback)).token)
    })
  )
})
