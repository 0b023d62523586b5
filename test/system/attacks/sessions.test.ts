/** Logins, refreshes and what ends them: nothing that has ended lives on, on no connection and in no other daemon. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Https from "node:https"
import { join } from "node:path"
import { eventually, run, temporaryFolder } from "../support.ts"
import { type AskOptions, assertRefused, config, secret, startTarget, type Target, tokensOf } from "./support.ts"

class Attacked extends Context.Service<Attacked, Target>()("test/system/attacks/sessions/Attacked") {
  static readonly layer = Layer.effect(Attacked, startTarget())
}

const password = "correct horse battery"

/** A user of one test alone. */
const newUser = Effect.fnUntraced(function* (
  target: Target,
  username: string,
  roles: ReadonlyArray<string> = ["viewer"]
) {
  const { token } = yield* target.login("admin", "admin123")
  const made = yield* target.ask("/v1/users", { token, json: { username, password, roles } })
  assert.strictEqual(made.status, 201, made.body)
  return { admin: token, ...(yield* target.login(username, password)) }
})

const connection = Effect.acquireRelease(
  Effect.sync(() => new Https.Agent({ keepAlive: true, maxSockets: 1 })),
  (agent) => Effect.sync(() => agent.destroy())
)

const refresh = (target: Target, refresh_token: string) => target.ask("/v1/auth/refresh", { json: { refresh_token } })

layer(Attacked.layer, { excludeTestServices: true })("a login", (it) => {
  it.effect("wrong user and wrong password are answered alike, to the byte", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      yield* newUser(target, "alike")
      const wrong = yield* target.ask("/v1/auth/login", { json: { username: "alike", password: "not it at all" } })
      const unknown = yield* target.ask("/v1/auth/login", { json: { username: "alikf", password: "not it at all" } })
      assert.strictEqual(wrong.status, 401)
      assert.strictEqual(unknown.body, wrong.body)
      const { date: _, "x-request-id": __, ...headers } = wrong.headers
      const { date: ___, "x-request-id": ____, ...others } = unknown.headers
      assert.deepStrictEqual(others, headers)
      assert.strictEqual(wrong.headers["cache-control"], "no-store")
    })
  )

  it.effect("junk for a user and a password", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      for (const json of [
        {},
        [],
        "admin",
        null,
        { username: "admin" },
        { password: "admin123" },
        { username: ["admin"], password: "admin123" },
        { username: "admin", password: { $ne: "" } },
        { username: { toString: "admin" }, password: true },
        { username: "admin", password: "" },
        { username: "", password: "admin123" },
        { username: "a".repeat(100_000), password: "x" },
        { username: "admin", password: "x".repeat(100_000) },
        { username: "admin\u0000", password: "admin123" },
        { username: "admin'--", password: "x" },
        { username: "__proto__", password: "x" }
      ]) {
        const answer = yield* target.ask("/v1/auth/login", { json })
        assert.include([400, 401, 413, 429], answer.status, JSON.stringify(json).slice(0, 80))
      }
      for (const body of ["", "{", "\u0000", "username=admin&password=admin123"]) {
        const answer = yield* target.ask("/v1/auth/login", { body, method: "POST" })
        assert.include([400, 415], answer.status, body)
      }
      assert.strictEqual((yield* target.ask("/v1/auth/login")).status, 405)
    })
  )

  it.effect("reused refresh: a token that was used ends its login, and no other", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const first = yield* newUser(target, "reused")
      const other = yield* target.login("reused", password)
      const second = tokensOf(yield* refresh(target, first.refresh_token))
      const third = tokensOf(yield* refresh(target, second.refresh_token))
      // Its successor has been used, so nobody can have missed the answer.
      assertRefused(yield* refresh(target, first.refresh_token))
      assertRefused(yield* refresh(target, third.refresh_token))
      assertRefused(yield* target.ask("/v1/auth/me", { token: third.token }))
      assert.strictEqual((yield* target.ask("/v1/auth/me", { token: other.token })).status, 200)
      assert.strictEqual((yield* refresh(target, other.refresh_token)).status, 200)
    })
  )

  it.effect("one refresh token, shown by many at once, makes one living login at most", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { refresh_token } = yield* newUser(target, "raced")
      const answers = yield* Effect.forEach(Array.from({ length: 20 }), () => refresh(target, refresh_token), {
        concurrency: "unbounded"
      })
      const won = answers.filter(({ status }) => status === 200).map(tokensOf)
      const living = yield* Effect.forEach(won, (pair) => refresh(target, pair.refresh_token))
      assert.isAtMost(living.filter(({ status }) => status === 200).length, 1)
    })
  )

  it.effect("an access token is no refresh token, and the other way round", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const pair = yield* newUser(target, "swapped")
      assertRefused(yield* refresh(target, pair.token))
      assertRefused(yield* target.ask("/v1/auth/me", { token: pair.refresh_token }))
    })
  )

  it.effect("that was ended is refused at the next request of a connection that lives", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const target = yield* Attacked
        const agent = yield* connection
        const me = (options: AskOptions) => target.ask("/v1/auth/me", { agent, ...options })
        const out = yield* newUser(target, "loggedout")
        assert.strictEqual((yield* me({ token: out.token })).status, 200)
        const done = yield* target.ask("/v1/auth/logout", { method: "POST", token: out.token })
        assert.include([200, 204], done.status)
        assertRefused(yield* me({ token: out.token }))
        assertRefused(yield* refresh(target, out.refresh_token))

        for (const [name, end] of [
          ["disabled", { path: "/v1/users/disabled", method: "PATCH", json: { disabled: true } }],
          ["deleted", { path: "/v1/users/deleted", method: "DELETE" }],
          ["revoked", { path: "/v1/users/revoked/revoke", method: "POST" }],
          [
            "repassword",
            { path: "/v1/users/repassword/password", method: "POST", json: { password: "another long one" } }
          ]
        ] as const) {
          const { admin, refresh_token, token } = yield* newUser(target, name)
          assert.strictEqual((yield* me({ token })).status, 200)
          const ended = yield* target.ask(end.path, { ...end, token: admin })
          assert.include([200, 204], ended.status, `${name} ${ended.body}`)
          assertRefused(yield* me({ token }))
          assertRefused(yield* refresh(target, refresh_token))
        }
      })
    )
  )

  it.effect("what is done at the console counts at the next request, and is told in the audit log", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { admin, token } = yield* newUser(target, "consoled", ["operator"])
      const console = (...args: ReadonlyArray<string>) =>
        Effect.map(run({ folder: target.folder, args: [...args, "--config", "config.toml"] }), ({ code, err }) =>
          assert.strictEqual(code, 0, err)
        )
      const touch = () => target.ask("/api/v1/actions/touch", { method: "POST", token })
      assert.strictEqual((yield* touch()).status, 200)
      yield* console("user", "roles", "consoled", "--role", "viewer")
      assert.strictEqual((yield* touch()).status, 403)
      yield* console("user", "disable", "consoled")
      assertRefused(yield* target.ask("/v1/auth/me", { token }))
      yield* eventually(
        "the daemon tells of it",
        Effect.map(target.ask("/v1/audit?on=consoled&limit=100", { token: admin }), ({ body }) =>
          /"action":"user\.changed","outcome":"succeeded","who":"console:[^}]*"detail":"disabled"/u.test(body)
        )
      )
    })
  )

  it.effect("one connection, many callers: each is answered as who it is, whoever asked before", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const target = yield* Attacked
        const names = ["admin", "operator", "developer"] as const
        const passwords = { admin: "admin123", operator: "operator123", developer: "dev123" }
        const tokens = new Map<string, string>()
        for (const name of names) tokens.set(name, (yield* target.login(name, passwords[name])).token)
        const agent = yield* connection
        const other = yield* connection
        const callers = Array.from({ length: 60 }, (_, i) => [...names, "nobody"][(i * 7) % 4] ?? "nobody")
        yield* Effect.forEach(
          callers,
          (name, i) =>
            Effect.map(
              target.ask("/v1/auth/me", { token: tokens.get(name), agent: i % 2 === 0 ? agent : other }),
              (answer) => {
                if (name === "nobody") assert.strictEqual(answer.status, 401)
                else assert.include(answer.body, `"id":"${name}"`)
              }
            ),
          { concurrency: 8, discard: true }
        )
      })
    )
  )

  it.effect("demoted: the right that was taken is gone for the token that was given before", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { admin, token } = yield* newUser(target, "demoted", ["operator"])
      const touch = () => target.ask("/api/v1/actions/touch", { method: "POST", token })
      assert.strictEqual((yield* touch()).status, 200)
      const changed = yield* target.ask("/v1/users/demoted", {
        method: "PATCH",
        json: { roles: ["viewer"] },
        token: admin
      })
      assert.strictEqual(changed.status, 200, changed.body)
      assert.strictEqual((yield* touch()).status, 403)
    })
  )

  it.effect("deleted id reused: a user made anew inherits no token of the one before", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const before = yield* newUser(target, "reborn", ["operator"])
      yield* target.ask("/v1/users/reborn", { method: "DELETE", token: before.admin })
      yield* newUser(target, "reborn")
      assertRefused(yield* target.ask("/v1/auth/me", { token: before.token }))
      assertRefused(yield* refresh(target, before.refresh_token))
    })
  )

  it.effect("a service token does what it was made for, ends when it is revoked, and makes none that may do more", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token: admin } = yield* target.login("admin", "admin123")
      const create = (token: string, json: unknown) => target.ask("/v1/tokens", { token, json })
      const made = yield* create(admin, { name: "ci", permissions: ["actions:run:touch", "tokens:create"] })
      assert.strictEqual(made.status, 201, made.body)
      const found: unknown = JSON.parse(made.body)
      const field = (name: string) => String(Reflect.get(Object(found), name))
      const ci = field("token")
      assert.strictEqual((yield* target.ask("/api/v1/actions/touch", { token: ci, method: "POST" })).status, 200)
      assert.strictEqual((yield* target.ask("/api/v1/actions/wipe", { token: ci, method: "POST" })).status, 403)
      assert.strictEqual((yield* create(ci, { name: "more", permissions: ["*"] })).status, 403)
      assert.strictEqual((yield* create(ci, { name: "more", permissions: ["actions:run:t*"] })).status, 403)
      const guess = `${ci.slice(0, -1)}${ci.endsWith("A") ? "B" : "A"}`
      assertRefused(yield* target.ask("/v1/auth/me", { token: guess }))
      yield* target.ask(`/v1/tokens/${field("id")}`, { method: "DELETE", token: admin })
      assertRefused(yield* target.ask("/v1/auth/me", { token: ci }))
      const listed = yield* target.ask("/v1/tokens", { token: admin })
      assert.notInclude(listed.body, ci.slice("sa_0123456789abcdef_".length))
    })
  )
})

describe("two daemons on one database", () => {
  it.live("logout, revocation, demotion and a new key of one count in the other at its next request", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const shared = join(yield* temporaryFolder, "identity.sqlite")
        const own = (folder: string) =>
          config(folder).replace(`jwt_secret = "${secret}"`, `identity_path = "${shared}"`)
        const one = yield* startTarget({ config: own })
        const two = yield* startTarget({ config: own })
        const agent = yield* connection
        const there = (token: string) => two.ask("/v1/auth/me", { token, agent })

        const alice = yield* newUser(one, "alice", ["operator"])
        assert.strictEqual((yield* there(alice.token)).status, 200)
        yield* one.ask("/v1/auth/logout", { method: "POST", token: alice.token })
        assertRefused(yield* there(alice.token))
        assertRefused(yield* refresh(two, alice.refresh_token))

        const again = yield* two.login("alice", password)
        yield* one.ask("/v1/users/alice", { method: "PATCH", token: alice.admin, json: { roles: ["viewer"] } })
        const touched = yield* two.ask("/api/v1/actions/touch", { method: "POST", token: again.token, agent })
        assert.strictEqual(touched.status, 403)

        const rotated = yield* one.ask("/v1/auth/keys/rotate", { method: "POST", token: alice.admin })
        assert.include([200, 201], rotated.status, rotated.body)
        const fresh = yield* one.login("alice", password)
        assert.strictEqual((yield* there(fresh.token)).status, 200, "signed by a key made a moment ago elsewhere")
        assert.strictEqual((yield* there(again.token)).status, 200, "signed by the key before it")

        yield* one.ask("/v1/users/alice/revoke", { method: "POST", token: alice.admin })
        assertRefused(yield* there(fresh.token))
        assertRefused(yield* there(again.token))
      })
    )
  )
})
