import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { admitted, makeTestEdge, ok, route, stranger, user } from "./support.ts"

const routes = [
  route("GET", "/logs", "events:read"),
  route("GET", "/api/v1/actions/:action", "actions:run:{action}", ok, { sideEffects: true }),
  route("POST", "/api/v1/actions/:action", "actions:run:{action}"),
  route("POST", "/v1/auth/login", "public"),
  route("GET", "/v1/auth/me", "authenticated"),
  route("GET", "/v1/users", "users:read"),
  route("GET", "/v1/users/:user", "users:read"),
  route("DELETE", "/v1/users/:user", "users:manage")
]

const alice = admitted(user("alice", "actions:run:safe", "users:read"))

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl"

describe("path tricks", () => {
  it.effect("reach nothing but what was decided about, by the decoded name", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* makeTestEdge({ routes, outcome: alice })
      for (const [path, status, name] of [
        ["/api/v1/actions/safe", 200, "safe"],
        ["/api/v1/actions/%73afe", 200, "safe"],
        ["/api/v1/actions/%73%61%66%65?x=/danger", 200, "safe"],
        ["/api/v1/actions/danger", 403],
        ["/api/v1/actions/%64anger", 403],
        ["/api/v1/actions/safe%2Fdanger", 403],
        ["/api/v1/actions/safe%2f..%2fdanger", 403],
        ["/api/v1/actions/safe%252f..%252fdanger", 403],
        ["/api/v1/actions/safe;danger", 403],
        ["/api/v1/actions/safe%3Bx", 403],
        ["/api/v1/actions/safe%00", 403],
        ["/api/v1/actions/safe%00danger", 403],
        ["/api/v1/actions/safe%20", 403],
        ["/api/v1/actions/safe%0d%0aX:y", 403],
        ["/api/v1/actions/safe\\..\\danger", 403],
        ["/api/v1/actions/safe#danger", 403],
        ["/api/v1/actions/safe#/../danger", 404],
        ["http://x/api/v1/actions/safe", 404],
        ["/api/v1/actions/SAFE", 403],
        ["/api/v1/actions/*", 403],
        ["/api/v1/actions/constructor", 403],
        ["/api/v1/actions/", 403],
        ["/api/v1/actions/safe/", 404],
        ["/api/v1/actions//safe", 404],
        ["//api/v1/actions/safe", 404],
        ["/api//v1/actions/safe", 404],
        ["/api/v1/actions/safe/../danger", 404],
        ["/api/v1/actions/../actions/safe", 404],
        ["/api/v1/./actions/safe", 404],
        ["/API/V1/actions/safe", 404],
        ["\\api\\v1\\actions\\safe", 404],
        ["/api/v1/actions;x=1/safe", 404],
        ["/api%2Fv1%2Factions%2Fsafe", 404],
        ["*", 404],
        ["", 404]
      ] as const) {
        calls.length = 0
        assert.strictEqual((yield* ask(path)).status, status, path)
        assert.deepStrictEqual(
          calls.map(({ params }) => params["action"]),
          name === undefined ? [] : [name],
          path
        )
      }
    })
  )

  it.effect("make nothing public that is not", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* makeTestEdge({ routes, outcome: stranger })
      for (const path of [
        "/v1/auth/login/../../users",
        "/v1/auth/login/..%2f..%2fusers",
        "/v1/auth/login;/v1/users",
        "/v1/auth/login%00/v1/users",
        "/v1/auth/login/",
        "/v1/auth/Login",
        "/v1//auth/login",
        "/v1/auth/%6cogin/../../users",
        "/v1/%75sers",
        "/v1/users?/v1/auth/login",
        "/v1/users#/v1/auth/login",
        "http://x/v1/auth/login"
      ]) {
        assert.strictEqual((yield* ask(path)).status, 401, path)
        assert.strictEqual((yield* ask(path, { method: "POST" })).status, 401, path)
      }
      assert.deepStrictEqual(calls, [])
      // An encoded letter is the letter: this is the login itself, and it is public.
      assert.strictEqual((yield* ask("/v1/auth/%6cogin", { method: "POST" })).status, 200)
    })
  )

  it.effect("with broken encodings are some name or none, and break nothing", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* makeTestEdge({ routes, outcome: alice })
      for (const path of [
        "/api/v1/actions/%",
        "/api/v1/actions/%zz",
        "/api/v1/actions/%ff",
        "/v1/%c0%af",
        "/%2e%2e/logs"
      ]) {
        assert.include([400, 403, 404], (yield* ask(path)).status, path)
      }
      assert.deepStrictEqual(calls, [])
    })
  )
})

describe("methods", () => {
  it.effect("are those of the request line, whatever fields and parameters say", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* makeTestEdge({ routes })
      for (const name of ["x-http-method-override", "x-http-method", "x-method-override", "_method"]) {
        for (const method of ["GET", "POST"]) {
          const answer = yield* ask("/v1/users/bob?_method=DELETE", { method, headers: { [name]: "DELETE" } })
          assert.strictEqual(answer.status, method === "GET" ? 200 : 405)
        }
      }
      assert.deepStrictEqual(
        calls.map(({ request }) => request.method),
        ["GET", "GET", "GET", "GET"]
      )
    })
  )

  it.effect("that no route has are refused, also those that look like one", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* makeTestEdge({ routes })
      for (const method of ["get", "TRACE", "CONNECT", "PROPFIND", "", "GET ", "constructor", "DELETE"]) {
        assert.strictEqual((yield* ask("/logs", { method })).status, 405, method)
      }
      assert.deepStrictEqual(calls, [])
    })
  )
})

describe("fields that only a proxy could vouch for", () => {
  it.effect("change neither who asks nor what is asked, and are never an address", () =>
    Effect.gen(function* () {
      const { ask, attempts, entries, logged } = yield* makeTestEdge({ routes, outcome: stranger })
      const headers = {
        "x-forwarded-for": "127.0.0.1",
        "x-real-ip": "127.0.0.1",
        forwarded: "for=127.0.0.1;proto=https",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "localhost",
        "x-forwarded-user": "admin",
        "x-remote-user": "admin",
        remote_user: "admin",
        "x-original-url": "/v1/auth/login",
        "x-rewrite-url": "/v1/auth/login",
        "x-client-cert": "CN=admin",
        "x-ssl-client-verify": "SUCCESS",
        "x-authorization": "Basic YWRtaW46eA==",
        "proxy-authorization": "Basic YWRtaW46eA==",
        cookie: `token=${jwt}; session=admin`
      }
      assert.strictEqual((yield* ask("/v1/users", { headers })).status, 401)
      assert.deepInclude(attempts[0], { address: "192.0.2.1", authorization: undefined, peer: undefined })
      assert.propertyVal(entries[0], "address", "192.0.2.1")
      assert.propertyVal(logged[0], "address", "192.0.2.1")
    })
  )

  it.effect("and names that some servers take for others are other names", () =>
    Effect.gen(function* () {
      const { ask, calls, attempts, entries } = yield* makeTestEdge({ routes })
      const headers = { x_approval: "1", "x-approval ": "1", x_justification: "because", authorization_: "Basic eA==" }
      yield* ask("/v1/users/bob", { method: "DELETE", headers })
      const [call] = calls
      assert.isUndefined(call?.header("x-approval"))
      assert.isUndefined(attempts[0]?.authorization)
      assert.propertyVal(entries[0], "justification", undefined)
    })
  )
})

describe("fields that came twice", () => {
  it.effect("are refused where they decide something, before anybody is asked who that is", () =>
    Effect.gen(function* () {
      const { ask, attempts, calls } = yield* makeTestEdge({ routes })
      for (const name of ["authorization", "x-approval", "x-justification", "host"]) {
        for (const path of ["/logs", "/v1/users", "/v1/auth/login"]) {
          const method = path === "/v1/auth/login" ? "POST" : "GET"
          const { headers, status } = yield* ask(path, { method, headers: { [name]: "x" }, repeated: [name] })
          assert.strictEqual(status, 400, `${name} ${path}`)
          assert.strictEqual(
            headers["www-authenticate"],
            name === "authorization" ? 'Bearer realm="systemapi", error="invalid_request"' : undefined
          )
        }
      }
      assert.deepStrictEqual([attempts, calls], [[], []])
    })
  )

  it.effect("are nobody's business where they decide nothing", () =>
    Effect.gen(function* () {
      const { ask } = yield* makeTestEdge({ routes })
      const answer = yield* ask("/logs", { headers: { accept: "a, b" }, repeated: ["accept", "x-forwarded-for"] })
      assert.strictEqual(answer.status, 200)
    })
  )
})

describe("a token in the URL", () => {
  it.effect("is refused by the APIs that know tokens, and never used", () =>
    Effect.gen(function* () {
      const { ask, attempts, calls } = yield* makeTestEdge({ routes })
      for (const query of [
        `access_token=${jwt}`,
        `token=${jwt}`,
        "refresh_token=x",
        "a=1&access_token=",
        "access_token",
        `%61ccess_token=${jwt}`,
        `a=1&access%5Ftoken=${jwt}`
      ]) {
        for (const [method, path] of [
          ["GET", "/v1/users"],
          ["GET", "/v1/missing"],
          ["POST", "/v1/auth/login"]
        ] as const) {
          const { headers, status, text } = yield* ask(`${path}?${query}`, { method })
          assert.strictEqual(status, 400, `${path}?${query}`)
          assert.match(headers["www-authenticate"] ?? "", /^Bearer realm="systemapi", error="invalid_request"/u)
          assert.notInclude(text, "eyJ")
        }
      }
      assert.deepStrictEqual([attempts, calls], [[], []])
    })
  )

  it.effect("is a parameter like any other to the System API, and no credentials", () =>
    Effect.gen(function* () {
      const { ask, attempts } = yield* makeTestEdge({ routes })
      assert.strictEqual((yield* ask(`/logs?access_token=${jwt}`)).status, 200)
      assert.deepInclude(attempts[0], { authorization: undefined })
    })
  )

  it.effect("shows in no log", () =>
    Effect.gen(function* () {
      const { ask, entries, logged } = yield* makeTestEdge({ routes, outcome: stranger })
      const secret = "sa_0123456789abcdef_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
      for (const target of [
        `/logs?access_token=${jwt}`,
        `/v1/users?token=${jwt}`,
        `/v1/users/${jwt}`,
        `/v1/users/${secret}`,
        `/v1/users/x${secret}y`,
        `ftp://admin:hunter22@host/logs`
      ]) {
        yield* ask(target)
      }
      assert.lengthOf(logged, 6)
      const told = JSON.stringify([logged, entries])
      for (const part of ["eyJ", "AbCdEf", "hunter22", "c2lnbmF0dXJl"]) assert.notInclude(told, part)
      assert.include(told, "/v1/users/REDACTED")
    })
  )
})
