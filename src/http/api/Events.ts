/** Contract of the event log's endpoints. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { levels } from "../../services/events/Event.ts"
import { EventInput } from "../../services/events/EventInput.ts"
import { isHidden } from "../../services/events/EventQuery.ts"
import { BadRequest, StoreIsFull, TooLarge, Unauthorized, Unavailable } from "./ErrorBody.ts"
import { systemEndpoints } from "./endpoints.ts"

const ReadLevel = Schema.Literals(levels.filter((level) => !isHidden(level))).annotate({ description: "Severity" })

export const EventRecord = Schema.Struct({
  seq: Schema.Int,
  received_at: Schema.String.annotate({ description: "RFC 3339 UTC with nanoseconds" }),
  source: Schema.String.annotate({ description: "pipe:NAME, http or daemon" }),
  who: Schema.optionalKey(Schema.String),
  level: ReadLevel,
  message: Schema.String,
  fields: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
}).annotate({
  identifier: "Event",
  description:
    "One event of the log; seq starts at 1 and rises by one. Seqs that reads leave out, where retention has removed " +
    "nothing, are those of audit entries, which GET /v1/audit shows"
})

const BriefEvent = Schema.Struct({ received_at: Schema.String, message: Schema.String }).annotate({
  identifier: "BriefEvent",
  description: "An event as clients of the original System API know it"
})

const EventResult = Schema.Union([
  Schema.Struct({ seq: Schema.Int }),
  Schema.Struct({ line: Schema.Int, code: Schema.Int, error: Schema.String })
]).annotate({
  identifier: "EventResult",
  description: "One for each event sent, in order: its seq, or why it was not taken"
})

const Seq = Schema.String.check(Schema.isPattern(/^\d{1,15}$/u))

/** All optional; the handler reads them leniently where the original did (`format`) and strictly where they are ours. */
export const eventFilterParams = {
  after: Schema.optionalKey(Seq.annotate({ description: "Only events with a greater seq" })),
  before: Schema.optionalKey(Seq.annotate({ description: "Only events with a smaller seq, the newest of them" })),
  limit: Schema.optionalKey(
    Schema.String.annotate({ description: "At most this many, 1 to 10000; 1000 if not given" })
  ),
  tail: Schema.optionalKey(Schema.String.annotate({ description: "The newest N, 0 to 10000" })),
  since: Schema.optionalKey(Schema.String.annotate({ description: "RFC 3339 or UNIX seconds, inclusive" })),
  until: Schema.optionalKey(Schema.String.annotate({ description: "RFC 3339 or UNIX seconds, exclusive" })),
  source: Schema.optionalKey(Schema.String),
  level: Schema.optionalKey(Schema.String.annotate({ description: "One or more levels, separated by commas" })),
  q: Schema.optionalKey(
    Schema.String.annotate({ description: 'Words that must all occur in the message; "quotes" keep words together' })
  )
}

const eventQueryParams = {
  ...eventFilterParams,
  format: Schema.optionalKey(
    Schema.String.annotate({ description: "text, json or ndjson; without it, events come as the original sent them" })
  ),
  wait: Schema.optionalKey(
    Schema.String.annotate({ description: "With after: wait up to N seconds (0 to 60) for an event that matches" })
  )
}

const text = (description: string) => Schema.String.pipe(HttpApiSchema.asText()).annotate({ description })

export class EventsGroup extends HttpApiGroup.make("events")
  .add(
    HttpApiEndpoint.get("newEvent", systemEndpoints.events.newEvent.path, {
      query: { message: Schema.optionalKey(Schema.String) },
      success: HttpApiSchema.Empty(200),
      error: [Unauthorized, TooLarge, StoreIsFull, Unavailable]
    })
      .annotate(OpenApi.Summary, "Record an event")
      .annotate(
        OpenApi.Description,
        "Answers once the event is durable. Without a message an empty event is recorded; of several messages the first counts."
      ),
    HttpApiEndpoint.get("logs", systemEndpoints.events.logs.path, {
      query: eventQueryParams,
      success: text("One event a line: time, space, tab, space, message. Control characters are escaped."),
      error: [BadRequest, Unauthorized, Unavailable]
    })
      .annotate(OpenApi.Summary, "The newest events as text")
      .annotate(
        OpenApi.Description,
        "Without parameters the newest log_max_entries events, oldest first. Takes the parameters of /api/v1/events too."
      ),
    HttpApiEndpoint.get("list", systemEndpoints.events.list.path, {
      query: eventQueryParams,
      success: Schema.Union([Schema.Array(BriefEvent), Schema.Array(EventRecord)]),
      error: [BadRequest, Unauthorized, Unavailable]
    })
      .annotate(OpenApi.Summary, "Query events")
      .annotate(
        OpenApi.Description,
        "Without parameters the newest log_max_entries events as the original sent them (received_at and message). " +
          "With any, full events, oldest first; the X-Next-After header is the `after` that goes on from here."
      ),
    HttpApiEndpoint.post("add", systemEndpoints.events.add.path, {
      payload: Schema.Union([EventInput, Schema.Array(EventInput)]),
      success: Schema.Union([EventResult, Schema.Array(EventResult)]),
      error: [BadRequest, Unauthorized, TooLarge, StoreIsFull, Unavailable]
    })
      .annotate(OpenApi.Summary, "Record events")
      .annotate(
        OpenApi.Description,
        "One JSON object, an array, or NDJSON (application/x-ndjson) of any length. Answered in kind, one result for " +
          "each event, once the events are durable."
      ),
    HttpApiEndpoint.get("stream", systemEndpoints.events.stream.path, {
      query: eventFilterParams,
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })),
      error: [BadRequest, Unauthorized]
    })
      .annotate(OpenApi.Summary, "Follow events live")
      .annotate(
        OpenApi.Description,
        "Server-sent events (id: seq, data: the event), or NDJSON with Accept: application/x-ndjson. Starts after " +
          "Last-Event-ID or `after`, with the newest `tail`, or with what comes next. A `gap` record says which events " +
          "retention removed before they could be sent."
      )
  )
  .annotate(OpenApi.Description, "The durable event log") {}
