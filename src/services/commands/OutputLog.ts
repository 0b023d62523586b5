/**
 * What a command writes to stdout and stderr, as one: bytes in the order in which they came, counted over both. Whoever
 * reads says from which byte on; what is read is kept at the head and the tail, and what lies between them may be gone.
 */
import type * as Effect from "effect/Effect"

export type OutputStream = "stdout" | "stderr"

/** Bytes of one stream that follow each other. */
export interface OutputSegment {
  readonly stream: OutputStream
  /** Of the first of them, over both streams. */
  readonly offset: number
  readonly bytes: Uint8Array
}

/** Segments in order; where an offset is larger than the end of the segment before, what was between is gone. */
export interface OutputPart {
  readonly segments: ReadonlyArray<OutputSegment>
  /** Where the next read goes on. */
  readonly next: number
  /** All bytes so far. */
  readonly bytes: number
  /** Nothing will follow `next`. */
  readonly ended: boolean
}

export interface LiveOutput {
  /**
   * From this offset on, at most `max` bytes of segments; waits until there is something, or the end. Reading costs the
   * command nothing: who is too slow finds a gap.
   */
  readonly read: (from: number, max: number) => Effect.Effect<OutputPart>
  /** As it is now; neither waits nor ends anything. */
  readonly snapshot: Effect.Effect<KeptOutput>
}

/** What is left of an output when it is over, or was at some moment. */
export interface KeptOutput {
  /** Head and tail. */
  readonly segments: ReadonlyArray<OutputSegment>
  /** All that was written. */
  readonly bytes: number
  readonly stdoutBytes: number
  readonly stderrBytes: number
  /** Lowercase hex, over all that was written, in the order in which it came. */
  readonly sha256: string
}
