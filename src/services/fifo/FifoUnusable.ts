/** The error of everything that is done to a FIFO, and the way file operations become effects that fail with it. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { errnoText } from "../errno.ts"

/** At the start it ends the daemon (exit 1); later it is tried again. */
export class FifoUnusable extends Schema.TaggedError<FifoUnusable>()("FifoUnusable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `FIFO ${this.path}: ${this.reason}`
  }
}

/** A file operation that was begun is always waited for: the kernel cannot take it back. */
export const attempt = <A>(path: string, doing: string, work: () => Promise<A>): Effect.Effect<A, FifoUnusable> =>
  Effect.uninterruptible(
    Effect.tryPromise({
      try: work,
      catch: (cause) => new FifoUnusable({ path, reason: `cannot ${doing}: ${errnoText(cause)}` })
    })
  )
