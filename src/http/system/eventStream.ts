/**
 * Following the log live, as server-sent events (WHATWG HTML, "Server-sent events") or NDJSON.
 *
 * What comes over the wire; eventFollowers.ts has how clients are kept up with the log.
 */
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { EventLog } from "../../services/events/EventLog.ts"
import { eventJson } from "../../services/events/render.ts"
import { failure } from "../edge/HttpFailure.ts"
import type { Handler } from "../edge/routes.ts"
import { stopping } from "../listener/Listener.ts"
import { makeFollowers, type Rendering } from "./eventFollowers.ts"
import { parseEventParams } from "./eventParams.ts"
import { collectNewest } from "./eventPages.ts"
import { orStoreFailure } from "./failures.ts"
import { makeLogPulse } from "./LogPulse.ts"

/** Parameters of the other reads that would mean nothing here. */
const notHere = ["before", "limit", "wait", "format", "until"]

/** A client that knows of later events than there are has seen another log: it is told, and goes on with this one. */
const aheadOf = (last: number, from: number | undefined, as: Rendering): string =>
  from === undefined || from <= last ? "" : as.gap(last + 1, from, "not in this log")

const gapJson = (from: number, to: number, reason = "removed by retention") => JSON.stringify({ from, to, reason })

const sse: Rendering = {
  event: (event) => `id: ${event.seq}\ndata: ${eventJson(event)}\n\n`,
  gap: (from, to, reason) =>
    `id: ${reason === undefined ? to : from - 1}\nevent: gap\ndata: ${gapJson(from, to, reason)}\n\n`,
  keepAlive: ": keep-alive\n\n"
}

const ndjson: Rendering = {
  event: (event) => `${eventJson(event)}\n`,
  gap: (from, to, reason) => `{"gap":${gapJson(from, to, reason)}}\n`,
  keepAlive: "\n"
}

export const makeEventStream = Effect.fnUntraced(function* (
  log: EventLog["Service"]
): Effect.fn.Return<Handler, never, Scope.Scope> {
  const pulse = yield* makeLogPulse(log)
  const forms = {
    sse: { contentType: "text/event-stream", as: sse, follow: makeFollowers(log, pulse, sse) },
    ndjson: { contentType: "application/x-ndjson", as: ndjson, follow: makeFollowers(log, pulse, ndjson) }
  }

  return (call) => {
    const parsed = parseEventParams(call.query)
    if (Result.isFailure(parsed)) return Effect.fail(failure(400, parsed.failure))
    const odd = notHere.find((name) => call.query.has(name))
    if (odd !== undefined) return Effect.fail(failure(400, `${odd}: not a parameter of a stream, which has no end`))
    const { after, filters, tail } = parsed.success
    const { as, contentType, follow } = forms[call.header("accept")?.includes("ndjson") === true ? "ndjson" : "sse"]
    const resumed = call.header("last-event-id")
    if (resumed !== undefined && !/^\d{1,15}$/u.test(resumed)) {
      return Effect.fail(failure(400, `Last-Event-ID: found ${JSON.stringify(resumed.slice(0, 100))}, allowed: a seq`))
    }
    // A browser that reconnects sends where it was; that wins over the query it sends again.
    const from = resumed === undefined ? after : Number(resumed)
    const { last } = log.bounds()
    const respond = (start: number, first: string, end: Deferred.Deferred<void>) =>
      HttpServerResponse.stream(
        // Sent at once, so that the client has the headers and knows that it is connected.
        Stream.concat(Stream.succeed(Buffer.from(as.keepAlive + first)), follow({ start, filters, end })),
        { contentType, headers: { "cache-control": "no-store", "x-accel-buffering": "no" } }
      )
    return Effect.flatMap(stopping, (end) =>
      from !== undefined || tail === undefined
        ? Effect.succeed(respond(Math.min(from ?? last, last), aheadOf(last, from, as), end))
        : Effect.map(
            orStoreFailure(collectNewest(log, 0, Number.MAX_SAFE_INTEGER, tail, filters)),
            ({ events, through }) => respond(through, events.map(as.event).join(""), end)
          )
    )
  }
})
