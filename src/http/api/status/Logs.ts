/** Contract of the journals of units. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"
import { Forbidden, NotFound, toolErrors, Unprocessable } from "./errors.ts"

const { logs } = statusEndpoints

export const JournalRecord = Schema.Struct({
  cursor: Schema.String.annotate({ description: "Where it is in the journal" }),
  timestamp: Schema.String.annotate({ description: "RFC 3339 UTC with microseconds" }),
  priority: Schema.NullOr(Schema.Int).annotate({ description: "0: emergency, to 7: debug" }),
  identifier: Schema.NullOr(Schema.String).annotate({ description: "Who wrote it" }),
  pid: Schema.NullOr(Schema.Int),
  unit: Schema.NullOr(Schema.String).annotate({ description: "Also of what systemd says about the unit" }),
  hostname: Schema.NullOr(Schema.String),
  message: Schema.String.annotate({ description: "What is no UTF-8 is U+FFFD" })
}).annotate({ identifier: "JournalRecord" })

const cursor = (description: string) => Schema.NullOr(Schema.String).annotate({ description })

const head = {
  service: Schema.Struct({ id: Schema.String, unit: Schema.String }),
  requested_lines: Schema.Int.annotate({ description: "As asked for; at most log_lines_max are read" }),
  returned_lines: Schema.Int,
  stdout_truncated: Schema.Boolean.annotate({
    description: "max_output_bytes did not suffice: older lines were left out; of a page behind `after`, newer ones"
  })
}

const ends = {
  next: cursor("What goes on from here, as `after`; null where nothing is known of the unit"),
  previous: cursor("What goes back from here, as `before`; null where there is nothing older")
}

export const LogsAnswer = Schema.Struct({
  ...head,
  logs: Schema.Array(Schema.String).annotate({ description: "Oldest first, as journalctl prints them; no empty ones" }),
  ...ends
}).annotate({ identifier: "Logs" })

export const LogEntriesAnswer = Schema.Struct({ ...head, entries: Schema.Array(JournalRecord), ...ends }).annotate({
  identifier: "LogEntries"
})

const params = { service: Schema.String.annotate({ description: "Its id" }) }

const query = {
  lines: Schema.optionalKey(
    Schema.String.annotate({
      description: "How many entries, 1 and more: log_lines_default (200) if not given, log_lines_max (1000) at most"
    })
  ),
  since_minutes: Schema.optionalKey(
    Schema.String.annotate({ description: "None older than that: 1 to log_window_max_minutes (1440)" })
  ),
  priority: Schema.optionalKey(
    Schema.String.annotate({ description: "This and more urgent ones: 0 to 7, or emerg, alert, crit, err, …" })
  ),
  grep: Schema.optionalKey(
    Schema.String.annotate({
      description: "A regular expression (PCRE2) that the message matches; not of a unit with redact"
    })
  ),
  after: Schema.optionalKey(Schema.String.annotate({ description: "A cursor: the oldest entries behind it" })),
  format: Schema.optionalKey(Schema.String)
}

const text = (contentType: string, description: string) =>
  Schema.String.pipe(HttpApiSchema.asText({ contentType })).annotate({ description })

const errors = [Forbidden, NotFound, Unprocessable, ...toolErrors]

export class LogsGroup extends HttpApiGroup.make("logs")
  .add(
    HttpApiEndpoint.get("serviceLogs", logs.serviceLogs.path, {
      params,
      query: {
        ...query,
        before: Schema.optionalKey(Schema.String.annotate({ description: "A cursor: the newest entries ahead of it" })),
        format: Schema.optionalKey(Schema.String.annotate({ description: "text, entries or ndjson" }))
      },
      success: [LogsAnswer, LogEntriesAnswer, text("application/x-ndjson", "A JournalRecord a line")],
      error: errors
    })
      .annotate(OpenApi.Summary, "The newest lines of a unit")
      .annotate(
        OpenApi.Description,
        "At most max_output_bytes of them, whole, the newest. With format=entries, entries instead of lines; with " +
          "Accept: application/x-ndjson, these alone."
      ),
    HttpApiEndpoint.get("followLogs", logs.followLogs.path, {
      params,
      query: {
        ...query,
        lines: Schema.optionalKey(
          Schema.String.annotate({ description: "How many of the newest come first; 10 if nothing else says" })
        ),
        format: Schema.optionalKey(Schema.String.annotate({ description: "text, sse or ndjson" }))
      },
      success: [
        text("text/plain", "Lines as journalctl prints them"),
        text("text/event-stream", "id: the cursor, data: a JournalRecord"),
        text("application/x-ndjson", "A JournalRecord a line")
      ],
      error: errors
    })
      .annotate(OpenApi.Summary, "The lines of a unit as they come")
      .annotate(
        OpenApi.Description,
        "Until the client leaves: text; server-sent events with Accept: text/event-stream, which go on behind " +
          "Last-Event-ID; or NDJSON with Accept: application/x-ndjson. Begins with the newest lines, or with all that " +
          "since_minutes or `after` ask for. A client is sent all of it at its own pace. An error that comes later is " +
          "an `error` record; text ends without its end."
      )
  )
  .annotate(OpenApi.Description, "The journals of units") {}
