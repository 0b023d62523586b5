import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { traced } from "../../../src/http/edge/tracing.ts"
import type { App } from "../../../src/http/listener/Serving.ts"
import { incoming } from "../../harness/incoming.ts"

const answering =
  (status: number): App =>
  () =>
    Effect.succeed(HttpServerResponse.text("text", { status }))

const collected = (spans: Array<Tracer.NativeSpan>) =>
  Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })

const failed = ({ status }: Tracer.NativeSpan): boolean => status._tag === "Ended" && Exit.isFailure(status.exit)

describe("a trace", () => {
  it.effect("costs nothing where nobody collects any", () =>
    Effect.gen(function* () {
      const app = answering(200)
      assert.strictEqual(yield* traced(app), app)
    })
  )

  it.effect("has a span for each request, part of the caller's trace, that fails with the server", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const ask = (status: number, init: RequestInit = {}) =>
        traced(answering(status)).pipe(
          Effect.flatMap((app) => app(incoming("/logs?tail=1&q=?", init))),
          Effect.withTracer(collected(spans))
        )
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      assert.strictEqual((yield* ask(200, { headers: { traceparent, "user-agent": "curl" } })).status, 200)
      assert.strictEqual((yield* ask(404)).status, 404)
      assert.strictEqual((yield* ask(503)).status, 503)
      assert.deepStrictEqual(spans.map(failed), [false, false, true])
      const [first] = spans
      assert.deepStrictEqual(
        [first?.name, first?.kind, first?.traceId],
        ["GET", "server", "0af7651916cd43dd8448eb211c80319c"]
      )
      assert.deepInclude(Object.fromEntries(first?.attributes ?? []), {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/logs",
        "url.query": "tail=1&q=?",
        "user_agent.original": "curl"
      })
      assert.isTrue(Option.isNone(spans[1]?.parent ?? Option.none()))
    })
  )
})
