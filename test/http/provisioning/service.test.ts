import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { provisioningEndpoints } from "../../../src/http/api/endpoints.ts"
import { Healthy, ServiceMetrics, Unhealthy, VersionAnswer } from "../../../src/http/api/provisioning/Service.ts"
import { bind } from "../../../src/http/edge/routes.ts"
import { makeServiceHandlers } from "../../../src/http/provisioning/serviceHandlers.ts"
import type { Outcome } from "../../../src/services/auth/Authenticator.ts"
import { type Operations, OperationsUnavailable } from "../../../src/services/operations/Operations.ts"
import { admitted, makeTestEdge, stranger, user } from "../edge/support.ts"

const counts = { pending: 2, running: 3, total: 42, outputBytes: 1000 }

interface Given {
  readonly degraded?: string
  readonly counts?: Operations["Service"]["counts"]
  readonly outcome?: Outcome
}

const service = ({
  counts: counted = Effect.succeed(counts),
  degraded,
  outcome = admitted(user("ann", "metrics:read"))
}: Given = {}) =>
  makeTestEdge({
    outcome,
    routes: bind(
      provisioningEndpoints.service,
      makeServiceHandlers({
        instance: { version: "1.2.3", bootId: "b", startedAt: 0, uptimeSeconds: Effect.succeed(3600) },
        log: { degraded: () => degraded },
        metrics: { render: Effect.succeed("# TYPE x gauge\nx 1\n") },
        operations: { counts: counted }
      })
    )
  })

describe.each(["/health", "/v1/health"])("GET %s", (path) => {
  it.effect("is healthy for whoever asks, with whatever token", () =>
    Effect.gen(function* () {
      const { ask, attempts } = yield* service({ outcome: stranger })
      for (const headers of [{}, { authorization: "Bearer wrong" }]) {
        const { headers: fields, status, text } = yield* ask(path, { headers })
        assert.deepStrictEqual(
          [status, text, fields["content-type"]],
          [200, '{"status":"healthy","version":"1.2.3","uptime_seconds":3600}\n', "application/json"]
        )
        yield* Schema.decodeEffect(Schema.fromJsonString(Healthy))(text)
      }
      assert.deepStrictEqual(attempts, [])
    })
  )

  it.effect("is unhealthy, and 503, while events cannot be stored", () =>
    Effect.gen(function* () {
      const { ask } = yield* service({ degraded: "no space left on device", outcome: stranger })
      const { status, text } = yield* ask(path)
      assert.deepStrictEqual([status, text], [503, '{"status":"unhealthy","version":"1.2.3","uptime_seconds":3600}\n'])
      yield* Schema.decodeEffect(Schema.fromJsonString(Unhealthy))(text)
    })
  )
})

describe("GET /v1/version", () => {
  it.effect("says what runs, to whoever is somebody", () =>
    Effect.gen(function* () {
      const { ask } = yield* service({ outcome: admitted(user("ann")) })
      const { status, text } = yield* ask("/v1/version")
      assert.strictEqual(status, 200)
      const body = yield* Schema.decodeEffect(Schema.fromJsonString(VersionAnswer))(text)
      assert.deepStrictEqual([body.version, body.node], ["1.2.3", process.versions.node])
      assert.match(body.effect, /^\d+\.\d+\.\d+$/u)
      const unknown = yield* service({ outcome: stranger })
      assert.strictEqual((yield* unknown.ask("/v1/version")).status, 401)
    })
  )
})

describe("GET /v1/metrics", () => {
  const json = '{"uptime_seconds":3600,"tasks":{"total":42,"running":3,"pending":2}}\n'

  it.effect.each([
    undefined,
    "*/*",
    "application/json",
    "application/json, text/plain",
    "text/plain;q=0.5, application/json",
    "text/html",
    ""
  ])("is JSON for %j", (accept) =>
    Effect.gen(function* () {
      const { ask } = yield* service()
      const { headers, status, text } = yield* ask("/v1/metrics", accept === undefined ? {} : { headers: { accept } })
      assert.deepStrictEqual(
        [status, text, headers["content-type"], headers["vary"]],
        [200, json, "application/json", "Accept"]
      )
      yield* Schema.decodeEffect(Schema.fromJsonString(ServiceMetrics))(text)
    })
  )

  it.effect.each([
    "text/plain",
    "text/*",
    "application/openmetrics-text; version=1.0.0",
    "text/plain, */*;q=0.5",
    "application/json;q=0.1, text/plain;q=0.2",
    // As Prometheus asks.
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
  ])("is text for %j", (accept) =>
    Effect.gen(function* () {
      const { ask } = yield* service()
      const { headers, status, text } = yield* ask("/v1/metrics", { headers: { accept } })
      assert.deepStrictEqual(
        [status, text, headers["content-type"], headers["vary"]],
        [200, "# TYPE x gauge\nx 1\n", "text/plain; version=0.0.4; charset=utf-8", "Accept"]
      )
    })
  )

  it.effect("says when there is no telling", () =>
    Effect.gen(function* () {
      const down = new OperationsUnavailable({ reason: "the file is locked", full: false })
      const { ask } = yield* service({ counts: Effect.fail(down) })
      const { headers, status } = yield* ask("/v1/metrics")
      assert.deepStrictEqual([status, headers["retry-after"]], [503, "1"])
      assert.strictEqual((yield* ask("/v1/metrics", { headers: { accept: "text/plain" } })).status, 200)
    })
  )

  it.effect("is for those who may, also while the System API has no password", () =>
    Effect.gen(function* () {
      const nobodyElse = yield* service({ outcome: admitted(user("bob", "servers:read")) })
      assert.strictEqual((yield* nobodyElse.ask("/v1/metrics")).status, 403)
      const asNobody = { ...user("anonymous", "metrics:read"), kind: "anonymous" as const }
      const open = yield* service({ outcome: { ...admitted(asNobody), otherwise: stranger } })
      assert.strictEqual((yield* open.ask("/v1/metrics")).status, 401)
      const letIn = yield* service({ outcome: admitted(asNobody) })
      assert.strictEqual((yield* letIn.ask("/v1/metrics")).status, 200)
    })
  )
})
