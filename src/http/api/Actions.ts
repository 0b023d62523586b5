/** Contract of actions and file uploads. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import {
  BadRequest,
  InternalError,
  MethodNotAllowed,
  StoreIsFull,
  TooLarge,
  TooManyRequests,
  Unauthorized,
  Unavailable
} from "./ErrorBody.ts"
import { ActionInput } from "./ActionInput.ts"
import { systemEndpoints } from "./endpoints.ts"

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

export class ActionsGroup extends HttpApiGroup.make("actions")
  .add(
    HttpApiEndpoint.get("listActions", systemEndpoints.actions.listActions.path, {
      success: Schema.Struct({ actions: Schema.Array(ActionEntry) }),
      error: [Unauthorized]
    }).annotate(OpenApi.Summary, "What can be run"),
    HttpApiEndpoint.get("runPlain", systemEndpoints.actions.runPlain.path, {
      params: { action: Schema.String },
      success: Message,
      error: [BadRequest, Unauthorized, MethodNotAllowed, TooManyRequests, InternalError, Unavailable]
    })
      .annotate(OpenApi.Summary, "Run an action, as the original does")
      .annotate(OpenApi.Description, "Answers when the command has ended. Off (405) under actions_require_post."),
    HttpApiEndpoint.post("run", systemEndpoints.actions.run.path, {
      params: { action: Schema.String },
      payload: ActionInput,
      success: ActionResult,
      error: [BadRequest, Unauthorized, TooLarge, TooManyRequests, InternalError, Unavailable]
    })
      .annotate(OpenApi.Summary, "Run an action and get the whole result")
      .annotate(
        OpenApi.Description,
        "200 also when the command failed: success, exit_code and signal say so. The body may be empty."
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
