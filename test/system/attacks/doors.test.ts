/** Ways around the door: other names for a path, other methods, headers that claim what only the daemon may know. */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Tls from "node:tls"
import { readFile } from "node:fs/promises"
import { listenTo, parseAnswer } from "../client.ts"
import { startTarget, type Target } from "./support.ts"

class Attacked extends Context.Service<Attacked, Target>()("test/system/attacks/doors/Attacked") {
  static readonly layer = Layer.effect(
    Attacked,
    Effect.gen(function* () {
      const target = yield* startTarget()
      // From now on the System API is closed as well.
      const set = yield* target.ask("/api/v1/set-basic-auth", { body: "the password of the guest" })
      assert.strictEqual(set.status, 200, set.body)
      return target
    })
  )
}

/** Bytes as they are, over TLS, and what came back until the end. */
const raw = Effect.fnUntraced(function* ({ folder, port }: Target, bytes: string) {
  const ca = yield* Effect.promise(() => readFile(join(folder, "cert.pem")))
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Tls.connect({ host: "127.0.0.1", port, ca, servername: "localhost", ALPNProtocols: ["http/1.1"] })
    ),
    (opened) => Effect.sync(() => opened.destroy())
  )
  const line = listenTo(socket)
  line.send(bytes)
  return yield* line.closed
}, Effect.scoped)

const basic = (user: string, password: string) =>
  ["authorization", `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`] as const

layer(Attacked.layer)("around the door", (it) => {
  const developer = Effect.gen(function* () {
    const target = yield* Attacked
    return { ...target, token: (yield* target.login("developer", "dev123")).token }
  })

  it.effect("path tricks: no other spelling of a path opens what the path does not", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      for (const path of [
        "/v1/users",
        "/v1//users",
        "//v1/users",
        "/v1/users/",
        "/v1/users//",
        "/v1/users;x",
        "/v1/users;/../auth/me",
        "/v1/users%2f",
        "/v1%2fusers",
        "/%76%31/users",
        "/v1/%75sers",
        "/V1/users",
        "/v1/USERS",
        "/v1/./users",
        "/v1/auth/../users",
        "/v1/auth/%2e%2e/users",
        "/v1/auth/login/../../users",
        "/.well-known/jwks.json/../../v1/users",
        "/.well-known/..%2f..%2fv1/users",
        "/v1\\users",
        "/v1/users%00",
        "/v1/users%00.json",
        "/v1/users.json",
        "/v1/users?/v1/auth/login",
        "/v1/users#/v1/auth/login",
        "/v1/users%3f/v1/auth/login",
        "http://localhost/v1/users",
        "/v1/audit",
        "/v1/audit;",
        "/v1/approvals"
      ]) {
        const withToken = yield* target.ask(path, { token })
        assert.include([400, 403, 404], withToken.status, `${path} ${withToken.body}`)
        const without = yield* target.ask(path)
        assert.include([400, 401], without.status, `${path} ${without.body}`)
      }
    })
  )

  it.effect("path tricks: the name that is asked for is the name that is checked", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token: admin } = yield* target.login("admin", "admin123")
      const made = yield* target.ask("/v1/users", {
        token: admin,
        json: { username: "toucher", password: "a long enough one", roles: ["touchers"] }
      })
      assert.strictEqual(made.status, 201, made.body)
      const { token } = yield* target.login("toucher", "a long enough one")
      for (const name of [
        "wipe",
        "%77ipe",
        "touch%2f..%2fwipe",
        "touch/../wipe",
        "wipe;touch",
        "wipe%00touch",
        "*",
        "%2a",
        "touch%3awipe",
        "constructor",
        "WIPE"
      ]) {
        for (const method of ["GET", "POST"]) {
          const answer = yield* target.ask(`/api/v1/actions/${name}`, { method, token })
          assert.include([400, 403, 404], answer.status, `${method} ${name} ${answer.body}`)
        }
      }
      assert.isFalse(existsSync(join(target.folder, "wiped")))
      assert.strictEqual((yield* target.ask("/api/v1/actions/%74ouch", { method: "POST", token })).status, 200)
    })
  )

  it.effect("403 comes before anything is looked up: what exists and what does not are refused alike", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      for (const [there, missing, method] of [
        ["/api/v1/actions/wipe", "/api/v1/actions/nothing", "POST"],
        ["/api/v1/actions/wipe", "/api/v1/actions/nothing", "GET"],
        ["/api/v1/file-upload/conf", "/api/v1/file-upload/nothing", "POST"],
        ["/v1/users/admin", "/v1/users/nobody", "GET"],
        ["/v1/users/admin", "/v1/users/nobody", "DELETE"]
      ] as const) {
        const one = yield* target.ask(there, { method, token })
        const two = yield* target.ask(missing, { method, token })
        assert.deepStrictEqual([one.status, two.status], [403, 403], there)
        assert.strictEqual(one.body.replaceAll(/wipe|conf|admin/gu, "X"), two.body.replaceAll(/nothing|nobody/gu, "X"))
      }
    })
  )

  it.effect("403 comes before the body: a refused upload is never asked for", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      const answer = yield* raw(
        target,
        `POST /api/v1/file-upload/conf HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
          "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
      )
      assert.notMatch(answer, /100 Continue/u)
      assert.strictEqual(parseAnswer(answer).status, 403)
      assert.isFalse(existsSync(join(target.folder, "conf.txt")))
    })
  )

  it.effect("method override: what a header or parameter says of the method counts for nothing", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      for (const name of ["x-http-method-override", "x-http-method", "x-method-override"]) {
        const answer = yield* target.ask("/v1/auth/me", { token, headers: [[name, "DELETE"]] })
        assert.strictEqual(answer.status, 200, "a GET as ever")
        const post = yield* target.ask("/v1/users/admin", { method: "POST", token, headers: [[name, "DELETE"]] })
        assert.include([403, 405], post.status)
      }
      assert.strictEqual((yield* target.ask("/v1/users/admin?_method=DELETE", { token })).status, 403)
      for (const method of ["PUT", "TRACE", "PROPFIND", "get", "Delete"]) {
        const answer = yield* target.ask("/v1/users/admin", { method, token })
        assert.include([400, 403, 405, 501], answer.status, method)
      }
      assert.strictEqual((yield* target.login("admin", "admin123")).expires_in, 86_400)
    })
  )

  it.effect("header smuggling: who somebody is, is never taken from a header that says so", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      for (const header of [
        ["x-forwarded-user", "admin"],
        ["x-remote-user", "admin"],
        ["remote-user", "admin"],
        ["x-forwarded-for", "127.0.0.1"],
        ["forwarded", "for=127.0.0.1;proto=https"],
        ["x-real-ip", "127.0.0.1"],
        ["x-original-url", "/livez"],
        ["x-rewrite-url", "/livez"],
        ["x-client-cert", "CN=admin"],
        ["x-ssl-client-verify", "SUCCESS"],
        ["x-ssl-client-s-dn", "CN=admin"],
        ["http_authorization", "Basic YWRtaW46YWRtaW4="],
        ["x-principal", "admin"],
        ["x-role", "admin"]
      ] as const) {
        assert.strictEqual((yield* target.ask("/v1/users", { headers: [header] })).status, 401, header[0])
        assert.strictEqual((yield* target.ask("/logs", { headers: [header] })).status, 401, header[0])
      }
    })
  )

  it.effect("duplicated headers: two Authorizations are none, whichever of them is right", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      const right = `Authorization: Bearer ${token}\r\n`
      const guest = `Authorization: ${basic("admin", "the password of the guest")[1]}\r\n`
      for (const lines of [
        right + right,
        `${right}Authorization: Bearer wrong\r\n`,
        `Authorization: Bearer wrong\r\n${right}`,
        `authorization: Basic xx\r\n${right}`,
        guest + right,
        guest + guest
      ]) {
        const answer = yield* raw(
          target,
          `GET /v1/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${lines}\r\n`
        )
        assert.include([400, 401], parseAnswer(answer).status, lines)
      }
      const folded = yield* raw(
        target,
        `GET /v1/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-A: b\r\n Authorization: Bearer ${token}\r\n\r\n`
      )
      assert.include([400, 401], parseAnswer(folded).status)
      const spaced = yield* raw(
        target,
        `GET /v1/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization : Bearer ${token}\r\n\r\n`
      )
      assert.include([400, 401], parseAnswer(spaced).status)
    })
  )

  it.effect("a handler does not go on after failed authentication", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      for (const authorization of [
        "Bearer wrong",
        basic("admin", "wrong")[1],
        "Digest x",
        "Bearer",
        "Basic",
        "",
        "Bearer  ",
        "null"
      ]) {
        for (const path of [
          "/api/v1/actions/wipe",
          "/api/v1/file-upload/conf",
          "/v1/auth/keys/rotate",
          "/api/v1/set-basic-auth"
        ]) {
          const answer = yield* target.ask(path, {
            method: "POST",
            body: "x",
            headers: [["authorization", authorization]]
          })
          assert.include([401, 429], answer.status, `${authorization} ${path}`)
        }
      }
      assert.isFalse(existsSync(join(target.folder, "wiped")))
      assert.isFalse(existsSync(join(target.folder, "conf.txt")))
    })
  )

  it.effect("a stream or wait endpoint asks for the same right as the plain one", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      const made = yield* target.ask("/v1/tokens", { token, json: { name: "blind", permissions: ["actions:list"] } })
      const blind = String(Reflect.get(Object(JSON.parse(made.body)), "token"))
      for (const path of [
        "/logs",
        "/logs?tail=1",
        "/api/v1/events",
        "/api/v1/events?after=0&wait=1",
        "/api/v1/events?format=ndjson",
        "/api/v1/events/stream",
        "/api/v1/events/stream?tail=10",
        "/metrics",
        "/v1/audit",
        "/v1/audit?format=ndjson"
      ]) {
        assert.strictEqual((yield* target.ask(path, { token: blind })).status, 403, path)
      }
    })
  )

  it.effect("audit entries are neither read nor written by whoever may read and write events", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("operator", "operator123")
      yield* target.ask("/v1/users", { token })
      for (const path of ["/logs", "/api/v1/events?format=ndjson", "/api/v1/events?tail=1000", "/logs?tail=1000"]) {
        const { body, status } = yield* target.ask(path, { token })
        assert.strictEqual(status, 200, path)
        assert.notMatch(body, /audit/u, path)
      }
      assert.include([400, 403], (yield* target.ask("/api/v1/events?level=audit", { token })).status)
      const forged = yield* target.ask("/api/v1/events", { token, json: { level: "audit", message: "admin granted" } })
      assert.strictEqual(forged.status, 400, forged.body)
    })
  )

  it.effect("a foreign page is told nothing and may change nothing", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      const origin = ["origin", "https://evil.example"] as const
      const preflight = yield* target.ask("/v1/users", {
        method: "OPTIONS",
        headers: [
          origin,
          ["access-control-request-method", "POST"],
          ["access-control-request-headers", "authorization"]
        ]
      })
      assert.isUndefined(preflight.headers["access-control-allow-origin"])
      const read = yield* target.ask("/v1/auth/me", { token, headers: [origin] })
      assert.isUndefined(read.headers["access-control-allow-origin"])
      assert.isUndefined(read.headers["set-cookie"])
      const changed = yield* target.ask("/v1/auth/logout", {
        method: "POST",
        token,
        headers: [["sec-fetch-site", "cross-site"], origin]
      })
      assert.strictEqual(changed.status, 403)
    })
  )

  it.effect("security headers are on every answer, refusals included", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      for (const path of ["/v1/auth/me", "/v1/users", "/nothing", "/docs", "/.well-known/jwks.json", "/logs"]) {
        const { headers } = yield* target.ask(path, { token })
        assert.strictEqual(headers["x-content-type-options"], "nosniff", path)
        assert.match(headers["content-security-policy"] ?? "", /default-src 'none'/u, path)
        assert.strictEqual(headers["x-frame-options"], "DENY", path)
        assert.match(headers["strict-transport-security"] ?? "", /max-age=/u, path)
        assert.isDefined(headers["cache-control"], path)
        assert.isUndefined(headers["server"], path)
      }
    })
  )
})
