/**
 * Reading the log: `/logs` and `/api/v1/events`. Without parameters the answer is bytes rendered once and shared by all
 * who ask (RenderedTail). With parameters, a stretch of the log is streamed page by page; what must be searched for is
 * collected, up to a bound, and X-Next-After says where to go on.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Event } from "../../services/events/Event.ts"
import type { EventLog } from "../../services/events/EventLog.ts"
import { noFilters } from "../../services/events/EventQuery.ts"
import { RenderedTail } from "../../services/events/RenderedTail.ts"
import { briefJson, textLine } from "../../services/events/render.ts"
import { failure } from "../edge/HttpFailure.ts"
import type { Handler } from "../edge/routes.ts"
import { stopping } from "../listener/Listener.ts"
import { type Form, forms, renderAll, renderMore } from "./eventFormats.ts"
import {
  type Collected,
  collectAfter,
  collectNewest,
  firstPage,
  newest,
  pagesOf,
  type ReadError,
  type Stretch,
  whatever
} from "./eventPages.ts"
import { type EventParams, parseEventParams } from "./eventParams.ts"
import { orStoreFailure } from "./failures.ts"

type Log = EventLog["Service"]
type Response = HttpServerResponse.HttpServerResponse

export interface EventReadOptions {
  /** How many of the newest events are shown without parameters. */
  readonly logMaxEntries: number
}

/** A rendered tail above this is streamed from the log instead. */
const renderedBytesMax = 16 * 1024 * 1024

const everything = Number.MAX_SAFE_INTEGER

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

  /** As the rendered tail would have it, where that is too large or not at hand. */
  const plainStreamed = (form: Form) =>
    Effect.flatMap(orStoreFailure(newest(log, 0, everything, logMaxEntries)), (stretch) =>
      streamed(log, stretch, form, undefined)
    )

  const plainText = Effect.suspend(() => {
    const bytes = textTail.bytes()
    const { contentType } = forms.text
    return bytes === undefined
      ? plainStreamed(forms.text)
      : Effect.succeed(HttpServerResponse.uint8Array(bytes, { contentType }))
  })

  let briefBody: Uint8Array = Buffer.from("[]\n")
  let briefBodyLast = 0
  let briefBodyBytes = 0
  const plainBrief = Effect.suspend(() => {
    const bytes = briefTail.bytes()
    if (bytes === undefined) return plainStreamed(forms.brief)
    // Retention takes from the tail without adding to it.
    if (briefBodyLast !== briefTail.last || briefBodyBytes !== bytes.length) {
      briefBody = Buffer.concat([Buffer.from("["), bytes.subarray(1), Buffer.from("]\n")])
      briefBodyLast = briefTail.last
      briefBodyBytes = bytes.length
    }
    return Effect.succeed(HttpServerResponse.uint8Array(briefBody, { contentType: forms.brief.contentType }))
  })

  /** Long-poll: asks again whenever the log has grown, until something matches or time is up. */
  const awaited = ({ after = 0, filters, limit, waitSeconds }: EventParams): Effect.Effect<Collected, ReadError> => {
    let last: Collected = { events: [], through: after }
    const look: Effect.Effect<Collected, ReadError> = Effect.flatMap(
      Effect.suspend(() => collectAfter(log, last.through, everything, limit, filters)),
      (found) => {
        last = found
        return found.events.length > 0 ? Effect.succeed(found) : Effect.andThen(log.awaitAfter(found.through), look)
      }
    )
    const enough = Effect.flatMap(stopping, (end) =>
      Effect.race(Deferred.await(end), Effect.sleep(Duration.seconds(waitSeconds)))
    )
    return Effect.raceFirst(
      look,
      Effect.map(enough, () => last)
    )
  }

  /** Without filters it is streamed; what must be searched for is collected first. */
  const answer = (params: EventParams): ReturnType<Handler> => {
    const { after, before = everything, filters, limit, limitGiven, tail: count, waitSeconds } = params
    const form = forms[params.format]
    const collected = (found: Effect.Effect<Collected, ReadError>) =>
      Effect.map(orStoreFailure(found), ({ events, through }) => whole(form, events, through))
    const stream = (stretch: Stretch, most?: number) => streamed(log, stretch, form, Math.max(0, after ?? 0), most)
    const streamNewest = (most: number) =>
      Effect.flatMap(orStoreFailure(newest(log, after ?? 0, before, most)), (stretch) => stream(stretch))

    if (waitSeconds > 0) return collected(awaited(params))
    if (count !== undefined) {
      return filters === noFilters
        ? streamNewest(count)
        : collected(collectNewest(log, after ?? 0, before, count, filters))
    }
    // NDJSON without a limit is all there is.
    if (params.format === "ndjson" && !limitGiven) {
      return stream({ after: after ?? 0, before: Math.min(before, log.bounds().last + 1), filters })
    }
    const backwards = after === undefined && params.before !== undefined
    if (filters !== noFilters) {
      return collected(
        backwards
          ? collectNewest(log, 0, before, limit, filters)
          : collectAfter(log, after ?? 0, before, limit, filters)
      )
    }
    return backwards ? streamNewest(limit) : stream(whatever(log, after ?? 0, before), limit)
  }

  const read =
    (plainFormat: "text" | "brief"): Handler =>
    (call) => {
      const parsed = parseEventParams(call.query)
      if (Result.isFailure(parsed)) return Effect.fail(failure(400, parsed.failure))
      const params = parsed.success
      // `/logs` is text and `/api/v1/events` JSON, unless a format is asked for.
      const format = params.format === "brief" ? plainFormat : params.format
      if (!params.plain) return answer({ ...params, format: format === "brief" ? "json" : format })
      if (format === "text") return plainText
      if (format === "brief") return plainBrief
      return answer({ ...params, format, tail: format === "ndjson" ? undefined : logMaxEntries })
    }

  /** Whoever was answered by an action finds in the log how it ended. */
  const upToDate =
    (handler: Handler): Handler =>
    (call) =>
      Effect.flatMap(log.recorded, () => handler(call))

  return { logs: upToDate(read("text")), list: upToDate(read("brief")) }
}

const nextAfter = (through: number | undefined) => (through === undefined ? {} : { "x-next-after": String(through) })

const whole = (form: Form, events: ReadonlyArray<Event>, through: number | undefined): Response =>
  HttpServerResponse.text(renderAll(form, events), { contentType: form.contentType, headers: nextAfter(through) })

/**
 * The oldest `limit` events of the stretch. One page is answered at once and with its length; more are read as the
 * client takes them. `from` is what the client knows already; undefined where it has asked for no X-Next-After.
 */
const streamed = (
  log: Log,
  stretch: Stretch,
  form: Form,
  from: number | undefined,
  limit?: number
): ReturnType<Handler> =>
  Effect.map(orStoreFailure(firstPage(log, stretch, limit)), ({ end, events, rest }) => {
    const next = from === undefined ? undefined : Math.max(from, stretch.after, end)
    if (rest === undefined) return whole(form, events, next)
    const first = form.open + events.map(form.event).join(form.separator)
    const pages = Stream.map(pagesOf(log, rest), (page) => Buffer.from(renderMore(form, page)))
    const body = Stream.succeed(Buffer.from(first)).pipe(
      Stream.concat(pages),
      Stream.concat(Stream.succeed(Buffer.from(form.close)))
    )
    return HttpServerResponse.stream(body, { contentType: form.contentType, headers: nextAfter(next) })
  })
