/**
 * The main thread's end of a command's live output. While the command runs, the worker answers; once it is over,
 * everything that was kept is here, and reads are answered from it for as long as somebody has this in hand.
 *
 * Bounds: one message on its way for each read; what was kept. On failure of the worker the output ends where it was last
 * seen: readers are told the end, and `snapshot` gives the last one that was taken. Never: a read that stays unanswered.
 */
import * as Effect from "effect/Effect"
import { buffersOf, type KeptOutput, type LiveOutput, OutputLog, type OutputPart, readKept } from "./OutputLog.ts"
import type { FromWorker, ToWorker } from "./SpawnerProtocol.ts"

/** What somebody waits for. */
interface Pending {
  readonly part: (part: OutputPart) => void
  readonly over: (kept: KeptOutput) => void
}

export class LiveReads implements LiveOutput {
  readonly #id: number
  readonly #post: (message: ToWorker) => void
  readonly #pending = new Map<number, Pending>()
  #last = 0
  /** All of it when it is over, else what the newest snapshot has seen. */
  #kept: KeptOutput | undefined
  #over = false

  constructor(id: number, post: (message: ToWorker) => void) {
    this.#id = id
    this.#post = post
  }

  readonly read = (from: number, max: number): Effect.Effect<OutputPart> =>
    this.#ask<OutputPart>(
      (read) => ({ _tag: "Read", id: this.#id, read, from, max }),
      (resume) => ({ part: resume, over: (kept) => resume(readKept(kept, from, max)) })
    )

  readonly snapshot: Effect.Effect<KeptOutput> = Effect.suspend(() =>
    this.#ask<KeptOutput>(
      (read) => ({ _tag: "Snapshot", id: this.#id, read }),
      (resume) => ({ part: () => undefined, over: resume })
    )
  )

  /** A message that is about this command; true: there will be none that matters here. */
  receive(message: FromWorker): boolean {
    switch (message._tag) {
      case "Part":
        this.#take(message.read)?.part({ ...message.part, free: () => free(message.part) })
        return false
      case "Kept":
        this.#kept = message.kept
        this.#take(message.read)?.over(message.kept)
        return false
      case "Output":
      case "Done":
        this.end(message.output.both)
        return true
      default:
        return false
    }
  }

  /** Nothing follows; left out: what was kept is lost. */
  end(kept: KeptOutput | undefined): void {
    this.#over = true
    const left = kept ?? this.#kept ?? new OutputLog(0, 0).snapshot()
    this.#kept = left
    for (const { over } of this.#pending.values()) over(left)
    this.#pending.clear()
  }

  #ask<A>(message: (read: number) => ToWorker, pendingOf: (resume: (answer: A) => void) => Pending): Effect.Effect<A> {
    return Effect.callback<A>((resume) => {
      const pending = pendingOf((answer) => resume(Effect.succeed(answer)))
      if (this.#over && this.#kept !== undefined) return pending.over(this.#kept)
      const read = (this.#last += 1)
      this.#pending.set(read, pending)
      this.#post(message(read))
      return Effect.sync(() => {
        if (this.#pending.delete(read)) this.#post({ _tag: "Forget", id: this.#id, read })
      })
    })
  }

  #take(read: number): Pending | undefined {
    const pending = this.#pending.get(read)
    this.#pending.delete(read)
    return pending
  }
}

/** What is transferred elsewhere is gone here; nothing of it is taken along. */
const free = ({ segments }: OutputPart): void => {
  for (const buffer of buffersOf(segments)) buffer.transfer(0)
}
