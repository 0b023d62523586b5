import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as TestClock from "effect/testing/TestClock"
import type { Call } from "../../../src/http/edge/Call.ts"
import { makeEdge } from "../../../src/http/edge/Edge.ts"
import { failure } from "../../../src/http/edge/HttpFailure.ts"
import { readBody } from "../../../src/http/edge/readBody.ts"
import type { Handler, Route } from "../../../src/http/edge/routes.ts"
import { Audit } from "../../../src/services/audit/Audit.ts"
import { type Attempt, nobody, type Outcome } from "../../../src/services/auth/Authenticator.ts"
import { PermissionSet } from "../../../src/services/identity/Permission.ts"
import type { RequestEntry } from "../../../src/services/log/format.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { mockAudit, noLiveAnswers } from "../../harness/mocks.ts"
import { incoming } from "../../harness/incoming.ts"

const open: Outcome = { _tag: "admitted", principal: nobody(PermissionSet.everything, []), secretVersion: 3 }

const surface: Attempt["surface"] = { address: "127.0.0.1:3535", providers: ["basic"], roles: [] }

const admin = (secretVersion: number): Outcome => ({
  _tag: "admitted",
  principal: { ...nobody(PermissionSet.everything, ["admin"]), id: "admin", kind: "basic" },
  secretVersion
})

const refused: Outcome = {
  _tag: "refused",
  refusal: { scheme: "none", error: undefined, reason: "no credentials", claimed: undefined }
}

const makeApp = Effect.fnUntraced(function* (outcome: Outcome = open) {
  const { config } = yield* load(undefined, {})
  const calls: Array<Call> = []
  const attempts: Array<Attempt> = []
  const requests: Array<RequestEntry> = []
  const observed: Array<readonly [string, number, number]> = []
  const handle =
    (handler: Handler): Handler =>
    (call) => {
      calls.push(call)
      return handler(call)
    }
  const ok: Handler = () => Effect.succeed(HttpServerResponse.text("ok"))
  const route = (method: Route["method"], path: `/${string}`, handler: Handler, sideEffects = false): Route => ({
    method,
    path,
    handler: handle(handler),
    sideEffects,
    access: "health:read",
    rate: "read",
    audited: false
  })
  const edge = makeEdge({
    routes: [
      route("GET", "/ok", ok),
      route("GET", "/named/:name", ok),
      route("GET", "/changes", ok, true),
      route("POST", "/changes", ok),
      route("GET", "/fails", () => Effect.fail(failure(418, "a teapot", { "x-pot": "tea" }))),
      route("GET", "/dies", () => Effect.die(new Error("the secret reason"))),
      route("GET", "/throws", () => {
        throw new Error("the secret reason")
      }),
      route("GET", "/slow", () => Effect.as(Effect.sleep("2 seconds"), HttpServerResponse.text("late"))),
      route("GET", "/interrupted", () => Effect.interrupt),
      route("POST", "/read", (call) =>
        Effect.map(readBody(call, 10), (body) => HttpServerResponse.text(`${body.length}`))
      )
    ],
    clock: yield* Clock.Clock,
    surface,
    authenticator: {
      authenticate: (attempt) => {
        attempts.push(attempt)
        return Effect.succeed(outcome)
      }
    },
    audit: yield* Effect.provide(Audit, mockAudit([])),
    config: () => config,
    live: noLiveAnswers,
    log: { request: (_atMs, entry) => void requests.push(entry), configure: () => Effect.void, dropped: () => 0 },
    observe: (path, status, ms) => void observed.push([path, status, ms])
  })
  const call = (target: string, init: RequestInit = {}) =>
    Effect.map(
      Effect.suspend(() => edge(incoming(target, init))),
      (response) => ({
        status: response.status,
        headers: response.headers,
        text: response.body._tag === "Uint8Array" ? Buffer.from(response.body.body).toString() : ""
      })
    )
  return { call, calls, attempts, requests, observed }
})

const errorOf = (text: string) => {
  assert.isTrue(text.endsWith("}\n"), text)
  return JSON.parse(text)
}

describe("errors", () => {
  it.effect("have one shape, their status and their headers", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const { headers, status, text } = yield* call("/fails")
      assert.strictEqual(status, 418)
      assert.strictEqual(text, '{"code":418,"message":"a teapot"}\n')
      assert.deepInclude(headers, { "content-type": "application/json", "x-pot": "tea" })
    })
  )

  it.effect("that nobody foresaw are 500 and tell the client nothing", () =>
    Effect.gen(function* () {
      for (const path of ["/dies", "/throws"]) {
        const { call, observed, requests } = yield* makeApp()
        const { status, text } = yield* call(path)
        assert.strictEqual(status, 500)
        assert.deepStrictEqual(errorOf(text), { code: 500, message: "Internal server error" })
        assert.deepStrictEqual(observed, [[path, 500, 0]])
        assert.strictEqual(requests.length, 1)
      }
    })
  )

  it.effect("for paths and methods that are not there", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const missing = yield* call("/missing")
      assert.deepStrictEqual([missing.status, errorOf(missing.text)], [404, { code: 404, message: "Not found" }])
      const wrong = yield* call("/ok", { method: "DELETE" })
      assert.strictEqual(wrong.status, 405)
      assert.strictEqual(wrong.headers["allow"], "GET, HEAD, OPTIONS")
      assert.deepStrictEqual(errorOf(wrong.text), { code: 405, message: "Method DELETE is not allowed here" })
      const options = yield* call("/changes", { method: "OPTIONS" })
      assert.deepStrictEqual([options.status, options.headers["allow"], options.text], [204, "GET, OPTIONS, POST", ""])
      const head = yield* call("/changes", { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.headers["allow"]], [405, "GET, OPTIONS, POST"])
    })
  )
})

describe("authentication", () => {
  it.effect("comes before routing, and nothing is handled without", () =>
    Effect.gen(function* () {
      const { call, calls } = yield* makeApp(refused)
      for (const [target, method] of [
        ["/ok", "GET"],
        ["/missing", "GET"],
        ["/ok", "OPTIONS"],
        ["/changes", "POST"]
      ] as const) {
        const { headers, status, text } = yield* call(target, { method })
        assert.strictEqual(status, 401)
        assert.strictEqual(text, '{"code":401,"message":"Unauthorized"}\n')
        assert.strictEqual(headers["www-authenticate"], 'Basic realm="system-api"')
      }
      assert.deepStrictEqual(calls, [])
    })
  )

  it.effect("that failed too often says when to come again", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp({ _tag: "limited", retryAfterSeconds: 7 })
      const { headers, status } = yield* call("/ok")
      assert.deepStrictEqual([status, headers["retry-after"]], [429, "7"])
    })
  )

  it.effect("tells the handler who asks and by which secret", () =>
    Effect.gen(function* () {
      const { attempts, call, calls } = yield* makeApp(admin(9))
      yield* call("/ok", { headers: { authorization: "Basic abc" } })
      assert.deepStrictEqual(
        calls.map(({ secretVersion, who }) => [who, secretVersion]),
        [["admin", 9]]
      )
      assert.deepStrictEqual(attempts, [{ authorization: "Basic abc", address: "", peer: undefined, surface }])
      const nobody = yield* makeApp()
      yield* nobody.call("/ok")
      assert.deepStrictEqual(
        nobody.calls.map(({ secretVersion, who }) => [who, secretVersion]),
        [[undefined, 3]]
      )
    })
  )
})

describe("requests from other web sites", () => {
  it.effect("may read, and change nothing", () =>
    Effect.gen(function* () {
      const { call, calls } = yield* makeApp()
      const from = (site: string) => ({ headers: { "sec-fetch-site": site } })
      assert.strictEqual((yield* call("/ok", from("cross-site"))).status, 200)
      calls.length = 0
      for (const init of [from("cross-site"), { method: "POST", ...from("cross-site") }]) {
        const { status, text } = yield* call("/changes", init)
        assert.strictEqual(status, 403)
        assert.include(errorOf(text).message, "not taken from other web sites")
      }
      assert.deepStrictEqual(calls, [])
      for (const site of ["same-origin", "none"]) {
        assert.strictEqual((yield* call("/changes", from(site))).status, 200)
        assert.strictEqual((yield* call("/changes", { method: "POST", ...from(site) })).status, 200)
      }
    })
  )
})

describe("request ids", () => {
  it.effect("are the caller's when harmless, else our own, each another", () =>
    Effect.gen(function* () {
      const { call, requests } = yield* makeApp()
      const idFor = (given?: string) =>
        Effect.map(
          call("/ok", given === undefined ? {} : { headers: { "x-request-id": given } }),
          ({ headers }) => headers["x-request-id"] ?? ""
        )
      assert.strictEqual(yield* idFor("deploy:42.a_b-c"), "deploy:42.a_b-c")
      const seen = new Set<string>()
      for (const hostile of [undefined, "", "a b", "x".repeat(65), "a\tb", 'a"b', "<script>", "é"]) {
        const id = yield* idFor(hostile)
        assert.match(id, /^[\w-]{8}-[0-9a-z]+$/u)
        seen.add(id)
      }
      assert.strictEqual(seen.size, 8)
      assert.deepStrictEqual(
        requests.slice(1).map(({ id }) => id),
        [...seen]
      )
    })
  )

  it.effect("are on errors too", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      for (const target of ["/fails", "/dies", "/missing"]) {
        assert.strictEqual(
          (yield* call(target, { headers: { "x-request-id": "mine" } })).headers["x-request-id"],
          "mine"
        )
      }
    })
  )
})

describe("the end of a request", () => {
  it.effect("is logged once, with path, status, time and who, and counted by pattern, not by path", () =>
    Effect.gen(function* () {
      const { call, observed, requests } = yield* makeApp(admin(1))
      yield* call("/named/any%20thing?secret=1", { headers: { "x-request-id": "a" } })
      yield* call("/missing/x", { headers: { "x-request-id": "b" } })
      const slow = yield* Effect.forkChild(call("/slow"), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(slow)
      assert.deepStrictEqual(observed, [
        ["/named/:name", 200, 0],
        ["none", 404, 0],
        ["/slow", 200, 2000]
      ])
      assert.deepStrictEqual(requests.slice(0, 2), [
        { method: "GET", path: "/named/any%20thing", status: 200, durationMs: 0, address: "", who: "admin", id: "a" },
        { method: "GET", path: "/missing/x", status: 404, durationMs: 0, address: "", who: "admin", id: "b" }
      ])
    })
  )

  it.effect("is 499 in the log when the client left before its answer", () =>
    Effect.gen(function* () {
      const { call, observed } = yield* makeApp()
      const left = yield* Effect.forkChild(Effect.uninterruptible(call("/slow")), { startImmediately: true })
      const exit = yield* Fiber.interrupt(left).pipe(Effect.andThen(Fiber.await(left)))
      assert.isTrue(Exit.hasInterrupts(exit))
      assert.deepStrictEqual(observed, [["/slow", 499, 0]])
    })
  )
})

describe("readBody", () => {
  const post = (body: string | ReadableStream, headers: Record<string, string> = {}): RequestInit => ({
    method: "POST",
    body,
    headers,
    ...(body instanceof ReadableStream ? { duplex: "half" } : {})
  })
  const streamOf = (...chunks: ReadonlyArray<string>) =>
    new ReadableStream({
      start: (controller) => {
        for (const chunk of chunks) controller.enqueue(Buffer.from(chunk))
        controller.close()
      }
    })

  it.effect("reads up to its bound, whether the length was told or not", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      for (const [body, status] of [
        ["", 200],
        ["1234567890", 200],
        ["12345678901", 413]
      ] as const) {
        assert.strictEqual((yield* call("/read", post(body))).status, status)
        assert.strictEqual((yield* call("/read", post(streamOf(body.slice(0, 5), body.slice(5))))).status, status)
      }
    })
  )

  it.effect("refuses what says it is too large before it is read", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const never = new ReadableStream({})
      const { status, text } = yield* call("/read", post(never, { "content-length": "11" }))
      assert.deepStrictEqual(
        [status, errorOf(text).message],
        [413, "The body is larger than the 10 bytes allowed here"]
      )
    })
  )

  it.effect("tells of a body that ended early", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const broken = new ReadableStream({ start: (controller) => controller.error(new Error("reset")) })
      const { status, text } = yield* call("/read", post(broken))
      assert.deepStrictEqual([status, errorOf(text).message], [400, "The body ended early"])
    })
  )
})
