import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { nobody } from "../../../src/services/auth/Authenticator.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import type { RateLimitsConfig } from "../../../src/services/config/IdentityConfig.ts"
import { PermissionSet } from "../../../src/services/identity/Permission.ts"
import type { Principal } from "../../../src/services/identity/Principal.ts"
import { clientsMax, RateLimits } from "../../../src/services/limits/RateLimits.ts"

const none: RateLimitsConfig = { window_s: 60, read: 0, write: 0, run: 0, login: 0 }

const withLimits = (limits: Partial<RateLimitsConfig>) =>
  Layer.unwrap(
    Effect.map(load(undefined, {}), ({ config }) =>
      RateLimits.layer.pipe(Layer.provideMerge(CurrentConfig.layer({ ...config, rate_limits: { ...none, ...limits } })))
    )
  )

const principal = (id: string): Principal => ({ ...nobody(PermissionSet.none, []), id, kind: "user" })

describe("RateLimits", () => {
  it.effect("have nothing to say of a class without a limit", () =>
    Effect.gen(function* () {
      const { take } = yield* RateLimits
      for (let n = 0; n < 1000; n++) assert.isUndefined(take("read", principal("alice"), ""))
    }).pipe(Effect.provide(withLimits({ write: 1 })))
  )

  it.effect("let a quota through at once, and then as the window goes by", () =>
    Effect.gen(function* () {
      const { refused, take } = yield* RateLimits
      const alice = principal("alice")
      const first = take("read", alice, "")
      assert.deepStrictEqual(first, {
        quota: 6,
        windowSeconds: 60,
        remaining: 5,
        resetSeconds: 10,
        retryAfterSeconds: undefined
      })
      for (let n = 0; n < 5; n++) assert.isUndefined(take("read", alice, "")?.retryAfterSeconds)
      assert.deepInclude(take("read", alice, ""), { remaining: 0, resetSeconds: 60, retryAfterSeconds: 10 })
      yield* TestClock.adjust("4 seconds")
      assert.deepInclude(take("read", alice, ""), { remaining: 0, retryAfterSeconds: 6 })
      yield* TestClock.adjust("6 seconds")
      assert.deepInclude(take("read", alice, ""), { remaining: 0, retryAfterSeconds: undefined })
      assert.deepInclude(take("read", alice, ""), { retryAfterSeconds: 10 })
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(take("read", alice, ""), { remaining: 5 })
      assert.strictEqual(refused(), 3)
    }).pipe(Effect.provide(withLimits({ read: 6 })))
  )

  it.effect("count each principal and each class by itself, and nobody by network", () =>
    Effect.gen(function* () {
      const { take } = yield* RateLimits
      const isWithin = (...asked: Parameters<typeof take>) => take(...asked)?.retryAfterSeconds === undefined
      const stranger = nobody(PermissionSet.none, [])
      assert.isTrue(isWithin("read", principal("alice"), "192.0.2.1"))
      assert.isFalse(isWithin("read", principal("alice"), "192.0.2.2"))
      assert.isTrue(isWithin("write", principal("alice"), "192.0.2.1"))
      assert.isTrue(isWithin("read", principal("bob"), "192.0.2.1"))
      assert.isTrue(isWithin("read", stranger, "192.0.2.1"))
      assert.isFalse(isWithin("read", undefined, "::ffff:192.0.2.1"))
      assert.isTrue(isWithin("read", undefined, "2001:db8::1"))
      assert.isFalse(isWithin("read", undefined, "2001:db8::2"))
      // Nobody's bucket is another's by being called like a network.
      assert.isTrue(isWithin("read", principal("192.0.2.1"), ""))
    }).pipe(Effect.provide(withLimits({ read: 1, write: 1 })))
  )

  it.effect("remember a bounded number of clients", () =>
    Effect.gen(function* () {
      const { take } = yield* RateLimits
      const isWithin = (id: string) => take("run", principal(id), "")?.retryAfterSeconds === undefined
      assert.isTrue(isWithin("first"))
      for (let n = 1; n < clientsMax; n++) assert.isTrue(isWithin(`user${n}`))
      assert.isFalse(isWithin("first"))
      assert.isTrue(isWithin("one more"))
      // The one longest unused has gone.
      assert.isTrue(isWithin("user1"))
      assert.isFalse(isWithin("first"))
    }).pipe(Effect.provide(withLimits({ run: 1 })))
  )

  it.effect("are those of the configuration in force", () =>
    Effect.gen(function* () {
      const { take } = yield* RateLimits
      const config = yield* CurrentConfig
      const alice = principal("alice")
      assert.deepInclude(take("read", alice, ""), { remaining: 0 })
      config.set({ ...config.get(), rate_limits: { ...config.get().rate_limits } })
      assert.deepInclude(take("read", alice, ""), { retryAfterSeconds: 60 })
      config.set({ ...config.get(), rate_limits: { ...none, read: 3 } })
      assert.deepInclude(take("read", alice, ""), { quota: 3, remaining: 2 })
      config.set({ ...config.get(), rate_limits: none })
      assert.isUndefined(take("read", alice, ""))
    }).pipe(Effect.provide(withLimits({ read: 1 })))
  )
})
