/**
 * One reader of an operation's output: what is kept of it so far, then what comes, then how it ended.
 *
 * Nothing is read ahead: a chunk is read when the one before is with the client, so that a slow reader costs one chunk and
 * its command nothing; what it missed is read later, if it is kept. Whoever hears nothing for `silence` is told that it is
 * still connected. The stop of the daemon ends the stream without an end record: the reader goes on with the next daemon.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { LiveOutput } from "../../services/commands/OutputLog.ts"
import { isFinal } from "../../services/operations/Operation.ts"
import type { Operations } from "../../services/operations/Operations.ts"
import type { OutputWriter } from "./outputFormats.ts"

export interface OutputReader {
  readonly operations: Pick<Operations["Service"], "get" | "wait">
  readonly id: string
  readonly live: LiveOutput
  readonly writer: OutputWriter
  /** Until it has ended; otherwise what is there now. */
  readonly follow: boolean
  /** The stream ends with it. */
  readonly stop: Deferred.Deferred<void>
}

/** Bytes of output in one chunk. As text at most 90 times that, if each byte came from another stream than the one before. */
const chunkBytes = 16 * 1024

/** Below the 30 s and 60 s after which proxies and NAT forget a silent connection. */
const silence = Duration.seconds(15)

/** The store is opened anew within about that. */
const retryDelay = Duration.seconds(1)

const nothing = new Uint8Array(0)

export const outputStream = ({
  follow,
  id,
  live,
  operations,
  stop,
  writer
}: OutputReader): Stream.Stream<Uint8Array> => {
  let state: "reading" | "ending" | "done" = "reading"
  /** Behind the last byte that is read. */
  let until: number | undefined = follow ? Number.POSITIVE_INFINITY : undefined

  /** What comes first: that, the stop of the daemon, or nothing for long. */
  const orSilence = <A>(effect: Effect.Effect<A>) =>
    Effect.raceAllFirst([
      effect,
      Effect.as(Deferred.await(stop), "stopped" as const),
      Effect.as(Effect.sleep(silence), "silence" as const)
    ])

  /** Bytes for the client; none where only the state has changed. */
  const read = Effect.gen(function* () {
    until ??= (yield* live.snapshot).bytes
    const left = until - writer.position()
    if (left <= 0) {
      state = "ending"
      return nothing
    }
    const part = yield* orSilence(live.read(writer.position(), Math.min(chunkBytes, left)))
    if (part === "silence") return writer.keepAlive
    if (part === "stopped") return nothing
    if (part.ended) state = "ending"
    const bytes = writer.part(part)
    // All of it was copied; a flood would otherwise wait for the garbage collector.
    part.free?.()
    return bytes
  })

  /** All is sent. What has become of the operation is known a moment later. */
  const end = Effect.gen(function* () {
    const asked = follow ? operations.wait(id, silence) : operations.get(id)
    const found = yield* orSilence(Effect.result(asked))
    if (found === "silence") return writer.keepAlive
    if (found === "stopped") return nothing
    if (found._tag === "Failure") {
      // Removed meanwhile: nobody knows how it ended.
      if (found.failure._tag === "OperationNotFound") state = "done"
      else yield* Effect.sleep(retryDelay)
      return nothing
    }
    const { status } = found.success
    if (follow && !isFinal(status)) return writer.keepAlive
    state = "done"
    const { bytes, sha256 } = yield* live.snapshot
    return writer.end({ status, bytes, sha256: isFinal(status) ? sha256 : null, next: writer.cursor() })
  })

  const next: Effect.Effect<readonly [Uint8Array], Cause.Done> = Effect.suspend(() => {
    if (state === "done" || Deferred.isDoneUnsafe(stop)) return Cause.done()
    return Effect.flatMap(state === "reading" ? read : end, (bytes) =>
      bytes.length === 0 ? next : Effect.succeed([bytes] as const)
    )
  })
  return Stream.fromPull(Effect.succeed(next))
}
