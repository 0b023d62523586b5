import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { TestClock } from "effect/testing"
import type { Guard } from "../../../src/http/edge/Edge.ts"
import { failure } from "../../../src/http/edge/HttpFailure.ts"
import { type AuditEntry, AuditFailed } from "../../../src/services/audit/Audit.ts"
import type { AuditConfig } from "../../../src/services/config/IdentityConfig.ts"
import { admitted, makeTestEdge, ok, type Options, route, stranger, user } from "./support.ts"

const routes = [
  route("GET", "/logs", "events:read"),
  route("POST", "/api/v1/events", "events:write", ok, { audited: false }),
  route("POST", "/api/v1/actions/:action", "actions:run:{action}", () =>
    Effect.as(Effect.sleep("2 seconds"), HttpServerResponse.text("done", { status: 500 }))
  ),
  route("DELETE", "/v1/users/:user", "users:manage"),
  route("POST", "/v1/auth/login", "public", () => Effect.fail(failure(401, "wrong")))
]

const rules = (rest: Partial<AuditConfig>): AuditConfig => ({
  required: false,
  reads: false,
  max_count: 1,
  max_age_s: 1,
  ...rest
})

const edge = (rest: Partial<Options> = {}) => makeTestEdge({ routes, ...rest })

const brief = ({ detail, outcome, status, who }: AuditEntry) => [outcome, who, status, detail]

describe("the audit log", () => {
  it.effect("is told of every refusal, with why", () =>
    Effect.gen(function* () {
      for (const [outcome, path, expected] of [
        [stranger, "/logs", ["refused", undefined, 401, "no credentials"]],
        [stranger, "/missing", ["refused", undefined, 401, "no credentials"]],
        [
          {
            _tag: "refused",
            refusal: { scheme: "bearer", error: "invalid_token", reason: "it has expired", claimed: "bob" }
          },
          "/logs",
          ["refused", undefined, 401, "bob: it has expired"]
        ],
        [{ _tag: "limited", retryAfterSeconds: 1 }, "/logs", ["refused", undefined, 429, "too many wrong credentials"]],
        [{ _tag: "unavailable", reason: "the disk" }, "/logs", ["refused", undefined, 503, "the disk"]],
        [admitted(user("alice")), "/logs", ["refused", "alice", 403, "it has not the permission"]]
      ] as const) {
        const { ask, entries } = yield* edge({ outcome })
        yield* ask(path)
        assert.deepStrictEqual(entries.map(brief), [[...expected]])
      }
    })
  )

  it.effect("is told of what changes something: who, from where, what, on what, how it ended, how long it took", () =>
    Effect.gen(function* () {
      const { ask, entries } = yield* edge()
      const headers = { "x-request-id": "r1", "x-justification": "ticket 7" }
      const running = yield* Effect.forkChild(ask("/api/v1/actions/a%2Fb?x=secret", { method: "POST", headers }), {
        startImmediately: true
      })
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(running)
      assert.deepStrictEqual(entries, [
        {
          action: "request",
          outcome: "granted",
          who: "alice",
          kind: "user",
          address: "192.0.2.1",
          listener: "127.0.0.1:3535",
          requestId: "r1",
          on: "actions:run:a/b",
          method: "POST",
          path: "/api/v1/actions/a%2Fb",
          justification: "ticket 7",
          credential: "jti-1",
          status: 500,
          durationMs: 2000
        }
      ])
    })
  )

  it.effect("is not told of reading, of events, of what is not there and of what handlers tell themselves", () =>
    Effect.gen(function* () {
      const { ask, entries } = yield* edge()
      yield* ask("/logs")
      yield* ask("/api/v1/events", { method: "POST" })
      yield* ask("/missing")
      yield* ask("/logs", { method: "DELETE" })
      assert.strictEqual((yield* ask("/v1/auth/login", { method: "POST" })).status, 401)
      assert.deepStrictEqual(entries, [])
    })
  )

  it.effect("is told of reading too where that is configured", () =>
    Effect.gen(function* () {
      const { ask, entries } = yield* edge({ config: { audit: rules({ reads: true }) } })
      yield* ask("/logs")
      yield* ask("/v1/auth/login", { method: "POST" })
      assert.deepStrictEqual(entries.map(brief), [["granted", "alice", 200, undefined]])
    })
  )

  it.effect("is told once of what a guard refuses or answers in place of the handler", () =>
    Effect.gen(function* () {
      const guardWith = (answer: ReturnType<NonNullable<ReturnType<Guard>>>) =>
        edge({ rest: { guards: [() => () => answer] } })
      const limited = yield* guardWith(Effect.fail(failure(429, "later")))
      yield* limited.ask("/v1/users/bob", { method: "DELETE" })
      assert.deepStrictEqual(limited.entries.map(brief), [["refused", "alice", 429, undefined]])
      const pending = yield* guardWith(Effect.succeed(HttpServerResponse.text("pending", { status: 202 })))
      assert.strictEqual((yield* pending.ask("/v1/users/bob", { method: "DELETE" })).status, 202)
      assert.deepStrictEqual([pending.entries, pending.calls], [[], []])
    })
  )
})

describe("with audit.required", () => {
  const config = { audit: rules({ required: true }) }

  it.effect("nothing is done before its entry is durable, and what came of it is another", () =>
    Effect.gen(function* () {
      const durable = yield* Deferred.make<void>()
      const told: Array<AuditEntry> = []
      const audit = {
        record: (entry: AuditEntry) => void told.push(entry),
        before: (entry: AuditEntry) =>
          Effect.andThen(
            Effect.sync(() => told.push(entry)),
            Deferred.await(durable)
          ),
        durably: () => Effect.void,
        recorded: Effect.void,
        degraded: () => undefined,
        stats: () => ({ recorded: 0, summed: 0, failed: 0 })
      }
      const { ask, calls } = yield* edge({ config, rest: { audit } })
      const asking = yield* Effect.forkChild(ask("/v1/users/bob", { method: "DELETE" }), { startImmediately: true })
      assert.deepStrictEqual(told.map(brief), [["granted", "alice", undefined, undefined]])
      assert.deepStrictEqual(calls, [])
      yield* Deferred.succeed(durable, undefined)
      assert.strictEqual((yield* Fiber.join(asking)).status, 200)
      assert.lengthOf(calls, 1)
      assert.deepStrictEqual(told.map(brief).slice(1), [["succeeded", "alice", 200, undefined]])
      assert.strictEqual((yield* ask("/logs")).status, 200)
      assert.lengthOf(told, 2)
    })
  )

  it.effect("what cannot be recorded is not done", () =>
    Effect.gen(function* () {
      for (const [full, status] of [
        [true, 507],
        [false, 503]
      ] as const) {
        const audit = {
          record: () => {},
          before: () => Effect.fail(new AuditFailed({ reason: "no room", full })),
          durably: () => Effect.void,
          recorded: Effect.void,
          degraded: () => undefined,
          stats: () => ({ recorded: 0, summed: 0, failed: 0 })
        }
        const { ask, calls } = yield* edge({ config, rest: { audit } })
        assert.strictEqual((yield* ask("/v1/users/bob", { method: "DELETE" })).status, status)
        assert.deepStrictEqual(calls, [])
      }
    })
  )
})
