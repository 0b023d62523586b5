import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { rateLimitGuard } from "../../../src/http/edge/rateLimitGuard.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { RateLimits } from "../../../src/services/limits/RateLimits.ts"
import { makeTestEdge, route } from "./support.ts"

const routes = [
  route("GET", "/logs", "events:read"),
  route("POST", "/v1/users", "users:manage"),
  route("POST", "/v1/auth/login", "public", undefined, { rate: "login" })
]

const edge = Effect.gen(function* () {
  const { config } = yield* load(undefined, {})
  const limits = { window_s: 60, read: 2, write: 0, run: 0, login: 1 }
  const layer = RateLimits.layer.pipe(Layer.provide(CurrentConfig.layer({ ...config, rate_limits: limits })))
  const rateLimits = yield* Effect.provide(RateLimits, layer)
  return yield* makeTestEdge({ routes, rest: { guards: [rateLimitGuard(rateLimits)] } })
})

describe("answers of a limited class", () => {
  it.effect("tell what is left, and then when to come again", () =>
    Effect.gen(function* () {
      const { ask, calls, entries } = yield* edge
      const fields = ["ratelimit-policy", "ratelimit", "retry-after"] as const
      const asked = Effect.map(ask("/logs"), ({ headers, status }) => [status, ...fields.map((name) => headers[name])])
      const policy = '"read";q=2;w=60'
      assert.deepStrictEqual(yield* asked, [200, policy, '"read";r=1;t=30', undefined])
      assert.deepStrictEqual(yield* asked, [200, policy, '"read";r=0;t=60', undefined])
      assert.deepStrictEqual(yield* asked, [429, policy, '"read";r=0;t=60', "30"])
      assert.lengthOf(calls, 2)
      assert.deepStrictEqual(
        entries.map(({ detail, outcome }) => [outcome, detail]),
        [["refused", "more requests than are allowed"]]
      )
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* asked, [200, policy, '"read";r=0;t=60', undefined])
    })
  )

  it.effect("are those of public endpoints too, by network", () =>
    Effect.gen(function* () {
      const { ask } = yield* edge
      assert.strictEqual((yield* ask("/v1/auth/login", { method: "POST" })).status, 200)
      const { status, text } = yield* ask("/v1/auth/login", { method: "POST" })
      assert.strictEqual(status, 429)
      assert.propertyVal(JSON.parse(text), "error", "RATE_LIMITED")
    })
  )
})

describe("answers of a class without a limit", () => {
  it.effect("say nothing of limits", () =>
    Effect.gen(function* () {
      const { ask } = yield* edge
      for (let n = 0; n < 10; n++) {
        const { headers, status } = yield* ask("/v1/users", { method: "POST" })
        assert.strictEqual(status, 200)
        assert.isUndefined(headers["ratelimit"])
      }
    })
  )
})
