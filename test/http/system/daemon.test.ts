import { readFile } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Supervisor } from "../../../src/actors/kernel/Supervisor.ts"
import { ActorEntry, Info, Readiness } from "../../../src/http/api/Daemon.ts"
import { Call } from "../../../src/http/edge/Call.ts"
import { systemRoutes } from "../../../src/http/system/systemRoutes.ts"
import { BasicSecret } from "../../../src/services/auth/BasicSecret.ts"
import { IdentityStore, IdentityUnavailable } from "../../../src/services/identity/IdentityStore.ts"
import { StorageFull } from "../../../src/services/storage/EventStorage.ts"
import { makeApp } from "../../harness/app.ts"
import { incoming } from "../../harness/incoming.ts"

const basic = (password: string, user = "admin") => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
})
const setSecret = (secret: string, headers: Record<string, string> = {}) => ({ method: "POST", body: secret, headers })

describe("GET / and /livez", () => {
  it.effect("say that it lives", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "full" }))
      yield* call("/api/v1/new_event")
      for (const target of ["/", "/livez", "/livez?verbose"]) {
        const { headers, status, text } = yield* call(target)
        assert.deepStrictEqual([status, text, headers["content-type"]], [200, '{"status":"ok"}\n', "application/json"])
      }
    })
  )
})

describe("GET /readyz", () => {
  const read = (text: string) => Schema.decodeEffect(Schema.fromJsonString(Readiness))(text)

  it.effect("is degraded while the store is full, and heals", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      const well = yield* call("/readyz")
      assert.deepStrictEqual([well.status, well.text], [200, '{"status":"ok","problems":[]}\n'])
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      yield* call("/api/v1/new_event")
      const ill = yield* call("/readyz")
      assert.strictEqual(ill.status, 503)
      assert.deepStrictEqual(yield* read(ill.text), {
        status: "degraded",
        problems: ["the event store cannot take new events: no space left on device"]
      })
      storage.beforeStore = Effect.void
      yield* call("/api/v1/new_event")
      assert.strictEqual((yield* call("/readyz")).status, 200)
    })
  )

  it.effect("names the actor that does not run, and why in one line", () =>
    Effect.gen(function* () {
      const { call, context } = yield* makeApp()
      const supervisor = Context.get(context, Supervisor)
      yield* supervisor.start({ name: "Weak", run: Effect.fail("bad luck\nwith details"), restart: "permanent" })
      yield* Effect.yieldNow
      const { status, text } = yield* call("/readyz")
      assert.strictEqual(status, 503)
      const { problems } = yield* read(text)
      assert.match(problems.join(), /^Weak is backing-off: .*bad luck$/u)
    })
  )

  it.effect("tells of identities that cannot be read, and of a store of them that hangs", () =>
    Effect.gen(function* () {
      const { config, context } = yield* makeApp()
      const ask = Effect.fnUntraced(function* (fresh: IdentityStore["Service"]["fresh"]) {
        const store = IdentityStore.of({ ...Context.get(context, IdentityStore), current: () => undefined, fresh })
        const routes = yield* Effect.provideContext(
          systemRoutes(config, () => []),
          Context.add(context, IdentityStore, store)
        )
        const route = routes.find(({ path }) => path === "/readyz") ?? assert.fail("no such route")
        const surface = { address: "127.0.0.1:3535", providers: ["basic"], roles: [] } as const
        return yield* route.handler(new Call(incoming("/readyz"), "id", surface))
      })
      assert.strictEqual(
        (yield* ask(Effect.fail(new IdentityUnavailable({ reason: "no space", full: true })))).status,
        503
      )
      const hanging = yield* Effect.forkChild(ask(Effect.never), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const { body, status } = yield* Fiber.join(hanging)
      assert.strictEqual(status, 503)
      assert.include(body._tag === "Uint8Array" ? Buffer.from(body.body).toString() : "", "does not answer")
    })
  )
})

describe("GET /api/v1/actors", () => {
  it.effect("shows every actor", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_730_844_203_000)
      const { call } = yield* makeApp()
      yield* call("/api/v1/new_event")
      const { text } = yield* call("/api/v1/actors")
      const { actors } = yield* Schema.decodeEffect(
        Schema.fromJsonString(Schema.Struct({ actors: Schema.Array(ActorEntry) }))
      )(text)
      assert.deepStrictEqual(actors, [
        {
          name: "EventStore",
          state: "running",
          since: "2024-11-05T22:03:23.000Z",
          restarts: 0,
          last_failure: null,
          mailbox: { depth: 0, capacity: 8192, handled: 1, dropped: 0, refused: 0 }
        }
      ])
    })
  )
})

describe("GET /api/v1/info", () => {
  it.effect("tells version, uptime, the log's bounds and the limits in force", () =>
    Effect.gen(function* () {
      const { call, config } = yield* makeApp({ config: "[events]\nmax_count = 77\n" })
      yield* call("/api/v1/new_event?message=a")
      yield* TestClock.adjust("90 seconds")
      const { text } = yield* call("/api/v1/info")
      const info = yield* Schema.decodeEffect(Schema.fromJsonString(Info))(text)
      assert.deepInclude(info, {
        name: "systemapi",
        version: "1.2.3",
        uptime_seconds: 90,
        started_at: "1970-01-01T00:00:00.000Z"
      })
      assert.match(info.boot_id, /^[0-9a-f-]{36}$/u)
      assert.deepInclude(info.events, { first_seq: 1, last_seq: 1, removed_through: 0 })
      assert.deepInclude(info.limits, {
        events_max_count: 77,
        body_max_bytes: config.limits.body_max_bytes,
        log_max_entries: 1000
      })
      assert.deepStrictEqual(info.listeners, [
        {
          address: "127.0.0.1:3535",
          tls: false,
          apis: ["system", "identity"],
          auth: ["basic", "bearer"],
          client_certificates: "none",
          connections: 0
        }
      ])
    })
  )
})

describe("the password", () => {
  it.effect("is asked for once it is set, before anything else, and the old one is needed for a new one", () =>
    Effect.gen(function* () {
      const { call, secretPath, storage } = yield* makeApp({ secret: true })
      assert.strictEqual((yield* call("/logs", { headers: basic("whatever") })).status, 200)
      const set = yield* call("/api/v1/set-basic-auth", setSecret("first"))
      assert.deepStrictEqual([set.status, set.text], [200, '{"message":"Basic auth secret updated"}\n'])
      assert.strictEqual(storage.events.at(-1)?.message, "[system-api] basic auth secret updated.")
      assert.match(yield* Effect.promise(() => readFile(secretPath, "utf8")), /^[0-9a-f]{64}$/u)
      for (const target of ["/logs", "/livez", "/nowhere"]) {
        const { headers, status, text } = yield* call(target)
        assert.deepStrictEqual([status, text], [401, '{"code":401,"message":"Unauthorized"}\n'])
        assert.strictEqual(headers["www-authenticate"], 'Basic realm="system-api"')
      }
      assert.strictEqual((yield* call("/api/v1/set-basic-auth", setSecret("second"))).status, 401)
      assert.strictEqual((yield* call("/api/v1/set-basic-auth", setSecret("second", basic("first")))).status, 200)
      assert.strictEqual((yield* call("/logs", { headers: basic("first") })).status, 401)
      assert.strictEqual((yield* call("/logs", { headers: basic("second", "root") })).status, 401)
      assert.strictEqual((yield* call("/logs", { headers: basic("second") })).status, 200)
      yield* call("/api/v1/new_event?message=who", { headers: basic("second") })
      assert.strictEqual(storage.events.at(-1)?.who, "admin")
      assert.isFalse(storage.events.some(({ message }) => message.includes("second")))
    })
  )

  it.effect("is 501 where none is configured", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const { status, text } = yield* call("/api/v1/set-basic-auth", setSecret("first"))
      assert.deepStrictEqual([status, JSON.parse(text).code], [501, 501])
    })
  )

  it.effect("that is empty or longer than can be sent back is refused, and nothing changes", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp({ secret: true })
      assert.strictEqual((yield* call("/api/v1/set-basic-auth", setSecret(""))).status, 400)
      assert.strictEqual((yield* call("/api/v1/set-basic-auth", setSecret("x".repeat(2000)))).status, 400)
      assert.strictEqual((yield* call("/api/v1/set-basic-auth", setSecret("x".repeat(100_000)))).status, 413)
      assert.strictEqual((yield* call("/logs")).status, 200)
      assert.deepStrictEqual(storage.events, [])
    })
  )

  it.effect("needs the bootstrap token to be set first, where one is configured", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp({ secret: true, bootstrapToken: "token-of-the-owner" })
      assert.strictEqual((yield* call("/api/v1/set-basic-auth", setSecret("mine"))).status, 401)
      assert.strictEqual(
        (yield* call("/api/v1/set-basic-auth", setSecret("mine", { "x-bootstrap-token": "guess" }))).status,
        401
      )
      const set = yield* call(
        "/api/v1/set-basic-auth",
        setSecret("mine", { "x-bootstrap-token": "token-of-the-owner" })
      )
      assert.strictEqual(set.status, 200)
      assert.strictEqual((yield* call("/api/v1/set-basic-auth", setSecret("next", basic("mine")))).status, 200)
    })
  )

  it.effect("cannot be had by guessing the bootstrap token, which is right at any time", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp({ secret: true, bootstrapToken: "token-of-the-owner" })
      const given = (token: string) => call("/api/v1/set-basic-auth", setSecret("mine", { "x-bootstrap-token": token }))
      // No token is no guess: clients ask so whether one is needed.
      for (let i = 0; i < 20; i++) {
        const { headers, status } = yield* call("/api/v1/set-basic-auth", setSecret("mine"))
        assert.deepStrictEqual([status, headers["www-authenticate"]], [401, 'Basic realm="system-api"'])
      }
      const wrong = yield* given("guess")
      assert.deepStrictEqual([wrong.status, wrong.headers["www-authenticate"]], [401, 'Basic realm="system-api"'])
      let limited = wrong
      for (let i = 0; i < 20; i++) limited = yield* given(`guess ${i}`)
      assert.strictEqual(limited.status, 429)
      assert.match(limited.headers["retry-after"] ?? "", /^[1-9]\d*$/u)
      assert.strictEqual((yield* given("token-of-the-owner")).status, 200)
    })
  )

  it.effect("that is set is told, also when the client leaves before its answer", () =>
    Effect.gen(function* () {
      const { config, context, storage } = yield* makeApp({ secret: true })
      const writing = yield* Deferred.make<void>()
      const written = yield* Deferred.make<void>()
      const slow = BasicSecret.of({
        ...Context.get(context, BasicSecret),
        set: () => Effect.uninterruptible(Effect.andThen(Deferred.succeed(writing, undefined), Deferred.await(written)))
      })
      const routes = yield* Effect.provideContext(
        systemRoutes(config, () => []),
        Context.add(context, BasicSecret, slow)
      )
      const route = routes.find(({ path }) => path === "/api/v1/set-basic-auth") ?? assert.fail("no such route")
      const request = incoming("/", setSecret("first"))
      const setting = yield* Effect.forkChild(
        route.handler(new Call(request, "id", { address: "127.0.0.1:3535", providers: ["basic"], roles: [] }))
      )
      yield* Deferred.await(writing)
      const left = yield* Effect.forkChild(Fiber.interrupt(setting), { startImmediately: true })
      yield* Deferred.succeed(written, undefined)
      yield* Fiber.join(left)
      assert.deepStrictEqual(
        storage.events.map(({ message }) => message),
        ["[system-api] basic auth secret updated."]
      )
    })
  )

  it.effect("guessed too often is answered later, and the right one at once", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp({ secret: true })
      yield* call("/api/v1/set-basic-auth", setSecret("right"))
      let limited = yield* call("/logs", { headers: basic("wrong") })
      for (let i = 0; i < 20; i++) limited = yield* call("/logs", { headers: basic(`wrong ${i}`) })
      assert.strictEqual(limited.status, 429)
      assert.match(limited.headers["retry-after"] ?? "", /^[1-9]\d*$/u)
      assert.strictEqual((yield* call("/logs", { headers: basic("right") })).status, 200)
    })
  )

  it.effect("is set by one of two who come at once", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp({ secret: true })
      const statuses = yield* Effect.forEach(
        ["one", "two", "three"],
        (secret) => Effect.map(call("/api/v1/set-basic-auth", setSecret(secret)), ({ status }) => status),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        statuses.toSorted((a, b) => a - b),
        [200, 409, 409]
      )
    })
  )
})

describe("GET /metrics", () => {
  it.effect("is Prometheus text", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const { headers, status, text } = yield* call("/metrics")
      assert.deepStrictEqual([status, headers["content-type"]], [200, "text/plain; version=0.0.4; charset=utf-8"])
      assert.include(text, "# TYPE process_resident_memory_bytes gauge")
    })
  )
})
