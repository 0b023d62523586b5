/**
 * Contract of operations: what one is on the wire, the same under `/api/v1` and `/v1`. The groups differ in the shape of
 * their errors alone (operationEndpoints).
 */
import * as Schema from "effect/Schema"
import { operationStatuses } from "../../services/operations/Operation.ts"

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
]).annotate({ identifier: "OutputLine", description: "One line of an output as NDJSON" })
