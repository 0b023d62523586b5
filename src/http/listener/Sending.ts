/**
 * Sends what a handler answered: nothing, bytes or a text at once, with the head in the same write; a stream as its
 * client takes it. HTTP/1 and HTTP/2 alike.
 *
 * Bounds: of a stream one chunk waits for the client. An answer that breaks off is cut, so that no client takes a part
 * for the whole. Never: cookies, forms and foreign streams, which no handler of ours has.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import type { ServerResponse } from "node:http"
import { constants, Http2ServerResponse } from "node:http2"
import { internalError, notServed, throughHttp1, throughHttp2 } from "./Answers.ts"
import type { NodeIncoming } from "./Incoming.ts"
import { secureFields } from "./SecureResponse.ts"
import { drainedBytesMax } from "./UnreadBody.ts"

export type Outgoing = ServerResponse | Http2ServerResponse

/** Done at once unless the answer is a stream. */
export const send = (
  request: NodeIncoming,
  outgoing: Outgoing,
  answer: HttpServerResponse.HttpServerResponse
): Effect.Effect<void> => {
  // The client has left, or the listener has answered in place of the handler: a deadline passed.
  if (outgoing.destroyed || outgoing.headersSent) return Effect.void
  const { body } = answer
  const isStream = body._tag === "Stream"
  // What is left of a body is read to its end, to keep the connection, unless that would take long. A stream may be
  // what is made of the body.
  if (!isStream && request.unreadBytes > drainedBytesMax && !(outgoing instanceof Http2ServerResponse)) {
    outgoing.shouldKeepAlive = false
  }
  writeHead(outgoing, answer)
  if (HttpServerResponse.omitsBody(answer, request.method === "HEAD")) return end(outgoing)
  switch (body._tag) {
    case "Empty":
      return end(outgoing)
    case "Uint8Array":
      return end(outgoing, body.text ?? body.body)
    case "Stream":
      return Effect.andThen(
        Effect.interruptible(Stream.runForEachArray(Stream.orDie(body.stream), (chunks) => write(outgoing, chunks))),
        Effect.suspend(() => end(outgoing))
      )
    default:
      return Effect.die(new Error(`a body of kind ${body._tag} cannot be sent`))
  }
}

/** The handler, or the stream it answered with, came to no good end. */
export const breakOff = (outgoing: Outgoing, cause: Cause.Cause<never>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const isInterrupt = Cause.hasInterruptsOnly(cause)
    if (!outgoing.destroyed && !outgoing.writableEnded) cut(outgoing, isInterrupt)
    return isInterrupt ? Effect.void : Effect.logError("an answer broke off", cause)
  })

const cut = (outgoing: Outgoing, isInterrupt: boolean): void => {
  const refusal = isInterrupt ? notServed : internalError
  if (outgoing instanceof Http2ServerResponse) {
    if (outgoing.headersSent) outgoing.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    else throughHttp2(outgoing, refusal)
  } else if (outgoing.headersSent) {
    outgoing.destroy()
  } else {
    throughHttp1(outgoing, refusal)
  }
}

const writeHead = (outgoing: Outgoing, answer: HttpServerResponse.HttpServerResponse): void => {
  const { status } = answer
  // There is nothing these could be the length of (RFC 9110, section 8.6).
  const headers = status === 204 || status === 205 ? Headers.remove(answer.headers, "content-length") : answer.headers
  if (outgoing instanceof Http2ServerResponse)
    outgoing.writeHead(status, { ...secureFields(headers, true), ...headers })
  else outgoing.writeHead(status, headers)
}

const end = (outgoing: Outgoing, bytes?: string | Uint8Array): Effect.Effect<void> => {
  if (bytes === undefined) outgoing.end()
  else outgoing.end(bytes)
  return Effect.void
}

const write = (outgoing: Outgoing, chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void> => {
  const [first] = chunks
  const bytes = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
  return writeBytes(outgoing, bytes) ? Effect.void : drained(outgoing)
}

const writeBytes = (outgoing: Outgoing, bytes: Uint8Array): boolean =>
  outgoing instanceof Http2ServerResponse ? outgoing.write(bytes) : outgoing.write(bytes)

const drained = (outgoing: Outgoing): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = () => resume(Effect.void)
    outgoing.once("drain", done)
    return Effect.sync(() => outgoing.off("drain", done))
  })
