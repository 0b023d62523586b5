import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { AuditFailed } from "../../../src/services/audit/Audit.ts"
import { KeyConfigured } from "../../../src/services/identity/AccessTokens.ts"
import { IdentityUnavailable } from "../../../src/services/identity/IdentityStore.ts"
import { LoginLimited, LoginRefused, RefreshRefused, type TokenPair } from "../../../src/services/identity/Sessions.ts"
import { makeIdentityApp, somebody, user } from "../../harness/identityApp.ts"

const pair: TokenPair = { token: "eyJ.access", refreshToken: "eyJ.refresh", expiresIn: 86_400 }
const triple = { token: "eyJ.access", refresh_token: "eyJ.refresh", expires_in: 86_400 }

const alice = user("alice", ["operator"])

const problem = (error: string, code: number, title: string, message: string) => ({
  error,
  message,
  code: String(code),
  type: "about:blank",
  title,
  status: code,
  detail: message
})

describe("login", () => {
  it.effect("gives tokens that nobody may store, and tells who came in", () =>
    Effect.gen(function* () {
      const given: Array<readonly [string, string, string]> = []
      const { audited, call } = yield* makeIdentityApp([], {
        sessions: {
          login: (name, password, address) => {
            given.push([name, Buffer.from(password).toString(), address])
            return Effect.succeed(pair)
          }
        }
      })
      const { headers, json, status } = yield* call("/v1/auth/login", {
        body: { username: "alice", password: "pä§§ word", remember: true }
      })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(json, triple)
      assert.strictEqual(headers["cache-control"], "no-store")
      assert.deepStrictEqual(given, [["alice", "pä§§ word", ""]])
      assert.deepInclude(audited()[0], {
        action: "login",
        outcome: "succeeded",
        who: "alice",
        kind: "user",
        on: "alice"
      })
      assert.notInclude(JSON.stringify(audited()), "eyJ")
    })
  )

  it.effect("with a wrong password is 401 with a challenge, and told without what was typed in the wrong field", () =>
    Effect.gen(function* () {
      const { audited, call } = yield* makeIdentityApp([], {
        sessions: { login: () => Effect.fail(new LoginRefused({ reason: "the password is wrong" })) }
      })
      const answers = yield* Effect.forEach(["alice", "nobody", "My Secret Passphrase!"], (username) =>
        call("/v1/auth/login", { body: { username, password: "hunter22" } })
      )
      for (const { headers, json, status } of answers) {
        assert.strictEqual(status, 401)
        assert.deepStrictEqual(json, problem("UNAUTHORIZED", 401, "Unauthorized", "Wrong user name or password"))
        assert.strictEqual(headers["www-authenticate"], 'Bearer realm="systemapi"')
      }
      assert.deepStrictEqual(
        audited().map(({ action, detail, on, outcome, who }) => [action, outcome, who, on, detail]),
        ["alice", "nobody", undefined].map((on) => ["login", "refused", undefined, on, "the password is wrong"])
      )
      assert.notMatch(JSON.stringify(audited()), /hunter22|Passphrase/u)
    })
  )

  it.effect("says when to come again, and when the store is away or full", () =>
    Effect.gen(function* () {
      const failing = (error: LoginLimited | IdentityUnavailable) =>
        Effect.flatMap(makeIdentityApp([], { sessions: { login: () => Effect.fail(error) } }), ({ audited, call }) =>
          Effect.map(call("/v1/auth/login", { body: { username: "alice", password: "x" } }), (answer) => ({
            ...answer,
            audited: audited()
          }))
        )
      const limited = yield* failing(new LoginLimited({ retryAfterSeconds: 7 }))
      assert.deepStrictEqual([limited.status, limited.headers["retry-after"]], [429, "7"])
      assert.include(limited.text, '"error":"RATE_LIMITED"')
      assert.strictEqual(limited.audited[0]?.outcome, "refused")
      const away = yield* failing(new IdentityUnavailable({ reason: "disk", full: false }))
      assert.deepStrictEqual([away.status, away.headers["retry-after"]], [503, "1"])
      assert.strictEqual(away.audited[0]?.outcome, "failed")
      const full = yield* failing(new IdentityUnavailable({ reason: "disk", full: true }))
      assert.strictEqual(full.status, 507)
    })
  )

  it.effect("is not given before it is recorded, where that is required", () =>
    Effect.gen(function* () {
      for (const [full, status, retry] of [
        [false, 503, "1"],
        [true, 507, undefined]
      ] as const) {
        const { call } = yield* makeIdentityApp([], {
          audit: { before: () => Effect.fail(new AuditFailed({ reason: "no disk", full })) },
          sessions: { login: () => Effect.succeed(pair), refresh: () => Effect.succeed({ ...pair, user: "alice" }) }
        })
        for (const [target, body] of [
          ["/v1/auth/login", { username: "alice", password: "x" }],
          ["/v1/auth/refresh", { refresh_token: "eyJ.old" }]
        ] as const) {
          const answer = yield* call(target, { body })
          assert.deepStrictEqual([answer.status, answer.headers["retry-after"]], [status, retry])
          assert.notInclude(answer.text, "eyJ")
        }
      }
    })
  )

  it.effect("takes JSON of its shape alone, names what is wrong and never shows it", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp()
      const good = '{"username":"alice","password":"hunter22"}'
      for (const [body, status, message] of [
        ["", 400, "body: not JSON"],
        ["hunter22", 400, "body: not JSON"],
        ['{"username":"alice","password":"hunter22"', 400, "body: not JSON"],
        ['["hunter22"]', 400, "body: not a JSON object"],
        ["null", 400, "body: not a JSON object"],
        ['{"username":"alice"}', 400, "password: Missing key"],
        ['{"username":["alice"],"password":"hunter22"}', 400, "username: Expected string"],
        ['{"username":"","password":"hunter22"}', 400, "username: "],
        [`{"username":"${"a".repeat(257)}","password":"hunter22"}`, 400, "username: "],
        [`{"username":"alice","password":"${"hunter22".repeat(200)}"}`, 400, "password: "],
        ['{"username":"alice","password":"hunter22\\ud800"}', 400, "password: Expected well-formed text"],
        [`{"username":"alice","password":"hunter22","x":"${"x".repeat(9000)}"}`, 413, "8192 bytes"]
      ] as const) {
        const answer = yield* call("/v1/auth/login", { body })
        assert.strictEqual(answer.status, status, body)
        assert.include(answer.text, message, body)
        assert.notInclude(answer.text, "hunter22")
        if (status === 400) assert.include(answer.text, '"error":"VALIDATION_ERROR"')
      }
      for (const type of [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp"
      ]) {
        const headers = { "content-type": type, origin: "https://page.example" }
        const answer = yield* call("/v1/auth/login", { body: good, headers })
        assert.strictEqual(answer.status, 415, type)
        assert.include(answer.text, '"error":"UNSUPPORTED_MEDIA_TYPE"')
      }
    })
  )

  it.effect("takes application/json however it is written, and no bytes that are not UTF-8", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp([], { sessions: { login: () => Effect.succeed(pair) } })
      const login = { username: "alice", password: "x" }
      // What `curl -d` says of it, which is no browser.
      for (const type of ["application/x-www-form-urlencoded", "text/plain"]) {
        assert.strictEqual(
          (yield* call("/v1/auth/login", { body: login, headers: { "content-type": type } })).status,
          200,
          type
        )
      }
      for (const type of ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]) {
        const headers = { "content-type": type, origin: "https://page.example" }
        assert.strictEqual((yield* call("/v1/auth/login", { body: login, headers })).status, 200, type)
      }
      const body = new Uint8Array([...Buffer.from('{"username":"alice","password":"'), 0xff, ...Buffer.from('"}')])
      const answer = yield* call("/v1/auth/login", { body })
      assert.deepStrictEqual([answer.status, answer.text.includes("body: not JSON")], [400, true])
    })
  )
})

describe("refresh", () => {
  it.effect("gives the whole triple", () =>
    Effect.gen(function* () {
      const { audited, call } = yield* makeIdentityApp([], {
        sessions: { refresh: (shown) => Effect.succeed({ ...pair, user: shown === "eyJ.old" ? "alice" : "?" }) }
      })
      const { headers, json, status } = yield* call("/v1/auth/refresh", { body: { refresh_token: "eyJ.old" } })
      assert.deepStrictEqual([status, json, headers["cache-control"]], [200, triple, "no-store"])
      assert.deepInclude(audited()[0], { action: "refresh", outcome: "succeeded", who: "alice" })
      assert.notInclude(JSON.stringify(audited()), "eyJ")
    })
  )

  it.effect("of a token that is none is 401 invalid_token, and told with whose it was", () =>
    Effect.gen(function* () {
      for (const [reused, action] of [
        [false, "refresh"],
        [true, "session.reused"]
      ] as const) {
        const { audited, call } = yield* makeIdentityApp([], {
          sessions: { refresh: () => Effect.fail(new RefreshRefused({ reason: "the reason", user: "alice", reused })) }
        })
        const { headers, json, status } = yield* call("/v1/auth/refresh", { body: { refresh_token: "eyJ.old" } })
        assert.strictEqual(status, 401)
        assert.deepStrictEqual(json, problem("UNAUTHORIZED", 401, "Unauthorized", "The refresh token is not valid"))
        assert.match(headers["www-authenticate"] ?? "", /^Bearer realm="systemapi", error="invalid_token"/u)
        assert.deepInclude(audited()[0], {
          action,
          outcome: "refused",
          on: "alice",
          detail: "the reason",
          who: undefined
        })
        assert.notInclude(JSON.stringify(audited()), "eyJ")
      }
    })
  )
})

describe("logout", () => {
  it.effect("ends the login of the token shown, or all of the user", () =>
    Effect.gen(function* () {
      const ended: Array<string | undefined> = []
      const { audited, call, users } = yield* makeIdentityApp([alice], {
        sessions: { logout: ({ session }) => Effect.sync(() => void ended.push(session)) }
      })
      const one = yield* call("/v1/auth/logout", { method: "POST", as: "alice" })
      assert.deepStrictEqual([one.status, one.text, ended], [204, "", ["login of alice"]])
      const said = yield* call("/v1/auth/logout", { as: "alice", body: { all: false } })
      assert.deepStrictEqual([said.status, ended.length], [204, 2])
      yield* TestClock.adjust("5 seconds")
      const all = yield* call("/v1/auth/logout", { as: "alice", body: { all: true } })
      assert.deepStrictEqual([all.status, ended.length], [204, 2])
      assert.strictEqual((yield* users).get("alice")?.sessionsFrom, 5000)
      assert.deepStrictEqual(
        audited().map(({ action, outcome, who }) => [action, outcome, who]),
        Array.from({ length: 3 }, () => ["logout", "succeeded", "alice"])
      )
    })
  )

  it.effect("is not for who has not logged in", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp([alice])
      for (const as of [
        somebody("admin", ["*"], { kind: "basic" }),
        somebody("token:ci", ["*"], { kind: "token", owner: "alice" })
      ]) {
        const { status, text } = yield* call("/v1/auth/logout", { method: "POST", as })
        assert.strictEqual(status, 400)
        assert.include(text, `${as.id} is not logged in`)
      }
      const byPassword = somebody("alice", [], { kind: "user", provider: "basic" })
      assert.strictEqual((yield* call("/v1/auth/logout", { method: "POST", as: byPassword })).status, 400)
      assert.strictEqual((yield* call("/v1/auth/logout", { as: byPassword, body: { all: true } })).status, 204)
      assert.strictEqual((yield* call("/v1/auth/logout", { method: "POST" })).status, 401)
      const wrong = yield* call("/v1/auth/logout", { as: "alice", body: { All: true } })
      assert.deepStrictEqual([wrong.status, wrong.text.includes("All: Expected no excess property")], [400, true])
    })
  )
})

describe("me", () => {
  it.effect("says who one is, how that is known, and what one may", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp([user("bob", ["deploy"])], {
        roles: [{ name: "deploy", permissions: ["actions:run:deploy_*", "events:read"], description: "" }]
      })
      const { json, status } = yield* call("/v1/auth/me", { as: "bob" })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(json, {
        id: "bob",
        kind: "user",
        roles: ["deploy"],
        permissions: ["actions:run:deploy_*", "events:read"],
        owner: "bob",
        authenticated_by: "bearer",
        authenticated_at: "1970-01-01T00:00:00.000Z",
        credential: "jti of bob",
        session: "login of bob",
        expires_at: "1970-01-02T00:00:00.000Z"
      })
      assert.strictEqual((yield* call("/v1/auth/me")).status, 401)
    })
  )
})

describe("one's own password", () => {
  const body = { current_password: "alice's password", new_password: "a longer one" }

  it.effect("is changed by who knows it, and ends every login", () =>
    Effect.gen(function* () {
      const { audited, call, users } = yield* makeIdentityApp([alice])
      yield* TestClock.adjust("3 seconds")
      const { status, text } = yield* call("/v1/auth/password", { as: "alice", body })
      assert.deepStrictEqual([status, text], [204, ""])
      const changed = (yield* users).get("alice")
      assert.deepStrictEqual(
        [changed?.sessionsFrom, changed?.passwordHash === undefined ? "" : Redacted.value(changed.passwordHash)],
        [3000, "hash of a longer one"]
      )
      assert.deepInclude(audited()[0], { action: "password.changed", outcome: "succeeded", who: "alice", on: "alice" })
      assert.notMatch(JSON.stringify(audited()), /longer|alice's/u)
    })
  )

  it.effect("stays where the current one is wrong or the new one is no good, and is users' alone", () =>
    Effect.gen(function* () {
      const { audited, call, refused, users } = yield* makeIdentityApp([alice])
      const wrong = yield* call("/v1/auth/password", { as: "alice", body: { ...body, current_password: "guess" } })
      assert.deepStrictEqual([wrong.status, refused()[0]?.detail], [403, "current_password is wrong"])
      const short = yield* call("/v1/auth/password", { as: "alice", body: { ...body, new_password: "short" } })
      assert.strictEqual(short.status, 400)
      assert.include(short.text, "shorter than 8 characters")
      const token = somebody("token:ci", ["*"], { kind: "token", owner: "alice" })
      assert.strictEqual((yield* call("/v1/auth/password", { as: token, body: "anything" })).status, 403)
      assert.strictEqual((yield* users).get("alice")?.sessionsFrom, 0)
      assert.notMatch(JSON.stringify([audited(), refused()]), /guess/u)
    })
  )
})

describe("keys", () => {
  const jwks = { keys: [{ kty: "OKP", crv: "Ed25519", x: "public", kid: "k2" }] }

  it.effect("that are public are everybody's, for a while", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp([], { accessTokens: { jwks: Effect.succeed(jwks) } })
      const { headers, json, status } = yield* call("/.well-known/jwks.json")
      assert.deepStrictEqual([status, json, headers["cache-control"]], [200, jwks, "public, max-age=300"])
    })
  )

  it.effect("are listed without themselves, and rotated", () =>
    Effect.gen(function* () {
      const { audited, call, store } = yield* makeIdentityApp([user("root", ["admin"]), alice], {
        accessTokens: { rotate: Effect.succeed("k3") }
      })
      const key = {
        alg: "HS256",
        jwk: Redacted.make('{"k":"material"}'),
        retiredAt: undefined,
        expiresAt: undefined
      } as const
      yield* store.addKey({ ...key, kid: "k1", createdAt: 1000 }, 0)
      yield* store.addKey({ ...key, kid: "k2", createdAt: 2000 }, 60_000)
      const { json, text } = yield* call("/v1/auth/keys", { as: "root" })
      assert.deepStrictEqual(json, [
        { kid: "k2", alg: "HS256", created_at: "1970-01-01T00:00:02.000Z", retired_at: null, expires_at: null },
        {
          kid: "k1",
          alg: "HS256",
          created_at: "1970-01-01T00:00:01.000Z",
          retired_at: "1970-01-01T00:00:02.000Z",
          expires_at: "1970-01-01T00:01:00.000Z"
        }
      ])
      assert.notInclude(text, "material")
      const rotated = yield* call("/v1/auth/keys/rotate", { method: "POST", as: "root" })
      assert.deepStrictEqual([rotated.status, rotated.json], [200, { kid: "k3" }])
      assert.deepInclude(audited().at(-1), { action: "key.rotated", outcome: "succeeded", who: "root", on: "k3" })
      const configured = yield* makeIdentityApp([user("root", ["admin"])], {
        accessTokens: { rotate: Effect.fail(new KeyConfigured()) }
      })
      const kept = yield* configured.call("/v1/auth/keys/rotate", { method: "POST", as: "root" })
      assert.deepStrictEqual(
        [kept.status, kept.text.includes("auth.jwt_secret"), configured.audited()],
        [409, true, []]
      )
      assert.strictEqual((yield* call("/v1/auth/keys", { as: "alice" })).status, 403)
      assert.strictEqual((yield* call("/v1/auth/keys/rotate", { method: "POST", as: "alice" })).status, 403)
    })
  )
})
