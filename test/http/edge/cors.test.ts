import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { admitted, makeTestEdge, type Options, route, stranger, user } from "./support.ts"

const page = "https://ops.example"

const routes = [
  route("GET", "/logs", "events:read"),
  route("POST", "/v1/users", "users:manage"),
  route("GET", "/v1/users", "users:read"),
  route("OPTIONS", "/v1/users", "users:read"),
  route("GET", "/varies", "events:read", () =>
    Effect.succeed(HttpServerResponse.text("x", { headers: { vary: "Accept" } }))
  )
]

const edge = (rest: Partial<Options> = {}, origins: ReadonlyArray<string> = [page]) =>
  makeTestEdge({ routes, config: { cors: { origins, max_age_s: 300 } }, ...rest })

const corsOf = (headers: Readonly<Record<string, string | undefined>>) =>
  Object.keys(headers).filter((name) => name.startsWith("access-control"))

const preflight = (origin: string, method = "POST") => ({
  method: "OPTIONS",
  headers: {
    origin,
    "access-control-request-method": method,
    "access-control-request-headers": "authorization,content-type"
  }
})

describe("a page of a configured origin", () => {
  it.effect("may ask ahead what it may, without saying who it is", () =>
    Effect.gen(function* () {
      const { ask, attempts, calls } = yield* edge({ outcome: stranger })
      const { headers, status } = yield* ask("/v1/users", preflight(page))
      assert.strictEqual(status, 204)
      assert.deepInclude(headers, {
        "access-control-allow-origin": page,
        "access-control-allow-methods": "GET, HEAD, OPTIONS, POST",
        "access-control-max-age": "300",
        vary: "Origin"
      })
      assert.match(headers["access-control-allow-headers"] ?? "", /Authorization, Content-Type/u)
      assert.isUndefined(headers["access-control-allow-credentials"])
      assert.deepStrictEqual([attempts, calls], [[], []])
      // What is not there is told as to anybody.
      assert.strictEqual((yield* ask("/missing", preflight(page))).status, 401)
    })
  )

  it.effect("reads answers and errors, and what their fields say", () =>
    Effect.gen(function* () {
      for (const [outcome, status] of [
        [admitted(user("alice", "*")), 200],
        [admitted(user("alice")), 403],
        [stranger, 401]
      ] as const) {
        const { ask } = yield* edge({ outcome })
        const answer = yield* ask("/logs", { headers: { origin: page } })
        assert.strictEqual(answer.status, status)
        assert.strictEqual(answer.headers["access-control-allow-origin"], page)
        assert.match(answer.headers["access-control-expose-headers"] ?? "", /Retry-After.*X-Request-Id/u)
      }
    })
  )

  it.effect("may change something, where pages of others may not", () =>
    Effect.gen(function* () {
      const { ask } = yield* edge()
      for (const [origin, status] of [
        [page, 200],
        ["https://evil.example", 403]
      ] as const) {
        const headers = { origin, "sec-fetch-site": "cross-site" }
        assert.strictEqual((yield* ask("/v1/users", { method: "POST", headers })).status, status)
      }
    })
  )
})

describe("a page of any other origin", () => {
  it.effect("learns nothing of this, asked ahead or not", () =>
    Effect.gen(function* () {
      const { ask } = yield* edge({}, [page, "https://other.example:8443"])
      for (const origin of [
        "null",
        "",
        "https://ops.example.evil",
        "https://evil.example",
        "http://ops.example",
        "https://ops.example:443",
        "https://ops.example/",
        "HTTPS://OPS.EXAMPLE",
        `${page}, https://evil.example`,
        "https://other.example"
      ]) {
        const asked = yield* ask("/logs", preflight(origin))
        assert.deepStrictEqual([asked.headers["vary"], corsOf(asked.headers)], ["Origin", []], origin)
        const { headers } = yield* ask("/logs", { headers: { origin } })
        assert.deepStrictEqual([headers["vary"], corsOf(headers)], ["Origin", []], origin)
      }
    })
  )

  it.effect("never null, not even if somebody configured it", () =>
    Effect.gen(function* () {
      const { ask } = yield* edge({}, ["null"])
      assert.deepStrictEqual(corsOf((yield* ask("/logs", { headers: { origin: "null" } })).headers), [])
    })
  )
})

describe("answers", () => {
  it.effect("are kept apart by caches from those to other origins, beside what they say themselves", () =>
    Effect.gen(function* () {
      const { ask } = yield* edge()
      assert.strictEqual((yield* ask("/logs")).headers["vary"], "Origin")
      assert.strictEqual((yield* ask("/varies")).headers["vary"], "Accept, Origin")
    })
  )

  it.effect("say nothing of it where no page may ask, and OPTIONS is what it was", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* edge({}, [])
      const { headers } = yield* ask("/logs", { headers: { origin: page } })
      assert.deepStrictEqual([headers["vary"], corsOf(headers)], [undefined, []])
      assert.strictEqual((yield* ask("/v1/users", preflight(page))).status, 200)
      assert.lengthOf(calls, 2)
      assert.deepStrictEqual(corsOf((yield* ask("/logs", preflight(page))).headers), [])
    })
  )
})
