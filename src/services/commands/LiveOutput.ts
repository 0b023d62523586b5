/**
 * Outputs that no running command writes: of one that is over (`liveOfKept`), and of what the daemon itself says in the
 * course of its work (`makeOwnOutput`). Whoever reads one cannot tell it from a command's.
 *
 * Bounds: those of OutputLog.ts. `write` and `end` neither wait nor fail; what is written behind the end is dropped.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import {
  type KeptOutput,
  type LiveOutput,
  OutputLog,
  type OutputPart,
  type OutputStream,
  readKept
} from "./OutputLog.ts"

export const liveOfKept = (kept: KeptOutput): LiveOutput => ({
  read: (from, max) => Effect.sync(() => readKept(kept, from, max)),
  snapshot: Effect.succeed(kept)
})

export interface OwnOutput {
  readonly write: (stream: OutputStream, bytes: Uint8Array) => void
  /** Nothing follows. */
  readonly end: () => KeptOutput
  readonly live: LiveOutput
}

export const makeOwnOutput = (limits: { readonly headBytes: number; readonly tailBytes: number }): OwnOutput => {
  const log = new OutputLog(limits.headBytes, limits.tailBytes)
  let kept: KeptOutput | undefined
  /** Completed by the next write, or the end. */
  let more = Deferred.makeUnsafe<void>()

  const wake = () => {
    const waited = more
    more = Deferred.makeUnsafe()
    Deferred.doneUnsafe(waited, Effect.void)
  }

  const read = (from: number, max: number): Effect.Effect<OutputPart> =>
    Effect.suspend(() => {
      if (kept !== undefined) return Effect.succeed(readKept(kept, from, max))
      const part = log.read(from, max)
      return part.segments.length > 0
        ? Effect.succeed(part)
        : Effect.flatMap(Deferred.await(more), () => read(from, max))
    })

  return {
    write: (stream, bytes) => {
      if (kept !== undefined || bytes.length === 0) return
      log.push(stream, bytes)
      wake()
    },
    end: () => {
      if (kept === undefined) {
        kept = log.snapshot()
        wake()
      }
      return kept
    },
    live: { read, snapshot: Effect.sync(() => kept ?? log.snapshot()) }
  }
}
