/** Actions and uploads over HTTP: the original's answers on GET, the whole result on POST. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { actionResult } from "../../services/actions/actionResult.ts"
import type { ActionError, Actions } from "../../services/actions/Actions.ts"
import { describeExit } from "../../services/actions/describeExit.ts"
import type { Executor } from "../../services/commands/Executor.ts"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import { describeSchemaError } from "../../services/describeSchemaError.ts"
import type { FileUploadError, FileUploads } from "../../services/files/FileUploads.ts"
import type { Operation } from "../../services/operations/Operation.ts"
import type { Operations } from "../../services/operations/Operations.ts"
import { ActionInput } from "../api/ActionInput.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { bodyOf, readBody } from "../edge/readBody.ts"
import type { Handler } from "../edge/routes.ts"
import type { makeActionOperations } from "./actionOperations.ts"
import { isNoRoom } from "./failures.ts"

export interface ActionServices {
  readonly actions: Actions["Service"]
  readonly executor: Executor["Service"]
  readonly operations: Operations["Service"]
  readonly uploads: FileUploads["Service"]
  readonly config: CurrentConfig["Service"]
}

/** Arguments are bounded one by one; together they are far below this. */
const inputBytesMax = 1024 * 1024

const decodeInput = Schema.decodeUnknownResult(Schema.fromJsonString(ActionInput), { onExcessProperty: "error" })

const executed = jsonResponse({ message: "Action executed successfully" })

const notExecuted = (name: string, error: string): HttpFailure =>
  failure(500, `Failed to execute action: ${name} - error: ${error}`)

export const makeActionHandlers = ({ actions, config, executor, operations, uploads }: ActionServices) => {
  let loading: Promise<ReturnType<typeof makeActionOperations>> | undefined
  const load = async () => (await import("./actionOperations.ts")).makeActionOperations(operations, config)
  const asOperations = Effect.promise(() => (loading ??= load()))

  /** How the request wants its run to be an operation; undefined where it does not. */
  const wishes = (call: Call) =>
    mayWish(call) ? Effect.flatMap(asOperations, (runs) => runs.wishes(call, inputBytesMax)) : Effect.undefined

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
    const plainly = Effect.flatMap(run(name, {}, call), (result) => {
      const error = describeExit(result, action?.timeout_ms ?? 0)
      return error === undefined ? Effect.succeed(executed) : Effect.fail(notExecuted(name, error))
    })
    return Effect.flatMapEager(wishes(call), (wanted) => {
      if (wanted === undefined) return plainly
      const answer = ({ error }: Operation) =>
        error === null ? Effect.succeed(executed) : Effect.fail(notExecuted(name, error.message))
      return check(name, {}).pipe(
        Effect.andThen(asOperations),
        Effect.flatMap((runs) => runs.run(call, { name, args: {}, answer }, wanted))
      )
    })
  }

  const runWhole: Handler = Effect.fnUntraced(function* (call) {
    const name = call.params["action"] ?? ""
    const wanted = yield* wishes(call)
    const body = (yield* readBody(call, inputBytesMax)).toString()
    const input = decodeInput(body.trim() === "" ? "{}" : body)
    if (Result.isFailure(input)) {
      return yield* failure(
        400,
        `body: ${describeSchemaError(input.failure)}; allowed: {"args": {"name": value}} or nothing`
      )
    }
    const { args = {} } = input.success
    if (wanted !== undefined) {
      yield* check(name, args)
      const answer = ({ result }: Operation) => Effect.succeed(jsonResponse(result))
      return yield* (yield* asOperations).run(call, { name, args, answer }, wanted)
    }
    return jsonResponse(actionResult(name, yield* run(name, args, call)))
  })

  /** What is wrong with the request is told before anything is kept of it. */
  const check = (name: string, args: Readonly<Record<string, unknown>>) =>
    Effect.mapError(actions.prepare(name, args), (error) => actionFailure(name, error))

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

/** Most requests say nothing of the kind, and are not looked at further. */
const mayWish = ({ request: { headers, url } }: Call): boolean =>
  headers["prefer"] !== undefined || headers["idempotency-key"] !== undefined || url.includes("async")

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
      return notExecuted(name, error.message)
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
