/** `GET …/operations/{id}/output`: what the operation writes, live, or what is kept of it, from any byte on. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Operations } from "../../services/operations/Operations.ts"
import type { Call } from "../edge/Call.ts"
import { type HttpFailure, invalid } from "../edge/HttpFailure.ts"
import type { Handler } from "../edge/routes.ts"
import { stopping } from "../listener/Listener.ts"
import { operationFailure } from "./failures.ts"
import { choiceParam, flagParam } from "./operationParams.ts"
import { cursorAllowed, type OutputCursor, parseCursor } from "./OutputCursor.ts"
import { formats, type OutputFormat, outputFormats } from "./outputFormats.ts"
import { outputStream } from "./outputStream.ts"
import { operationOf } from "./visible.ts"

export const makeOutputHandler =
  (operations: Pick<Operations["Service"], "get" | "output" | "wait">): Handler =>
  (call) =>
    Effect.gen(function* () {
      const { follow, format, from, stream } = yield* Effect.fromResult(parseParams(call))
      const { id } = yield* Effect.mapError(operationOf(operations, call), operationFailure)
      const live = yield* Effect.mapError(operations.output(id), operationFailure)
      const stop = yield* stopping
      const { contentType, writer: writerOf } = formats[format]
      const writer = writerOf(from, stream)
      // Sent at once, even if it is empty: with it the client has the headers, and knows that it is connected.
      const first = Stream.succeed(writer.keepAlive)
      return HttpServerResponse.stream(
        Stream.concat(first, outputStream({ operations, id, live, writer, follow, stop })),
        { contentType, headers: { "cache-control": "no-store", "x-accel-buffering": "no" } }
      )
    })

const parseParams = (call: Call) =>
  Result.gen(function* () {
    return {
      format: (yield* choiceParam(call.query, "format", outputFormats, undefined)) ?? formatAccepted(call),
      stream: yield* choiceParam(call.query, "stream", ["stdout", "stderr"], undefined),
      follow: yield* flagParam(call.query, "follow", true),
      from: yield* startParam(call)
    }
  })

const formatAccepted = (call: Call): OutputFormat => {
  const accept = call.header("accept") ?? ""
  if (accept.includes("text/event-stream")) return "sse"
  return accept.includes("ndjson") ? "ndjson" : "text"
}

/** A browser that reconnects sends where it was; that wins over the query it sends again. */
const startParam = (call: Call): Result.Result<OutputCursor, HttpFailure> => {
  const resumed = call.header("last-event-id")
  const given = resumed ?? call.query.get("offset") ?? "0"
  const cursor = parseCursor(given)
  if (cursor !== undefined) return Result.succeed(cursor)
  const name = resumed === undefined ? "offset" : "Last-Event-ID"
  return Result.fail(invalid(`${name}: found ${JSON.stringify(given.slice(0, 100))}, allowed: ${cursorAllowed}`))
}
