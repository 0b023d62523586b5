/** Contract of actions and file uploads. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import {
  BadRequest,
  Conflict,
  InternalError,
  KeyReused,
  MethodNotAllowed,
  StoreIsFull,
  TooLarge,
  TooManyRequests,
  Unauthorized,
  Unavailable
} from "./ErrorBody.ts"
import { ActionInput } from "./ActionInput.ts"
import { systemEndpoints } from "./endpoints.ts"
import { OperationEntry } from "./Operations.ts"

const Message = Schema.Struct({ message: Schema.String })

const Argument = Schema.Struct({
  name: Schema.String,
  type: Schema.Literals(["string", "enum", "int", "bool"]),
  required: Schema.Boolean,
  description: Schema.optionalKey(Schema.String),
  default: Schema.optionalKey(Schema.Union([Schema.String, Schema.Int, Schema.Boolean])),
  pattern: Schema.optionalKey(Schema.String),
  max_length: Schema.optionalKey(Schema.Int),
  values: Schema.optionalKey(Schema.Array(Schema.String)),
  min: Schema.optionalKey(Schema.Int),
  max: Schema.optionalKey(Schema.Int)
}).annotate({ identifier: "ActionArgument" })

export const ActionEntry = Schema.Struct({
  name: Schema.String,
  description: Schema.optionalKey(Schema.String),
  methods: Schema.Array(Schema.Literals(["GET", "POST"])),
  arguments: Schema.Array(Argument),
  timeout_ms: Schema.Int,
  concurrency: Schema.Int,
  queue_length: Schema.Int,
  running: Schema.Int,
  queued: Schema.Int
}).annotate({ identifier: "Action" })

export const CommandStream = Schema.Struct({
  head: Schema.String,
  tail: Schema.String.annotate({ description: "What came after the head, or the end of it when truncated" }),
  bytes: Schema.Int.annotate({ description: "All the command wrote" }),
  sha256: Schema.String.annotate({ description: "Of all the command wrote, in hex" }),
  truncated: Schema.Boolean.annotate({ description: "Bytes between head and tail were left out" })
}).annotate({ identifier: "CommandStream" })

export const ActionResult = Schema.Struct({
  action: Schema.String,
  success: Schema.Boolean.annotate({ description: "Exit code 0, in time" }),
  exit_code: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.String),
  timed_out: Schema.Boolean,
  started_at: Schema.String,
  duration_ms: Schema.Finite,
  stdout: CommandStream,
  stderr: CommandStream
}).annotate({ identifier: "ActionResult" })

const asynchronous = {
  query: {
    async: Schema.optionalKey(
      Schema.Literals(["1", "true", "0", "false"]).annotate({ description: "1: as Prefer: respond-async" })
    )
  },
  headers: {
    prefer: Schema.optionalKey(
      Schema.String.annotate({
        description:
          "respond-async: answer 202 with an operation (RFC 7240); respond-async, wait=5: only if it has not ended " +
          "within five seconds, 300 at most"
      })
    ),
    "idempotency-key": Schema.optionalKey(
      Schema.String.annotate({
        description:
          "1 to 255 visible ASCII characters of one's own choice. The same key with the same request is the same run, " +
          "answered with Idempotent-Replayed: true"
      })
    )
  }
}

const accepted = OperationEntry.annotate({
  httpApiStatus: 202,
  description: "Asked for, and durable; Location is where the operation is found"
})

const operationNote =
  "With Prefer: respond-async, async=1 or an Idempotency-Key the run is an operation of kind action: it waits its turn " +
  "however many wait, survives a restart of the daemon, and ends whoever leaves. Its arguments are shown to whoever may read " +
  "operations: they are no place for secrets. With a key alone the answer comes at the end, as ever; 409 says that it was " +
  "cancelled, 503 that the daemon stops first. A line of its stdout such as " +
  '{"progress":0.4,"message":"copying"} is its progress.'

export class ActionsGroup extends HttpApiGroup.make("actions")
  .add(
    HttpApiEndpoint.get("listActions", systemEndpoints.actions.listActions.path, {
      success: Schema.Struct({ actions: Schema.Array(ActionEntry) }),
      error: [Unauthorized]
    }).annotate(OpenApi.Summary, "What can be run"),
    HttpApiEndpoint.get("runPlain", systemEndpoints.actions.runPlain.path, {
      params: { action: Schema.String },
      ...asynchronous,
      success: [Message, accepted],
      error: [
        BadRequest,
        Unauthorized,
        MethodNotAllowed,
        Conflict,
        TooLarge,
        KeyReused,
        TooManyRequests,
        InternalError,
        Unavailable,
        StoreIsFull
      ]
    })
      .annotate(OpenApi.Summary, "Run an action, as the original does")
      .annotate(
        OpenApi.Description,
        `Answers when the command has ended. Off (405) under actions_require_post. ${operationNote}`
      ),
    HttpApiEndpoint.post("run", systemEndpoints.actions.run.path, {
      params: { action: Schema.String },
      ...asynchronous,
      payload: ActionInput,
      success: [ActionResult, accepted],
      error: [
        BadRequest,
        Unauthorized,
        Conflict,
        TooLarge,
        KeyReused,
        TooManyRequests,
        InternalError,
        Unavailable,
        StoreIsFull
      ]
    })
      .annotate(OpenApi.Summary, "Run an action and get the whole result")
      .annotate(
        OpenApi.Description,
        `200 also when the command failed: success, exit_code and signal say so. The body may be empty. ${operationNote}`
      )
  )
  .annotate(OpenApi.Description, "Commands that the configuration allows") {}

export class UploadsGroup extends HttpApiGroup.make("uploads")
  .add(
    HttpApiEndpoint.post("upload", systemEndpoints.uploads.upload.path, {
      params: { file: Schema.String },
      payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array()),
      success: Schema.Struct({ file: Schema.String, message: Schema.String, size_bytes: Schema.String }),
      error: [BadRequest, Unauthorized, TooLarge, InternalError, StoreIsFull]
    })
      .annotate(OpenApi.Summary, "Upload a configured file")
      .annotate(
        OpenApi.Description,
        "Any content type. The file is replaced as a whole once all of it is on disk; an upload that ends early leaves " +
          "the old file as it was."
      )
  )
  .annotate(OpenApi.Description, "Files that the configuration allows") {}
