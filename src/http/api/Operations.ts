/**
 * Contract of operations: what one is on the wire, the same under `/api/v1` and `/v1`, and their endpoints, which differ in
 * path and in the shape of their errors alone.
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { operationStatuses } from "../../services/operations/Operation.ts"
import { systemEndpoints } from "./endpoints.ts"
import { BadRequest, Conflict, NotFound, StoreIsFull, Unavailable } from "./ErrorBody.ts"

export const OperationFaultEntry = Schema.Struct({
  error: Schema.String.annotate({ description: "A word that programs compare, in small letters: command_failed" }),
  message: Schema.String,
  details: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Unknown).annotate({ description: "What was known: exit_code, signal" })
  )
}).annotate({ identifier: "OperationError" })

export const OperationEntry = Schema.Struct({
  id: Schema.String.annotate({ description: "UUID" }),
  status: Schema.Literals(operationStatuses),
  created_at: Schema.String.annotate({ description: "RFC 3339 UTC with milliseconds, as all times here" }),
  updated_at: Schema.String,
  result: Schema.Unknown.annotate({ description: "What came of it; null until it has ended, or if nothing did" }),
  error: Schema.NullOr(OperationFaultEntry),
  kind: Schema.String.annotate({ description: "What is done: action, server.create, workflow" }),
  name: Schema.String.annotate({
    description: "Of what it is done to: those of one kind and name begin in the order in which they were asked for"
  }),
  created_by: Schema.String,
  why: Schema.NullOr(Schema.String).annotate({ description: "As X-Justification said" }),
  parent: Schema.NullOr(Schema.String).annotate({ description: "Id of the operation that asked for it" }),
  progress: Schema.NullOr(
    Schema.Struct({
      fraction: Schema.NullOr(Schema.Finite).annotate({ description: "0 to 1" }),
      text: Schema.NullOr(Schema.String)
    })
  ),
  started_at: Schema.NullOr(Schema.String),
  ended_at: Schema.NullOr(Schema.String),
  cancel_requested_at: Schema.NullOr(Schema.String),
  queue_position: Schema.NullOr(Schema.Int).annotate({ description: "1 is the next of its kind and name" }),
  input: Schema.Unknown.annotate({ description: "What was asked for" })
}).annotate({ identifier: "Operation" })

const Next = Schema.String.annotate({
  description: "Where to go on: as Last-Event-ID or `offset`. The id of the event, with SSE"
})

export const OutputText = Schema.Struct({
  offset: Schema.Int.annotate({ description: "Of its first byte, counted over both streams" }),
  next: Next,
  stream: Schema.Literals(["stdout", "stderr"]),
  text: Schema.String.annotate({ description: "UTF-8; no character is cut, what is none became U+FFFD" })
}).annotate({ identifier: "OutputText", description: "What was written. As SSE an event without a name" })

export const OutputGap = Schema.Struct({
  from: Schema.Int.annotate({ description: "The first byte that was not kept" }),
  to: Schema.Int.annotate({ description: "The one behind the last of them" })
}).annotate({
  identifier: "OutputGap",
  description:
    "Bytes that are gone: more was written than is kept, or a live reader was too slow. As SSE the event `gap`"
})

export const OutputEnd = Schema.Struct({
  status: Schema.Literals(operationStatuses).annotate({ description: "Of the operation; final unless follow=0" }),
  bytes: Schema.Int.annotate({ description: "All that was written, kept or not, as far as it is known" }),
  sha256: Schema.NullOr(Schema.String).annotate({
    description: "Of all that was written, both streams as they came, in hex; null while it has not ended"
  }),
  next: Next
}).annotate({
  identifier: "OutputEnd",
  description: "The last record: nothing was lost on the way. As SSE the event `end`"
})

export const OutputLine = Schema.Union([
  OutputText,
  Schema.Struct({ gap: OutputGap }),
  Schema.Struct({ end: OutputEnd })
]).annotate({ identifier: "OutputLine", description: "What was written; as NDJSON, one line of it" })

const text = (description: string) => Schema.optionalKey(Schema.String.annotate({ description }))

const params = { operation: Schema.String.annotate({ description: "Its id" }) }

/** Of the endpoints, in whichever API: what they take, answer and say. */
export const operationShapes = {
  listOperations: {
    query: {
      status: text(`One or more of ${operationStatuses.join(", ")}, separated by commas`),
      kind: text("Only those of this kind"),
      who: text("Only those that this principal has asked for"),
      limit: text("At most this many, 1 to 1000; 100 if not given"),
      cursor: text("X-Next-Cursor of the page before: only those that were asked for earlier")
    },
    success: Schema.Array(OperationEntry)
  },
  getOperation: {
    params,
    query: { wait: text("Wait up to so many seconds, 0 to 300, for its end; answered at once when it has ended") },
    success: OperationEntry
  },
  operationOutput: {
    params,
    query: {
      offset: text(
        "Begin with this byte, counted over both streams, or with what a record has as next; 0 if not given"
      ),
      follow: text("0: end with what is there. Otherwise the answer ends when the operation has"),
      stream: text("stdout or stderr: nothing of the other"),
      format: text("text, sse or ndjson; wins over Accept")
    },
    headers: {
      "last-event-id": text("The id of the last event that was received: goes on behind it, whatever `offset` says")
    },
    success: [
      Schema.String.pipe(HttpApiSchema.asText()),
      Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })),
      OutputLine.pipe(HttpApiSchema.asJson({ contentType: "application/x-ndjson" }))
    ]
  },
  cancelOperation: {
    params,
    success: [
      OperationEntry.annotate({ httpApiStatus: 200, description: "It waited, and is cancelled" }),
      OperationEntry.annotate({ httpApiStatus: 202, description: "It runs, and is told to end" })
    ]
  }
} as const

export const operationWords = {
  listOperations: OpenApi.annotations({
    summary: "Operations, newest first",
    description:
      "Where there are more, the X-Next-Cursor header is the cursor that goes on; a page of large results may have fewer " +
      "than asked for."
  }),
  getOperation: OpenApi.annotations({
    summary: "One operation",
    description:
      "Its error has one of the words command_failed, timed_out, not_started, not_permitted, interrupted_by_restart, " +
      "cancelled, invalid_input, not_found, already_exists, conflict, step_failed, internal."
  }),
  operationOutput: OpenApi.annotations({
    summary: "What it writes, live, or what is kept of it",
    description:
      "As text, the bytes of stdout and stderr as they came. With Accept: text/event-stream, events: one without a name for " +
      "what was written (OutputText), `gap` for what was not kept (OutputGap), `end` when nothing is missing (OutputEnd); " +
      "with application/x-ndjson the same as lines (OutputLine), and empty ones. A stream that breaks off without `end` " +
      "is gone on with by Last-Event-ID or `offset`: nothing is lost, nothing comes twice. Who reads slowly delays " +
      "nobody, and may find gaps."
  }),
  cancelOperation: OpenApi.annotations({
    summary: "Cancel an operation",
    description: "Best effort. One that has ended stays as it is (409)."
  })
}

export const operationsDescription = "Work that outlives the request for it: polled, waited for, watched, cancelled"

const { operations } = systemEndpoints

export class OperationsGroup extends HttpApiGroup.make("operations")
  .add(
    HttpApiEndpoint.get("listOperations", operations.listOperations.path, {
      ...operationShapes.listOperations,
      error: [BadRequest, Unavailable]
    }).annotateMerge(operationWords.listOperations),
    HttpApiEndpoint.get("getOperation", operations.getOperation.path, {
      ...operationShapes.getOperation,
      error: [BadRequest, NotFound, Unavailable]
    }).annotateMerge(operationWords.getOperation),
    HttpApiEndpoint.get("operationOutput", operations.operationOutput.path, {
      ...operationShapes.operationOutput,
      error: [BadRequest, NotFound, Unavailable]
    }).annotateMerge(operationWords.operationOutput),
    HttpApiEndpoint.post("cancelOperation", operations.cancelOperation.path, {
      ...operationShapes.cancelOperation,
      error: [NotFound, Conflict, Unavailable, StoreIsFull]
    }).annotateMerge(operationWords.cancelOperation)
  )
  .annotate(OpenApi.Description, operationsDescription) {}
