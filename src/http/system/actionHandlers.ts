/** Actions and uploads over HTTP: the original's answers on GET, the whole result on POST. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ActionError, Actions } from "../../services/actions/Actions.ts"
import { describeExit } from "../../services/actions/describeExit.ts"
import type { Executor, RunResult } from "../../services/commands/Executor.ts"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import { describeSchemaError } from "../../services/describeSchemaError.ts"
import type { FileUploadError, FileUploads } from "../../services/files/FileUploads.ts"
import { ActionInput } from "../api/ActionInput.ts"
import type { ActionResult } from "../api/Actions.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { bodyOf, readBody } from "../edge/readBody.ts"
import type { Handler } from "../edge/routes.ts"
import { isNoRoom } from "./failures.ts"

export interface ActionServices {
  readonly actions: Actions["Service"]
  readonly executor: Executor["Service"]
  readonly uploads: FileUploads["Service"]
  readonly config: CurrentConfig["Service"]
}

/** Arguments are bounded one by one; together they are far below this. */
const inputBytesMax = 1024 * 1024

const decodeInput = Schema.decodeUnknownResult(Schema.fromJsonString(ActionInput), { onExcessProperty: "error" })

export const makeActionHandlers = ({ actions, config, executor, uploads }: ActionServices) => {
  const allowed = (name: string): string =>
    config.get().actions.get(name)?.require_post === true ? "OPTIONS, POST" : "GET, OPTIONS, POST"

  /** What the router says of the path would be wrong for an action that takes POST alone. */
  const optionsOfAction: Handler = (call) =>
    Effect.succeed(HttpServerResponse.empty({ status: 204, headers: { allow: allowed(call.params["action"] ?? "") } }))

  const runPlain: Handler = (call) => {
    const name = call.params["action"] ?? ""
    const action = config.get().actions.get(name)
    if (action !== undefined && action.require_post) {
      return Effect.fail(failure(405, "Actions are run by POST here", { allow: allowed(name) }))
    }
    return Effect.flatMap(run(name, {}, call), (result) => {
      const error = describeExit(result, action?.timeout_ms ?? 0)
      return error === undefined
        ? Effect.succeed(jsonResponse({ message: "Action executed successfully" }))
        : Effect.fail(failure(500, `Failed to execute action: ${name} - error: ${error}`))
    })
  }

  const runWhole: Handler = Effect.fnUntraced(function* (call) {
    const name = call.params["action"] ?? ""
    const body = (yield* readBody(call, inputBytesMax)).toString()
    const input = decodeInput(body.trim() === "" ? "{}" : body)
    if (Result.isFailure(input)) {
      return yield* failure(
        400,
        `body: ${describeSchemaError(input.failure)}; allowed: {"args": {"name": value}} or nothing`
      )
    }
    const result = yield* run(name, input.success.args ?? {}, call)
    return jsonResponse(resultOf(name, result))
  })

  const run = (name: string, args: Readonly<Record<string, unknown>>, call: Call) =>
    Effect.mapError(actions.run(name, { args, who: call.who }), (error) => actionFailure(name, error))

  const listActions: Handler = () =>
    Effect.map(Effect.all([actions.list, executor.report]), ([all, { lanes }]) =>
      jsonResponse({
        actions: all.map((action) => {
          const lane = lanes.find(({ name }) => name === action.name)
          return {
            name: action.name,
            ...(action.description === "" ? {} : { description: action.description }),
            methods: action.require_post ? ["POST"] : ["GET", "POST"],
            arguments: action.args.map(({ description, ...declared }) => ({
              ...declared,
              required: declared.default === undefined,
              ...(description === "" ? {} : { description })
            })),
            timeout_ms: action.timeout_ms,
            concurrency: action.concurrency,
            queue_length: action.queue_length,
            running: lane?.running.length ?? 0,
            queued: lane?.waiting.length ?? 0
          }
        })
      })
    )

  const upload: Handler = (call) => {
    const length = call.header("content-length")
    const options = { who: call.who, saidBytes: length === undefined ? undefined : Number(length) }
    return Effect.mapBoth(uploads.upload(call.params["file"] ?? "", bodyOf(call), options), {
      onFailure: uploadFailure,
      onSuccess: ({ bytes, path }) =>
        jsonResponse({ file: path, message: "File uploaded successfully", size_bytes: String(bytes) })
    })
  }

  return { actions: { listActions, runPlain, run: runWhole }, uploads: { upload }, optionsOfAction }
}

const actionFailure = (name: string, error: ActionError): HttpFailure => {
  switch (error._tag) {
    case "ActionNotConfigured":
      return failure(400, error.message)
    case "ArgumentError":
      return failure(400, `action ${name}: ${error.message}`)
    case "ActionBusy":
      return failure(429, error.message, { "retry-after": String(error.retry_after_seconds) })
    case "ExecutorUnavailable":
      return failure(503, error.message, { "retry-after": "1" })
    default:
      return failure(500, `Failed to execute action: ${name} - error: ${error.message}`)
  }
}

/** The texts are the original's; what exactly went wrong is in the event log, which the path and reason belong in. */
const uploadFailure = (error: FileUploadError): HttpFailure => {
  switch (error._tag) {
    case "UploadNotConfigured":
      return failure(400, error.message)
    case "UploadTooLarge":
      return failure(413, `The upload is larger than the ${error.max_bytes} bytes allowed`)
    case "UploadReadFailed":
      return failure(500, "Failed to read content from payload")
    case "UploadWriteFailed":
      return failure(isNoRoom(error.code) ? 507 : 500, "Failed to write content to file")
    case "UnknownAccount":
      return failure(500, "Failed to write content to file")
    case "UploadActionFailed":
      return failure(500, error.message)
  }
}

const resultOf = (name: string, result: RunResult): typeof ActionResult.Type => ({
  action: name,
  success: !result.timedOut && result.exit._tag === "Exited" && result.exit.code === 0,
  exit_code: result.exit._tag === "Exited" ? result.exit.code : null,
  signal: result.exit._tag === "Signaled" ? result.exit.signal : null,
  timed_out: result.timedOut,
  started_at: new Date(result.startedAt).toISOString(),
  duration_ms: Math.round(result.durationMs * 1000) / 1000,
  stdout: result.stdout,
  stderr: result.stderr
})
