/**
 * Reading the log: `/logs` and `/api/v1/events`. Without parameters the answer is bytes rendered once and shared by all
 * who ask (RenderedTail); with parameters it is collected in bounded pages, and NDJSON is streamed without end in memory.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { EventLog, StoreFailed } from "../../services/events/EventLog.ts"
import type { ActorUnavailable } from "../../services/ActorUnavailable.ts"
import type { Event } from "../../services/events/Event.ts"
import { noFilters } from "../../services/events/EventQuery.ts"
import { RenderedTail } from "../../services/events/RenderedTail.ts"
import { briefJson, eventJson, textLine } from "../../services/events/render.ts"
import type { Call } from "../edge/Call.ts"
import { failure } from "../edge/HttpFailure.ts"
import type { Handler } from "../edge/routes.ts"
import { stopping } from "../listener/Listener.ts"
import { type Collected, collectAfter, collectNewest } from "./eventPages.ts"
import { type EventParams, parseEventParams } from "./eventParams.ts"
import { orStoreFailure } from "./failures.ts"

type Log = EventLog["Service"]
type ReadError = StoreFailed | ActorUnavailable

export interface EventReadOptions {
  /** How many of the newest events are shown without parameters. */
  readonly logMaxEntries: number
}

/** A rendered tail above this is streamed from the log instead. */
const renderedBytesMax = 16 * 1024 * 1024

/** Events rendered into one piece of a streamed answer. */
const pieceEvents = 1000

const textType = "text/plain; charset=utf-8"
const jsonType = "application/json"
const ndjsonType = "application/x-ndjson"

export const makeEventReads = (log: Log, { logMaxEntries }: EventReadOptions) => {
  const tail = (render: (receivedAt: bigint, message: string) => string) =>
    new RenderedTail(log.recent, {
      maxEvents: logMaxEntries,
      maxBytes: renderedBytesMax,
      firstStored: () => log.bounds().first,
      render
    })
  const textTail = tail(textLine)
  // Each event leads with its comma, so that the tail can lose its oldest: the body is cut one byte later.
  const briefTail = tail((receivedAt, message) => `,${briefJson(receivedAt, message)}`)

  const plainText = Effect.suspend(() => {
    const bytes = textTail.bytes()
    return Effect.succeed(
      bytes === undefined
        ? HttpServerResponse.stream(
            newestPieces(log, logMaxEntries, (events) => events.map(toText).join("")),
            {
              contentType: textType
            }
          )
        : HttpServerResponse.uint8Array(bytes, { contentType: textType })
    )
  })

  let briefBody: Uint8Array = Buffer.from("[]\n")
  let briefBodyLast = 0
  let briefBodyBytes = 0
  const plainBrief = Effect.suspend(() => {
    const bytes = briefTail.bytes()
    if (bytes === undefined)
      return Effect.succeed(HttpServerResponse.stream(briefPieces(log, logMaxEntries), { contentType: jsonType }))
    // Retention takes from the tail without adding to it.
    if (briefBodyLast !== briefTail.last || briefBodyBytes !== bytes.length) {
      briefBody = Buffer.concat([Buffer.from("["), bytes.subarray(1), Buffer.from("]\n")])
      briefBodyLast = briefTail.last
      briefBodyBytes = bytes.length
    }
    return Effect.succeed(HttpServerResponse.uint8Array(briefBody, { contentType: jsonType }))
  })

  const collected = (params: EventParams): Effect.Effect<Collected, ReadError> => {
    const before = params.before ?? Number.MAX_SAFE_INTEGER
    if (params.tail !== undefined) return collectNewest(log, params.after ?? 0, before, params.tail, params.filters)
    if (params.after === undefined && params.before !== undefined) {
      return collectNewest(log, 0, before, params.limit, params.filters)
    }
    return collectAfter(log, params.after ?? 0, before, params.limit, params.filters)
  }

  /** Long-poll: asks again whenever the log has grown, until something matches or time is up. */
  const awaited = (params: EventParams): Effect.Effect<Collected, ReadError> => {
    let last: Collected = { events: [], through: params.after ?? 0 }
    const look: Effect.Effect<Collected, ReadError> = Effect.flatMap(
      Effect.suspend(() => collected({ ...params, after: last.through })),
      (found) => {
        last = found
        return found.events.length > 0 ? Effect.succeed(found) : Effect.andThen(log.awaitAfter(found.through), look)
      }
    )
    const enough = Effect.flatMap(stopping, (end) =>
      Effect.race(end, Effect.sleep(Duration.seconds(params.waitSeconds)))
    )
    return Effect.raceFirst(
      look,
      Effect.map(enough, () => last)
    )
  }

  const answer =
    (params: EventParams): Handler =>
    () => {
      if (params.format === "ndjson" && params.tail === undefined && !params.limitGiven && params.waitSeconds === 0) {
        return Effect.succeed(HttpServerResponse.stream(ndjsonPieces(log, params), { contentType: ndjsonType }))
      }
      const waits = params.waitSeconds > 0 && params.after !== undefined && params.tail === undefined
      return Effect.map(orStoreFailure(waits ? awaited(params) : collected(params)), ({ events, through }) => {
        const headers = { "x-next-after": String(through) }
        switch (params.format) {
          case "text":
            return HttpServerResponse.text(events.map(toText).join(""), { contentType: textType, headers })
          case "ndjson":
            return HttpServerResponse.text(events.map(toLine).join(""), { contentType: ndjsonType, headers })
          default:
            return HttpServerResponse.text(`[${events.map(eventJson).join(",")}]\n`, { contentType: jsonType, headers })
        }
      })
    }

  const read =
    (plainFormat: "text" | "brief"): Handler =>
    (call: Call) => {
      const parsed = parseEventParams(call.query)
      if (Result.isFailure(parsed)) return Effect.fail(failure(400, parsed.failure))
      const params = parsed.success
      // `/logs` is text and `/api/v1/events` JSON, unless a format is asked for.
      const format = params.format === "brief" ? plainFormat : params.format
      if (params.plain && format === "text") return plainText
      if (params.plain && format === "brief") return plainBrief
      if (params.plain)
        return answer({ ...params, format, tail: params.format === "ndjson" ? undefined : logMaxEntries })(call)
      return answer({ ...params, format: format === "brief" ? "json" : format })(call)
    }

  return { logs: read("text"), list: read("brief") }
}

const toText = (event: Event): string => textLine(event.receivedAt, event.message)
const toLine = (event: Event): string => `${eventJson(event)}\n`

/** The newest `count` events in pieces, for when they do not fit in memory. */
const newestPieces = (log: Log, count: number, render: (events: ReadonlyArray<Event>, first: boolean) => string) => {
  const { first, last } = log.bounds()
  return pieces(log, Math.max(first - 1, last - count), last + 1, noFilters, render)
}

const briefPieces = (log: Log, count: number) =>
  newestPieces(log, count, (events, first) =>
    events.map((event, i) => `${first && i === 0 ? "[" : ","}${briefJson(event.receivedAt, event.message)}`).join("")
  ).pipe(Stream.concat(Stream.succeed(Buffer.from("]\n"))))

const ndjsonPieces = (log: Log, { after, before, filters }: EventParams) =>
  pieces(log, after ?? 0, before ?? log.bounds().last + 1, filters, (events) => events.map(toLine).join(""))

const pieces = (
  log: Log,
  start: number,
  before: number,
  filters: EventParams["filters"],
  render: (events: ReadonlyArray<Event>, first: boolean) => string
): Stream.Stream<Uint8Array, ReadError> =>
  Stream.paginate({ after: start, first: true }, ({ after, first }) =>
    Effect.map(log.query({ after, before, order: "oldest-first", limit: pieceEvents, filters }), (page) => [
      page.events.length === 0 ? [] : [Buffer.from(render(page.events, first))],
      page.done ? Option.none() : Option.some({ after: page.through, first: first && page.events.length === 0 })
    ])
  )
