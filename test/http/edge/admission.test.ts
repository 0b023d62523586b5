import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type Attempt, nobody, type Outcome, type Refusal } from "../../../src/services/auth/Authenticator.ts"
import type { Peer } from "../../../src/services/auth/Peer.ts"
import { PermissionSet } from "../../../src/services/identity/Permission.ts"
import type { Provider } from "../../../src/services/identity/Principal.ts"
import { openGrants } from "../../../src/services/identity/Roles.ts"
import { admitted, makeTestEdge, ok, readsBody, route, stranger, user, watchedBody } from "./support.ts"

const routes = [
  route("GET", "/livez", "health:read"),
  route("GET", "/v1/users", "users:read"),
  route("GET", "/v1/auth/me", "authenticated"),
  route("POST", "/v1/auth/login", "public"),
  route("POST", "/api/v1/actions/:action", "actions:run:{action}", readsBody),
  route("POST", "/api/v1/file-upload/:file", "uploads:write:{file}", readsBody)
]

const refusedBy = (scheme: Refusal["scheme"], error?: Refusal["error"]): Outcome => ({
  _tag: "refused",
  refusal: { scheme, error, reason: "the secret reason", claimed: "mallory" }
})

const open = (otherwise: Exclude<Outcome, { readonly _tag: "admitted" }>): Outcome => ({
  _tag: "admitted",
  principal: nobody(new PermissionSet(openGrants), []),
  secretVersion: 1,
  otherwise
})

const systemBasic = 'Basic realm="system-api"'
const bearer = 'Bearer realm="systemapi"'
const badToken = `${bearer}, error="invalid_token", error_description="The token is malformed, expired or revoked"`

describe("a 401", () => {
  it.effect("asks for the scheme that was tried, or that clients of the API know, as far as it is offered", () =>
    Effect.gen(function* () {
      const both: ReadonlyArray<Provider> = ["basic", "bearer"]
      for (const [path, outcome, providers, challenge] of [
        ["/livez", stranger, both, systemBasic],
        ["/missing", stranger, both, systemBasic],
        ["/v1/users", stranger, both, bearer],
        ["/v1/missing", stranger, both, bearer],
        ["/livez", refusedBy("basic"), both, systemBasic],
        ["/v1/users", refusedBy("basic"), both, systemBasic],
        ["/livez", refusedBy("bearer", "invalid_token"), both, badToken],
        ["/v1/users", refusedBy("bearer", "invalid_token"), both, badToken],
        ["/v1/users", refusedBy("bearer"), both, bearer],
        ["/livez", refusedBy("certificate"), both, systemBasic],
        ["/livez", stranger, ["bearer"], bearer],
        ["/v1/users", stranger, ["basic"], systemBasic],
        ["/livez", refusedBy("bearer"), ["basic"], systemBasic],
        ["/livez", refusedBy("basic"), ["certificate", "bearer"], bearer],
        ["/livez", stranger, ["certificate"], systemBasic],
        ["/v1/users", stranger, ["certificate"], bearer]
      ] as const) {
        const { ask } = yield* makeTestEdge({ routes, outcome, surface: { providers } })
        const { headers, status, text } = yield* ask(path)
        const message = `${path} ${providers.join()} ${JSON.stringify(outcome)}`
        assert.strictEqual(status, 401, message)
        assert.strictEqual(headers["www-authenticate"], challenge, message)
        assert.notInclude(text + JSON.stringify(headers), "secret reason")
      }
    })
  )

  it.effect("of the System API is what clients of the original know, to the byte", () =>
    Effect.gen(function* () {
      const { ask } = yield* makeTestEdge({ routes, outcome: stranger })
      const { headers, text } = yield* ask("/livez")
      assert.strictEqual(text, '{"code":401,"message":"Unauthorized"}\n')
      assert.strictEqual(headers["content-type"], "application/json")
    })
  )

  it.effect("is all that whoever may not be known finds out, also of paths and methods that are not there", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* makeTestEdge({ routes, outcome: stranger })
      for (const [method, path] of [
        ["GET", "/livez"],
        ["DELETE", "/livez"],
        ["OPTIONS", "/livez"],
        ["GET", "/api/v1/nothing"],
        ["POST", "/api/v1/actions/any"]
      ] as const) {
        assert.strictEqual((yield* ask(path, { method })).status, 401)
      }
      assert.deepStrictEqual(calls, [])
    })
  )
})

describe("while the System API has no password", () => {
  it.effect("it is open, and what was wrong is told where that is not enough", () =>
    Effect.gen(function* () {
      for (const [otherwise, status, challenge] of [
        [stranger, 401, bearer],
        [refusedBy("bearer", "invalid_token"), 401, badToken],
        [refusedBy("basic"), 401, systemBasic],
        [{ _tag: "limited", retryAfterSeconds: 7 }, 429, undefined],
        [{ _tag: "unavailable", reason: "the disk" }, 503, undefined]
      ] as const) {
        if (otherwise._tag === "admitted") continue
        const { ask } = yield* makeTestEdge({ routes, outcome: open(otherwise) })
        assert.strictEqual((yield* ask("/livez")).status, 200)
        for (const path of ["/v1/users", "/v1/auth/me"]) {
          const answer = yield* ask(path)
          assert.strictEqual(answer.status, status)
          assert.strictEqual(answer.headers["www-authenticate"], challenge)
        }
      }
    })
  )
})

describe("nobody in particular", () => {
  it.effect("is told to come as somebody where that is possible, and else that it may not", () =>
    Effect.gen(function* () {
      const outcome = admitted(nobody(new PermissionSet(["health:read"]), ["viewer"]))
      for (const [providers, status] of [
        [["none"], 403],
        [["certificate", "none"], 403],
        [["none", "bearer"], 401],
        [["none", "basic"], 401]
      ] as const) {
        const { ask } = yield* makeTestEdge({ routes, outcome, surface: { providers } })
        assert.strictEqual((yield* ask("/livez")).status, 200)
        assert.strictEqual((yield* ask("/v1/users")).status, status, providers.join())
        assert.strictEqual((yield* ask("/v1/auth/me")).status, status, providers.join())
      }
    })
  )
})

describe("a 403", () => {
  const outcome = admitted(user("alice", "events:read", "actions:run:safe"))

  it.effect("names the permission that is needed, and to a token its scope", () =>
    Effect.gen(function* () {
      const { ask } = yield* makeTestEdge({ routes, outcome })
      const users = yield* ask("/v1/users")
      assert.strictEqual(users.status, 403)
      assert.deepInclude(JSON.parse(users.text), {
        error: "FORBIDDEN",
        message: "alice may not do this: it needs users:read",
        code: "403"
      })
      assert.strictEqual(users.headers["www-authenticate"], `${bearer}, error="insufficient_scope", scope="users:read"`)
      const action = yield* ask("/api/v1/actions/other", { method: "POST" })
      assert.strictEqual(action.text, '{"code":403,"message":"alice may not do this: it needs actions:run:other"}\n')
    })
  )

  it.effect("repeats no name that a field cannot hold", () =>
    Effect.gen(function* () {
      const { ask } = yield* makeTestEdge({ routes, outcome })
      for (const name of ["%22", "a%5Cb", "%0D%0Ax:y", "%C3%A9", "a%20b", "x".repeat(300)]) {
        const { headers, status } = yield* ask(`/api/v1/actions/${name}`, { method: "POST" })
        assert.strictEqual(status, 403)
        assert.strictEqual(headers["www-authenticate"], `${bearer}, error="insufficient_scope"`, name)
      }
    })
  )

  it.effect("asks for no token where none was shown", () =>
    Effect.gen(function* () {
      for (const provider of ["basic", "certificate", "socket"] as const) {
        const { ask } = yield* makeTestEdge({ routes, outcome: admitted({ ...user("alice"), provider }) })
        const { headers, status } = yield* ask("/v1/users")
        assert.deepStrictEqual([status, headers["www-authenticate"]], [403, undefined])
      }
    })
  )

  it.effect("is the same for what is there and what is not, and comes before the body is read", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* makeTestEdge({ routes, outcome })
      const { body, reads } = watchedBody()
      const headers = { "content-length": "4", "content-type": "application/json" }
      for (const path of ["/api/v1/actions/there", "/api/v1/actions/not-there", "/api/v1/file-upload/x"]) {
        assert.strictEqual((yield* ask(path, { method: "POST", headers, body })).status, 403)
      }
      assert.deepStrictEqual([reads(), calls.length], [0, 0])
      assert.strictEqual((yield* ask("/api/v1/actions/safe", { method: "POST", headers, body })).status, 200)
      assert.strictEqual(reads(), 1)
    })
  )
})

describe("the body of a request", () => {
  it.effect("is not read of one who is refused or told to come later", () =>
    Effect.gen(function* () {
      const { body, reads } = watchedBody()
      for (const [outcome, status] of [
        [stranger, 401],
        [refusedBy("bearer", "invalid_token"), 401],
        [{ _tag: "limited", retryAfterSeconds: 1 }, 429],
        [{ _tag: "unavailable", reason: "x" }, 503]
      ] as const) {
        const { ask } = yield* makeTestEdge({ routes, outcome })
        assert.strictEqual((yield* ask("/api/v1/file-upload/x", { method: "POST", body })).status, status)
      }
      assert.strictEqual(reads(), 0)
    })
  )
})

describe("what cannot be decided", () => {
  it.effect("lets nobody in, and tells nobody why", () =>
    Effect.gen(function* () {
      const outcome: Outcome = { _tag: "unavailable", reason: "/var/lib/secret.sqlite: EIO" }
      const { ask, calls, entries } = yield* makeTestEdge({ routes, outcome })
      const { headers, status, text } = yield* ask("/livez")
      assert.deepStrictEqual([status, headers["retry-after"]], [503, "1"])
      assert.notInclude(text, "sqlite")
      assert.deepStrictEqual(calls, [])
      assert.propertyVal(entries[0], "detail", outcome.reason)
    })
  )

  it.effect("is waited for, and the request goes on by what comes of it", () =>
    Effect.gen(function* () {
      const decided = yield* Deferred.make<Outcome>()
      const { ask, calls } = yield* makeTestEdge({ routes, outcome: () => Deferred.await(decided) })
      const asking = yield* Effect.forkChild(ask("/v1/auth/me"), { startImmediately: true })
      assert.deepStrictEqual(calls, [])
      yield* Deferred.succeed(decided, admitted(user("alice")))
      assert.strictEqual((yield* Fiber.join(asking)).status, 200)
      assert.deepStrictEqual(
        calls.map(({ who }) => who),
        ["alice"]
      )
    })
  )
})

describe("what is open to everybody", () => {
  const peer: Peer = {
    _tag: "refused",
    reason: "it has been revoked",
    certificate: { fingerprint: "ab", subject: "CN=x", subjectKey: "x", sans: [], serial: "1", notAfter: 0 }
  }

  it.effect("looks at no credentials", () =>
    Effect.gen(function* () {
      const { ask, attempts, entries } = yield* makeTestEdge({ routes, outcome: refusedBy("bearer", "invalid_token") })
      const headers = { authorization: "Bearer junk" }
      assert.strictEqual((yield* ask("/v1/auth/login", { method: "POST", headers })).status, 200)
      assert.deepStrictEqual([attempts, entries], [[], []])
    })
  )

  it.effect("is closed to a certificate that does not stand", () =>
    Effect.gen(function* () {
      const outcome = (attempt: Attempt): Effect.Effect<Outcome> =>
        Effect.succeed(attempt.peer === peer ? refusedBy("certificate") : admitted(user("alice")))
      const { ask, entries } = yield* makeTestEdge({ routes, outcome })
      assert.strictEqual((yield* ask("/v1/auth/login", { method: "POST", peer })).status, 401)
      assert.propertyVal(entries[0], "outcome", "refused")
    })
  )
})

describe("each request of a connection", () => {
  it.effect("is decided about anew", () =>
    Effect.gen(function* () {
      let outcome: Outcome = admitted(user("alice", "health:read"))
      const { ask } = yield* makeTestEdge({ routes, outcome: () => Effect.succeed(outcome) })
      assert.strictEqual((yield* ask("/livez")).status, 200)
      outcome = admitted(user("alice"))
      assert.strictEqual((yield* ask("/livez")).status, 403)
      outcome = refusedBy("bearer", "invalid_token")
      assert.strictEqual((yield* ask("/livez")).status, 401)
    })
  )
})

describe("a handler", () => {
  it.effect("knows the permission that let its caller in", () =>
    Effect.gen(function* () {
      const { ask, calls } = yield* makeTestEdge({
        routes: [route("POST", "/api/v1/actions/:action", "actions:run:{action}", ok)]
      })
      yield* ask("/api/v1/actions/a%2Fb", { method: "POST" })
      assert.deepStrictEqual(
        calls.map(({ params, permission }) => [params["action"], permission]),
        [["a/b", "actions:run:a/b"]]
      )
    })
  )
})
