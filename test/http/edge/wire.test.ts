/** The edge and the real ways in, behind real sockets: what holds in memory must hold for bytes too. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Http2 from "node:http2"
import { once } from "node:events"
import { makeEdge } from "../../../src/http/edge/Edge.ts"
import { listen } from "../../../src/http/listener/Listener.ts"
import { Audit, type AuditEntry } from "../../../src/services/audit/Audit.ts"
import { Authenticator } from "../../../src/services/auth/Authenticator.ts"
import { BasicAuth } from "../../../src/services/auth/BasicAuth.ts"
import { BasicSecret } from "../../../src/services/auth/BasicSecret.ts"
import { FailureThrottle } from "../../../src/services/auth/FailureThrottle.ts"
import { SlowHash } from "../../../src/services/auth/SlowHash.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { AccessTokens } from "../../../src/services/identity/AccessTokens.ts"
import { CurrentRoles } from "../../../src/services/identity/CurrentRoles.ts"
import { identityLayer } from "../../../src/services/identity/identityLayer.ts"
import { IdentityStore, type User } from "../../../src/services/identity/IdentityStore.ts"
import { Passwords } from "../../../src/services/identity/Passwords.ts"
import { ServiceTokens } from "../../../src/services/identity/ServiceTokens.ts"
import { Sessions } from "../../../src/services/identity/Sessions.ts"
import { identitiesInMemory } from "../../harness/identities.ts"
import { mockAudit, noLiveAnswers } from "../../harness/mocks.ts"
import { connect, loopback, makeCertificate } from "../listener/harness.ts"
import { readsBody, route } from "./support.ts"
import * as Redacted from "effect/Redacted"

const routes = [
  route("GET", "/logs", "events:read"),
  route("POST", "/api/v1/file-upload/:file", "uploads:write:{file}", readsBody),
  route("GET", "/v1/auth/me", "authenticated"),
  route("GET", "/v1/users", "users:read")
]

const password = Buffer.from("correct horse battery")

const world = Effect.fnUntraced(function* (options: { readonly tls?: boolean } = {}) {
  const { config } = yield* load(undefined, {})
  const entries: Array<AuditEntry> = []
  const layer = Authenticator.layer.pipe(
    Layer.provide(BasicAuth.layer),
    Layer.provide(Layer.mock(BasicSecret, { verifyNow: () => "wrong", version: () => 1, checkBootstrap: () => true })),
    Layer.provideMerge(identityLayer),
    Layer.provideMerge(Layer.mergeAll(identitiesInMemory, FailureThrottle.layer, SlowHash.layer)),
    Layer.provideMerge(CurrentRoles.layer),
    Layer.provideMerge(CurrentConfig.layer(config)),
    Layer.provideMerge(mockAudit(entries))
  )
  const context = yield* Layer.build(Layer.fresh(layer))
  const app = makeEdge({
    routes,
    clock: yield* Clock.Clock,
    surface: { address: "127.0.0.1:3535", providers: ["basic", "bearer"], roles: [] },
    audit: Context.get(context, Audit),
    authenticator: Context.get(context, Authenticator),
    config: () => config,
    live: noLiveAnswers,
    log: { request: () => {}, configure: () => Effect.void, dropped: () => 0 },
    observe: () => {}
  })
  const certificate = options.tls === true ? { certificate: yield* makeCertificate("localhost") } : {}
  const bound = yield* listen({ address: loopback, ...certificate }, app)
  const port = bound.address._tag === "Tcp" ? bound.address.port : 0
  const store = Context.get(context, IdentityStore)
  const addUser = Effect.fnUntraced(function* (name: string, ...roles: ReadonlyArray<string>) {
    const passwordHash = yield* Context.get(context, Passwords).hash(password)
    const now = yield* Clock.currentTimeMillis
    const user: User = { name, roles, passwordHash, disabled: false, sessionsFrom: 0, createdAt: now, updatedAt: now }
    yield* store.createUser(user)
    return user
  })
  const client = Effect.map(connect({ host: "127.0.0.1", port }), (connection) => {
    let seen = 0
    /** The head of the answer to a request whose answer's body is told by its length. */
    const ask = (head: string, body = "") =>
      Effect.gen(function* () {
        connection.send(`${head}\r\nHost: x\r\n\r\n${body}`)
        const text = yield* connection.until((all) => {
          const [start = "", rest] = all.slice(seen).split("\r\n\r\n", 2)
          const length = Number(/content-length: (\d+)/iu.exec(start)?.[1] ?? "0")
          return rest !== undefined && rest.length >= length
        })
        const answer = text.slice(seen)
        seen = text.length
        return answer
      })
    return { ...connection, ask }
  })
  return {
    addUser,
    client,
    entries,
    port,
    store,
    tokens: Context.get(context, AccessTokens),
    serviceTokens: Context.get(context, ServiceTokens),
    sessions: Context.get(context, Sessions)
  }
})

const statusOf = (answer: string) => Number(answer.split(" ", 2)[1])

const bearer = (token: string) => `Authorization: Bearer ${token}`
const basic = (name: string) => `Authorization: Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`

describe("on one live connection", () => {
  it.live("a user who is demoted, logged out or disabled has lost it at the next request", () =>
    Effect.gen(function* () {
      const { addUser, client, sessions, store } = yield* world()
      yield* addUser("alice", "admin")
      const { token } = yield* sessions.login("alice", password, "127.0.0.1")
      const { ask } = yield* client
      const get = (path: string, header = bearer(token)) =>
        Effect.map(ask(`GET ${path} HTTP/1.1\r\n${header}`), statusOf)
      assert.strictEqual(yield* get("/v1/users"), 200)
      yield* store.changeUser("alice", { roles: ["viewer"] }, yield* Clock.currentTimeMillis)
      assert.deepStrictEqual([yield* get("/v1/users"), yield* get("/logs")], [403, 200])
      assert.strictEqual(yield* get("/logs", basic("alice")), 200)
      yield* store.changeUser("alice", { disabled: true }, yield* Clock.currentTimeMillis)
      assert.deepStrictEqual([yield* get("/logs"), yield* get("/logs", basic("alice"))], [401, 401])
      yield* store.changeUser("alice", { disabled: false }, yield* Clock.currentTimeMillis)
      assert.strictEqual(yield* get("/logs"), 200)
      yield* store.changeUser("alice", { endSessions: true }, (yield* Clock.currentTimeMillis) + 1000)
      assert.deepStrictEqual([yield* get("/logs"), yield* get("/logs", basic("alice"))], [401, 200])
    }).pipe(Effect.scoped)
  )

  it.live("a service token does no more than its owner may now, and nothing once it is revoked", () =>
    Effect.gen(function* () {
      const { addUser, client, serviceTokens, store } = yield* world()
      yield* addUser("alice", "admin")
      const { secret, token } = yield* serviceTokens.create({
        name: "ci",
        permissions: ["events:read", "users:read"],
        expiresInSeconds: undefined,
        owner: "alice"
      })
      const { ask } = yield* client
      const get = (path: string) =>
        Effect.map(ask(`GET ${path} HTTP/1.1\r\n${bearer(Redacted.value(secret))}`), statusOf)
      assert.deepStrictEqual([yield* get("/logs"), yield* get("/v1/users")], [200, 200])
      yield* store.changeUser("alice", { roles: ["viewer"] }, yield* Clock.currentTimeMillis)
      assert.deepStrictEqual([yield* get("/logs"), yield* get("/v1/users")], [200, 403])
      yield* serviceTokens.revoke(token.id)
      assert.strictEqual(yield* get("/logs"), 401)
    }).pipe(Effect.scoped)
  )
})

describe("bytes", () => {
  it.live("with a field twice are refused, whichever copy was the right one", () =>
    Effect.gen(function* () {
      const { addUser, client, entries, sessions } = yield* world()
      yield* addUser("alice", "admin")
      const { token } = yield* sessions.login("alice", password, "127.0.0.1")
      const { ask } = yield* client
      const wrong = "AUTHORIZATION: Bearer x"
      for (const fields of [
        [bearer(token), wrong],
        [wrong, bearer(token)],
        [bearer(token), bearer(token)],
        [bearer(token), basic("alice")],
        [bearer(token), "Host: y"],
        [bearer(token), "X-Approval: 1", "x-approval: 2"],
        [bearer(token), "X-Justification: a", "x-justification: b"]
      ]) {
        const answer = yield* ask(`GET /v1/users HTTP/1.1\r\n${fields.join("\r\n")}`)
        assert.strictEqual(statusOf(answer), 400, answer)
      }
      assert.deepStrictEqual(entries, [])
      assert.strictEqual(statusOf(yield* ask(`GET /v1/users HTTP/1.1\r\n${bearer(token)}`)), 200)
    }).pipe(Effect.scoped)
  )

  it.live("of an upload are not asked for from who may not send them", () =>
    Effect.gen(function* () {
      const { addUser, client } = yield* world()
      yield* addUser("bob", "viewer")
      for (const [header, status] of [
        ["X-Nothing: 1", 401],
        [bearer("eyJ.x.y"), 401],
        [basic("bob"), 403]
      ] as const) {
        const { ask, closed } = yield* client
        const head = `POST /api/v1/file-upload/x HTTP/1.1\r\n${header}\r\nExpect: 100-continue\r\nContent-Length: 999999999`
        const answer = yield* ask(head)
        assert.strictEqual(statusOf(answer), status)
        assert.notInclude(yield* closed, "100 Continue")
      }
    }).pipe(Effect.scoped)
  )

  it.live("of HTTP/2 are held to the same", () =>
    Effect.gen(function* () {
      const { addUser, port, sessions } = yield* world({ tls: true })
      yield* addUser("alice", "admin")
      const { token } = yield* sessions.login("alice", password, "127.0.0.1")
      const client = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const one = Http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
          await once(one, "remoteSettings")
          return one
        }),
        (one) => Effect.sync(() => one.destroy())
      )
      const status = (path: string, headers: ReadonlyArray<string>) =>
        Effect.callback<number>((resume) => {
          const stream = client.request([":path", path, ":method", "GET", ...headers])
          stream.on("response", ({ ":status": code = 0 }) => resume(Effect.succeed(code)))
          stream.resume()
        })
      const right = ["authorization", `Bearer ${token}`]
      assert.strictEqual(yield* status("/v1/users", right), 200)
      assert.strictEqual(yield* status("/v1/users", []), 401)
      assert.strictEqual(yield* status("/v1/users", ["authorization", "Bearer x"]), 401)
      assert.strictEqual(yield* status(`/v1/users?access_token=${token}`, []), 400)
      assert.strictEqual(yield* status("/v1/users", [...right, "x-approval", "1", "x-approval", "2"]), 400)
      assert.strictEqual(yield* status("/v1/users", [...right, "x-http-method-override", "DELETE"]), 200)
    }).pipe(Effect.scoped)
  )

  it.live("that hide a token in the URL get nothing for it", () =>
    Effect.gen(function* () {
      const { addUser, client, sessions } = yield* world()
      yield* addUser("alice", "admin")
      const { token } = yield* sessions.login("alice", password, "127.0.0.1")
      const { ask } = yield* client
      for (const [target, status] of [
        [`/v1/users?access_token=${token}`, 400],
        [`http://x/v1/users?access_token=${token}`, 400],
        [`HTTP://x/v1/users?access_token=${token}`, 400],
        [`/logs?access_token=${token}`, 401],
        [`//v1/users?access_token=${token}`, 401],
        [`/v1/users;access_token=${token}`, 401],
        ["http://alice:secret@x/v1/users", 401]
      ] as const) {
        assert.strictEqual(statusOf(yield* ask(`GET ${target} HTTP/1.1`)), status, target)
      }
    }).pipe(Effect.scoped)
  )
})
