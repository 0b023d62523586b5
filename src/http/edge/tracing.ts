/**
 * A span for each request, where spans go somewhere: only with a tracer configured, so that without one a request that
 * needs no fiber gets none. Continues the trace of the caller (W3C `traceparent`, B3); an answer of 500 and above is a
 * failed span. Names and attributes are those of OpenTelemetry's conventions for HTTP servers; what looks like a
 * credential in a URL is not among them.
 */
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Incoming } from "../listener/Incoming.ts"
import { redactedPath, redactedQuery } from "./redacted.ts"
import type { App } from "../listener/Serving.ts"

/** Fails the span of an answer that says so, and goes no further. */
class ServerError extends Error {
  readonly answer: HttpServerResponse
  constructor(answer: HttpServerResponse) {
    super(`answered ${answer.status}`)
    this.answer = answer
  }
}

/** The application as it is, unless somebody collects traces. */
export const traced = (app: App): Effect.Effect<App> =>
  Effect.map(Effect.tracer, (tracer) => (tracer === Tracer.nativeTracer ? app : (request) => withSpan(request, app)))

const withSpan = (request: Incoming, app: App): Effect.Effect<HttpServerResponse> =>
  Effect.suspend(() => app(request)).pipe(
    Effect.tap(({ status }) => Effect.annotateCurrentSpan("http.response.status_code", status)),
    Effect.filterOrFail(
      ({ status }) => status < 500,
      (answer) => new ServerError(answer)
    ),
    Effect.withSpan(request.method, {
      kind: "server",
      parent: Option.getOrUndefined(HttpTraceContext.fromHeaders(Headers.fromInput(request.headers))),
      attributes: attributesOf(request)
    }),
    Effect.catch(({ answer }) => Effect.succeed(answer))
  )

const attributesOf = ({ address, headers, method, url }: Incoming): Record<string, string> => {
  const end = url.indexOf("?")
  const agent = headers["user-agent"]
  return {
    "http.request.method": method,
    "url.path": redactedPath(end === -1 ? url : url.slice(0, end)),
    ...(end === -1 ? {} : { "url.query": redactedQuery(url.slice(end + 1)) }),
    ...(agent === undefined ? {} : { "user_agent.original": agent }),
    ...(address === "" ? {} : { "client.address": address })
  }
}
