/**
 * Following the log live, as server-sent events (WHATWG HTML, "Server-sent events") or NDJSON.
 *
 * A follower is a cursor: it asks for the page that comes after it, sends that, and waits for the head to move. There is
 * no queue per client, so a stuck one costs a page (EventQuery.pageBytesMax) and nobody else, and whatever a slow one
 * missed it reads from storage later. Only what retention removed meanwhile is lost to it, and a `gap` record says exactly
 * which events those were.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Event } from "../../services/events/Event.ts"
import type { EventLog } from "../../services/events/EventLog.ts"
import type { EventFilters } from "../../services/events/EventQuery.ts"
import { eventJson } from "../../services/events/render.ts"
import { failure } from "../edge/HttpFailure.ts"
import type { Handler } from "../edge/routes.ts"
import { stopping } from "../listener/Listener.ts"
import { parseEventParams } from "./eventParams.ts"
import { collectNewest } from "./eventPages.ts"
import { orStoreFailure } from "./failures.ts"

/** Below the 30 s and 60 s after which proxies and NAT forget a silent connection. */
const keepAlive = Duration.seconds(15)

/** Events in one piece; a follower that catches up gets a megabyte or so at a time. */
const pieceEvents = 1000

/** Parameters of the other reads that would mean nothing here. */
const notHere = ["before", "limit", "wait", "format", "until"]

/** A client that knows of later events than there are has seen another log: it is told, and goes on with this one. */
const aheadOf = (last: number, from: number | undefined, as: Rendering): string =>
  from === undefined || from <= last ? "" : as.gap(last + 1, from, "not in this log")

interface Rendering {
  readonly contentType: string
  readonly event: (event: Event) => string
  readonly gap: (from: number, to: number, reason?: string) => string
  readonly keepAlive: string
}

const gapJson = (from: number, to: number, reason = "removed by retention") => JSON.stringify({ from, to, reason })

const sse: Rendering = {
  contentType: "text/event-stream",
  event: (event) => `id: ${event.seq}\ndata: ${eventJson(event)}\n\n`,
  gap: (from, to, reason) =>
    `id: ${reason === undefined ? to : from - 1}\nevent: gap\ndata: ${gapJson(from, to, reason)}\n\n`,
  keepAlive: ": keep-alive\n\n"
}

const ndjson: Rendering = {
  contentType: "application/x-ndjson",
  event: (event) => `${eventJson(event)}\n`,
  gap: (from, to, reason) => `{"gap":${gapJson(from, to, reason)}}\n`,
  keepAlive: "\n"
}

export const makeEventStream = (log: EventLog["Service"]): Handler => {
  const follow = (
    start: number,
    filters: EventFilters,
    as: Rendering,
    end: Effect.Effect<void>
  ): Stream.Stream<Uint8Array> => {
    let cursor = start
    /** What comes next and the cursor after it, however long that takes; events that do not match only move the cursor. */
    const next: Effect.Effect<readonly [text: string, cursor: number]> = Effect.suspend(() =>
      Effect.matchEffect(
        log.query({
          after: cursor,
          before: Number.MAX_SAFE_INTEGER,
          order: "oldest-first",
          limit: pieceEvents,
          filters
        }),
        {
          onSuccess: ({ done, events, through }) => {
            // Looked at after the query: what retention removed before it is not in the page.
            const skipped = Math.min(log.bounds().removedThrough, (events[0]?.seq ?? Number.MAX_SAFE_INTEGER) - 1)
            const gap = skipped > cursor ? as.gap(cursor + 1, skipped) : ""
            const text = gap + events.map(as.event).join("")
            const passed = Math.max(cursor, through, skipped)
            if (text !== "") return Effect.succeed([text, passed] as const)
            cursor = passed
            return done ? Effect.andThen(log.awaitAfter(cursor), next) : next
          },
          // The store is being reopened: the follower waits like everyone else.
          onFailure: () => Effect.andThen(Effect.sleep("1 second"), next)
        }
      )
    )
    const piece = Effect.map(
      Effect.timeoutOrElse(next, {
        duration: keepAlive,
        orElse: () => Effect.sync(() => [as.keepAlive, cursor] as const)
      }),
      ([text, passed]) => {
        cursor = passed
        return Buffer.from(text)
      }
    )
    return Stream.fromEffectRepeat(piece).pipe(Stream.interruptWhen(end))
  }

  return (call) => {
    const parsed = parseEventParams(call.query)
    if (Result.isFailure(parsed)) return Effect.fail(failure(400, parsed.failure))
    const odd = notHere.find((name) => call.query.has(name))
    if (odd !== undefined) return Effect.fail(failure(400, `${odd}: not a parameter of a stream, which has no end`))
    const { after, filters, tail } = parsed.success
    const as = call.header("accept")?.includes("ndjson") === true ? ndjson : sse
    const resumed = call.header("last-event-id")
    if (resumed !== undefined && !/^\d{1,15}$/u.test(resumed)) {
      return Effect.fail(failure(400, `Last-Event-ID: found ${JSON.stringify(resumed.slice(0, 100))}, allowed: a seq`))
    }
    // A browser that reconnects sends where it was; that wins over the query it sends again.
    const from = resumed === undefined ? after : Number(resumed)
    const { last } = log.bounds()
    const respond = (start: number, first: string, end: Effect.Effect<void>) =>
      HttpServerResponse.stream(
        // Sent at once, so that the client has the headers and knows that it is connected.
        Stream.concat(Stream.succeed(Buffer.from(as.keepAlive + first)), follow(start, filters, as, end)),
        { contentType: as.contentType, headers: { "cache-control": "no-store", "x-accel-buffering": "no" } }
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
}
