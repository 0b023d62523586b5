/** Request bodies in memory, bounded: what is larger is refused before it is read, or as soon as that shows. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Incoming } from "../listener/Incoming.ts"
import type { Call } from "./Call.ts"
import { failure, type HttpFailure } from "./HttpFailure.ts"

const tooLarge = (maxBytes: number) => failure(413, `The body is larger than the ${maxBytes} bytes allowed here`)

/** The client stopped sending; it will hardly read this. */
const endedEarly = failure(400, "The body ended early")

/** Fails where the body ended before its end: half of an upload is no file, and half of a password none either. */
export const bodyOf = (call: Call): Stream.Stream<Uint8Array, HttpFailure> =>
  Stream.mapError(call.request.body, () => endedEarly)

export const readBody = (call: Call, maxBytes: number): Effect.Effect<Buffer, HttpFailure> =>
  Effect.suspend(() => {
    if (Number(call.header("content-length") ?? 0) > maxBytes) return Effect.fail(tooLarge(maxBytes))
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    return Effect.as(
      Stream.runForEach(bodyOf(call), (chunk) => {
        bytes += chunk.length
        if (bytes > maxBytes) return Effect.fail(tooLarge(maxBytes))
        chunks.push(chunk)
        return Effect.void
      }),
      chunks
    ).pipe(Effect.map((parts) => Buffer.concat(parts)))
  })

/** Reads the body and puts it back: whoever reads it next gets the very bytes. */
export const readAgain = (call: Call, maxBytes: number): Effect.Effect<Buffer, HttpFailure> =>
  Effect.tap(readBody(call, maxBytes), (body) =>
    Effect.sync(() => {
      call.request = withBody(call.request, body)
    })
  )

const withBody = (request: Incoming, body: Buffer): Incoming => ({
  method: request.method,
  url: request.url,
  headers: request.headers,
  address: request.address,
  peer: request.peer,
  isRepeated: (name) => request.isRepeated(name),
  body: body.length === 0 ? Stream.empty : Stream.succeed(body)
})
