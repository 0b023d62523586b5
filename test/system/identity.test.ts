/** Users, logins and tokens of the built daemon, as the document of the Provisioning API has them, and how they end. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { type Answer, curl, keepAlive, request, type RequestOptions } from "./client.ts"
import { type Daemon, start } from "./support.ts"

const config = `[general]
listen_addr = "127.0.0.1:0"

[auth]
development_users = true
password_min_length = 8

[roles.staff]
permissions = ["users:*", "health:read", "tokens:create"]
`

const Tokens = Schema.Struct({ token: Schema.String, refresh_token: Schema.String, expires_in: Schema.Int })
const tokensOf = ({ body }: Answer) => Schema.decodeSync(Schema.fromJsonString(Tokens))(body)
const Created = Schema.Struct({ id: Schema.String, token: Schema.String })
const createdOf = ({ body }: Answer) => Schema.decodeSync(Schema.fromJsonString(Created))(body)

const json = { "content-type": "application/json" }

interface Asked extends RequestOptions {
  readonly bearer?: string
  readonly send?: unknown
}

/** A client of one daemon. */
const clientOf = ({ url }: Daemon) => {
  const ask = (target: string, { bearer, headers, send, ...rest }: Asked = {}) =>
    request(`${url}${target}`, {
      ...rest,
      ...(send === undefined ? {} : { body: JSON.stringify(send) }),
      headers: {
        ...(send === undefined ? {} : json),
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...headers
      }
    })
  const login = (username: string, password: string) => ask("/v1/auth/login", { send: { username, password } })
  return {
    ask,
    login,
    tokens: (username: string, password: string) => Effect.map(login(username, password), tokensOf),
    refresh: (token: string) => ask("/v1/auth/refresh", { send: { refresh_token: token } }),
    me: (bearer: string, more: Asked = {}) =>
      Effect.map(ask("/v1/auth/me", { ...more, bearer }), ({ status }) => status)
  }
}

describe("the document's clients", () => {
  it.live("log in, use their token and refresh it, as printed", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config })
      const login = yield* curl(
        "-X",
        "POST",
        `${daemon.url}/v1/auth/login`,
        "-H",
        "Content-Type: application/json",
        "-d",
        '{\n  "username": "admin",\n  "password": "admin123"\n}'
      )
      assert.strictEqual(login.status, 200)
      assert.strictEqual(login.headers["cache-control"], "no-store")
      assert.match(login.body, /^\{"token":"eyJhbGc[\w.-]+","refresh_token":"eyJhbGc[\w.-]+","expires_in":86400\}\n$/u)
      const first = tokensOf(login)
      const used = yield* curl("-X", "GET", `${daemon.url}/v1/users`, "-H", `Authorization: Bearer ${first.token}`)
      assert.strictEqual(used.status, 200)
      const refreshed = yield* curl(
        "-X",
        "POST",
        `${daemon.url}/v1/auth/refresh`,
        "-H",
        "Content-Type: application/json",
        "-d",
        `{\n  "refresh_token": "${first.refresh_token}"\n}`
      )
      const second = tokensOf(refreshed)
      assert.deepStrictEqual([refreshed.status, second.expires_in], [200, 86_400])
      assert.notStrictEqual(second.refresh_token, first.refresh_token)

      const { login: again } = clientOf(daemon)
      for (const [username, password] of [
        ["admin", "admin124"],
        ["nobody", "admin123"]
      ] as const) {
        const { body, headers, status } = yield* again(username, password)
        assert.strictEqual(status, 401)
        assert.include(body, '{"error":"UNAUTHORIZED","message":"Wrong user name or password","code":"401"')
        assert.strictEqual(headers["www-authenticate"], 'Bearer realm="systemapi"')
      }
    })
  )
})

describe("a login", () => {
  it.live("ends alone by logout, and with its family when a refresh token comes twice", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config })
      const { ask, me, refresh, tokens } = clientOf(daemon)
      const [one, two, three] = yield* Effect.all([
        tokens("operator", "operator123"),
        tokens("operator", "operator123"),
        tokens("operator", "operator123")
      ])
      const agent = yield* keepAlive
      assert.strictEqual(yield* me(one.token, { agent }), 200)
      assert.strictEqual((yield* ask("/v1/auth/logout", { method: "POST", bearer: one.token, agent })).status, 204)
      assert.strictEqual(yield* me(one.token, { agent }), 401, "on the same connection")
      assert.strictEqual((yield* refresh(one.refresh_token)).status, 401)
      assert.strictEqual(yield* me(two.token), 200)

      const next = tokensOf(yield* refresh(two.refresh_token))
      const last = tokensOf(yield* refresh(next.refresh_token))
      const reused = yield* refresh(two.refresh_token)
      assert.deepStrictEqual(
        [reused.status, reused.headers["www-authenticate"]],
        [
          401,
          'Bearer realm="systemapi", error="invalid_token", error_description="The token is malformed, expired or revoked"'
        ]
      )
      for (const { token } of [two, next, last]) assert.strictEqual(yield* me(token), 401)
      assert.strictEqual((yield* refresh(last.refresh_token)).status, 401)

      assert.strictEqual(yield* me(three.token), 200, "another login lives on")
      assert.strictEqual((yield* ask("/v1/auth/logout", { bearer: three.token, send: { all: true } })).status, 204)
      assert.strictEqual(yield* me(three.token), 401)
      assert.strictEqual(yield* me((yield* tokens("operator", "operator123")).token), 200)
    })
  )

  it.live("ends with the user's password, rights and existence, and a name's next holder inherits nothing", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config })
      const { ask, login, me, tokens } = clientOf(daemon)
      const admin = (yield* tokens("admin", "admin123")).token
      const create = ask("/v1/users", {
        bearer: admin,
        send: { username: "alice", password: "first password", roles: ["viewer"] }
      })
      assert.strictEqual((yield* create).status, 201)
      const change = (send: unknown) => ask("/v1/users/alice", { method: "PATCH", bearer: admin, send })

      const before = (yield* tokens("alice", "first password")).token
      const own = { bearer: before, send: { current_password: "first password", new_password: "second password" } }
      assert.strictEqual((yield* ask("/v1/auth/password", own)).status, 204)
      assert.strictEqual(yield* me(before), 401)
      assert.strictEqual((yield* login("alice", "first password")).status, 401)

      const alice = (yield* tokens("alice", "second password")).token
      assert.strictEqual((yield* ask("/v1/users", { bearer: alice })).status, 403)
      assert.strictEqual((yield* change({ roles: ["staff"] })).status, 200)
      assert.strictEqual((yield* ask("/v1/users", { bearer: alice })).status, 200, "at once")
      assert.strictEqual((yield* change({ roles: ["viewer"] })).status, 200)
      assert.strictEqual((yield* ask("/v1/users", { bearer: alice })).status, 403, "at once")
      assert.strictEqual((yield* change({ disabled: true })).status, 200)
      assert.strictEqual(yield* me(alice), 401)
      assert.strictEqual((yield* login("alice", "second password")).status, 401)
      assert.strictEqual((yield* change({ disabled: false })).status, 200)
      assert.strictEqual(yield* me(alice), 401)

      const last = (yield* tokens("alice", "second password")).token
      assert.strictEqual((yield* ask("/v1/users/alice", { method: "DELETE", bearer: admin })).status, 204)
      assert.strictEqual(yield* me(last), 401)
      assert.strictEqual((yield* create).status, 201)
      assert.strictEqual(yield* me(last), 401)
      assert.strictEqual((yield* login("alice", "second password")).status, 401)
    })
  )
})

describe("a service token", () => {
  it.live("does what it is for, as long as its owner may, and shows nowhere", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config })
      const { ask, me, tokens } = clientOf(daemon)
      const admin = (yield* tokens("admin", "admin123")).token
      const operator = (yield* tokens("operator", "operator123")).token
      const make = (bearer: string, permissions: ReadonlyArray<string>) =>
        ask("/v1/tokens", { bearer, send: { name: "ci", permissions } })
      assert.strictEqual((yield* make(operator, ["users:manage"])).status, 403)
      assert.strictEqual((yield* make(operator, ["events:*"])).status, 403)
      const { id, token } = createdOf(yield* make(operator, ["events:read", "events:write", "health:read"]))
      assert.strictEqual(yield* me(token), 200)
      const wrote = yield* ask("/api/v1/events", { bearer: token, send: { message: "from ci" } })
      assert.strictEqual(wrote.status, 200)
      assert.strictEqual((yield* ask("/v1/users", { bearer: token })).status, 403)

      const demote = { method: "PATCH", bearer: admin, send: { roles: ["viewer"] } }
      assert.strictEqual((yield* ask("/v1/users/operator", demote)).status, 200)
      assert.strictEqual((yield* ask("/api/v1/events", { bearer: token, send: { message: "no more" } })).status, 403)
      assert.strictEqual((yield* ask(`/v1/tokens/${id}`, { method: "DELETE", bearer: admin })).status, 204)
      assert.strictEqual(yield* me(token), 401)

      const secret = token.slice(-43)
      assert.notInclude(daemon.said(), secret)
      assert.notMatch(daemon.said(), /admin123|operator123|eyJ/u)
      const files = yield* Effect.promise(() => readdir(daemon.folder, { recursive: true, withFileTypes: true }))
      const kept = files.filter((file) => file.isFile())
      assert.include(kept.map(({ name }) => name).join(), "identity.sqlite")
      for (const { name, parentPath } of kept) {
        const text = yield* Effect.promise(() => readFile(join(parentPath, name), "latin1"))
        for (const one of [secret, "admin123", "operator123", operator, admin]) {
          assert.isFalse(text.includes(one), `${name} holds a secret`)
        }
      }
    })
  )
})
