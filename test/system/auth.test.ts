/** The one password: who gets in, what is refused, and that it shows nowhere. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { isStatus } from "../../src/http/edge/errorBody.ts"
import { curl, jsonOf, logsOf, messages, request } from "./client.ts"
import { commandLine, environ } from "./proc.ts"
import { type Daemon, execute, start, temporaryFolder, write } from "./support.ts"

const config = (more = "") => `[general]
listen_addr = "127.0.0.1:0"
basic_auth_secret_path = "secret.txt"
basic_auth_secret_salt = "D;%yL9TS:5PalS/d"
log_debug = true
${more}
[actions]
env = "env; cat /proc/$$/cmdline"
`

const secret = "correct horse battery staple"
const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
const authorization = basic("admin", secret)

const setSecret = ({ url }: Daemon, value: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) =>
  request(`${url}/api/v1/set-basic-auth`, { method: "POST", body: value, headers })

const secretFile = ({ folder }: Daemon) => Effect.promise(() => readFile(join(folder, "secret.txt"), "utf8"))

describe("the password", () => {
  it.live("guards every endpoint and every path that is none", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      const described = jsonOf(yield* request(`${daemon.url}/openapi.json`))
      yield* setSecret(daemon, secret)
      const guarded = Object.entries(Object(Object(described).paths)).flatMap(([path, operations]) =>
        Object.entries(Object(operations))
          .filter(([, operation]) => Object(operation)["x-permission"] !== "public")
          .map(([method]) => [method.toUpperCase(), path.replaceAll(/\{\w+\}/gu, "env")] as const)
      )
      const paths = guarded.filter(([, path]) => !path.startsWith("/v1/"))
      const others = guarded.filter(([, path]) => path.startsWith("/v1/"))
      assert.isAbove(paths.length, 15)
      assert.isAbove(others.length, 10)
      for (const [method, path] of [
        ...paths,
        ["GET", "/nowhere"],
        ["DELETE", "/logs"],
        ["OPTIONS", "/logs"]
      ] as const) {
        const { body, headers, status } = yield* request(`${daemon.url}${path}`, { method })
        assert.deepStrictEqual(
          [status, headers["www-authenticate"], body],
          [
            401,
            'Basic realm="system-api"',
            isStatus(path) ? '{"detail":"Unauthorized"}\n' : '{"code":401,"message":"Unauthorized"}\n'
          ],
          `${method} ${path}`
        )
      }
      for (const [method, path] of [...others, ["GET", "/v1/nowhere"]] as const) {
        const { body, headers, status } = yield* request(`${daemon.url}${path}`, { method })
        assert.deepStrictEqual(
          [status, headers["www-authenticate"], body.startsWith('{"error":"UNAUTHORIZED","message":"Unauthorized"')],
          [401, 'Bearer realm="systemapi"', true],
          `${method} ${path}`
        )
      }
      const { body } = yield* request(`${daemon.url}/logs`, { headers: { authorization } })
      assert.deepStrictEqual(messages(body), ["[system-api] basic auth secret updated."], "and nothing was done")
    })
  )

  it.live("belongs to admin, to the byte", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      assert.strictEqual(
        (yield* request(`${daemon.url}/livez`, { headers: { authorization } })).status,
        200,
        "still open"
      )
      yield* setSecret(daemon, secret)
      const statusOf = (header: string) =>
        Effect.map(request(`${daemon.url}/livez`, { headers: { authorization: header } }), ({ status }) => status)
      assert.strictEqual(yield* statusOf(authorization), 200)
      assert.strictEqual(yield* statusOf(authorization.replace("Basic", "bAsIc")), 200)
      for (const wrong of [
        basic("root", secret),
        basic("", secret),
        basic("Admin", secret),
        basic("admin", `${secret} `),
        basic("admin", ""),
        `Bearer ${secret}`,
        "Basic",
        "Basic !!!"
      ]) {
        assert.strictEqual(yield* statusOf(wrong), 401, wrong)
      }
    })
  )

  it.live("may be any bytes a client can send, also over 70 of them", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      const long = `with:colon and ümlaut ${"x".repeat(500)}`
      assert.strictEqual((yield* setSecret(daemon, long)).status, 200)
      assert.strictEqual((yield* curl("-u", `admin:${long}`, `${daemon.url}/livez`)).status, 200)
      assert.strictEqual(
        yield* secretFile(daemon),
        createHash("sha256").update(long).update("D;%yL9TS:5PalS/d").digest("hex")
      )
    })
  )

  it.live("that no client could send, or nobody meant, is refused and locks nobody out", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      for (const value of ["", "x".repeat(1025), "x".repeat(1024 * 1024), "foobar\n", "foo\0bar"]) {
        const refused = yield* setSecret(daemon, value)
        assert.include([400, 413], refused.status, value.slice(0, 10))
        assert.include(jsonOf(refused), { code: refused.status })
        assert.strictEqual((yield* request(`${daemon.url}/livez`)).status, 200)
        assert.strictEqual(yield* secretFile(daemon), "")
      }
      assert.deepStrictEqual(yield* logsOf(daemon.url), [])
    })
  )

  it.live("needs the old one to be changed, and the old one ends with it", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      yield* setSecret(daemon, secret)
      assert.strictEqual((yield* setSecret(daemon, "other")).status, 401)
      assert.strictEqual((yield* setSecret(daemon, "other", { authorization })).status, 200)
      assert.strictEqual((yield* request(`${daemon.url}/livez`, { headers: { authorization } })).status, 401)
      const next = { authorization: basic("admin", "other") }
      assert.strictEqual((yield* request(`${daemon.url}/livez`, { headers: next })).status, 200)
    })
  )

  it.live("is set by one of many who race for it", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      const names = Array.from({ length: 10 }, (_, i) => `racer-${i}`)
      const answers = yield* Effect.forEach(names, (name) => setSecret(daemon, name), { concurrency: "unbounded" })
      const winners = names.filter((_, i) => answers[i]?.status === 200)
      assert.strictEqual(winners.length, 1)
      assert.isTrue(answers.every(({ status }) => [200, 401, 409].includes(status)))
      const headers = { authorization: basic("admin", winners[0] ?? "") }
      assert.strictEqual((yield* request(`${daemon.url}/livez`, { headers })).status, 200)
    })
  )

  it.live("first needs the bootstrap token where one is configured", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* write(folder, "token", "from-the-provisioner\n")
      const daemon = yield* start({ folder, config: config('basic_auth_bootstrap_token_path = "token"') })
      assert.strictEqual((yield* request(`${daemon.url}/livez`)).status, 200)
      assert.strictEqual((yield* setSecret(daemon, secret)).status, 401)
      assert.strictEqual((yield* setSecret(daemon, secret, { "x-bootstrap-token": "guess" })).status, 401)
      assert.strictEqual(
        (yield* setSecret(daemon, secret, { "x-bootstrap-token": "from-the-provisioner" })).status,
        200
      )
      assert.strictEqual((yield* setSecret(daemon, "x", { "x-bootstrap-token": "from-the-provisioner" })).status, 401)
    })
  )

  it.live("guessed is answered 429 soon, while the right one still gets in", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      yield* setSecret(daemon, secret)
      const guess = (i: number) =>
        request(`${daemon.url}/livez`, { headers: { authorization: basic("admin", `guess${i}`) } })
      const answers = yield* Effect.forEach(Array.from({ length: 40 }), (_, i) => guess(i))
      const limited = answers.filter(({ status }) => status === 429)
      assert.isAbove(limited.length, 10)
      assert.match(limited[0]?.headers["retry-after"] ?? "", /^[1-9]\d*$/u)
      assert.strictEqual(answers[0]?.status, 401)
      assert.strictEqual((yield* request(`${daemon.url}/livez`, { headers: { authorization } })).status, 200)
      assert.strictEqual((yield* request(`${daemon.url}/livez`)).status, 401, "who gives none is no guesser")
    })
  )

  it.live.each([["scrypt"], ["argon2id"]] as const)(
    "is kept as %s where configured, and outlives a restart",
    ([format]) =>
      Effect.gen(function* () {
        const whole = config(`basic_auth_secret_format = "${format}"`)
        const daemon = yield* start({ config: whole })
        yield* setSecret(daemon, secret)
        const stored = yield* secretFile(daemon)
        assert.match(stored, new RegExp(`^\\$${format}\\$`, "u"))
        yield* daemon.stop
        const next = yield* start({ folder: daemon.folder, config: whole })
        assert.strictEqual((yield* request(`${next.url}/livez`, { headers: { authorization } })).status, 200)
        assert.strictEqual(
          (yield* request(`${next.url}/livez`, { headers: { authorization: basic("admin", "no") } })).status,
          401
        )
      })
  )

  it.live("and its hash show in no log, no answer, no command line and no environment", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      yield* setSecret(daemon, secret)
      yield* setSecret(daemon, "x".repeat(2000), { authorization })
      yield* request(`${daemon.url}/livez`, { headers: { authorization: basic("admin", "a-mistyped-secret") } })
      const hash = yield* secretFile(daemon)
      const get = (path: string) =>
        Effect.map(request(`${daemon.url}${path}`, { headers: { authorization } }), ({ body, status }) => {
          assert.strictEqual(status, 200, path)
          return body
        })
      const shown = yield* Effect.forEach(
        [
          "/logs",
          "/api/v1/events?tail=100",
          "/metrics",
          "/api/v1/info",
          "/api/v1/actors",
          "/api/v1/actions",
          "/readyz"
        ],
        get
      )
      const run = yield* request(`${daemon.url}/api/v1/actions/env`, { method: "POST", headers: { authorization } })
      assert.include(run.body, "PATH=")
      const places = [...shown, run.body, yield* commandLine(daemon.pid), yield* environ(daemon.pid)]
      yield* daemon.stop
      for (const place of [...places, daemon.said()]) {
        for (const text of [hash, secret, "a-mistyped-secret", "D;%yL9TS:5PalS/d", authorization.slice(6)]) {
          assert.notInclude(place, text)
        }
      }
      assert.include(daemon.said(), "POST /api/v1/set-basic-auth 200")
      const store = yield* execute("grep", ["-rlF", "-e", hash, "-e", secret, join(daemon.folder, "systemapi-state")])
      assert.deepStrictEqual([store.code, store.out], [1, ""], "nor in the store")
    })
  )
})
