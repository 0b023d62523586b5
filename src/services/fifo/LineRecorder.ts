/**
 * Takes the lines of one FIFO to the event log: in order, one append at a time, and none is let go before the log has
 * it. What arrives while an append is on its way becomes the next one, so a flood is stored in few transactions and a
 * single line at once. One in flight is enough for that, and the only way to keep the order when one is refused.
 *
 * Bounds: what waits, in characters and lines; `offer` says when it is full, and its caller stops reading, so that the
 * writers wait in the kernel. When the log cannot take events (disk full, store restarting) the same append is tried
 * again, with back-off and without end. Where the log could not say whether it had stored an append, lines may be
 * recorded twice, never lost. The fiber here outlives restarts of the actor and ends with the scope; it cannot fail.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { EventRun } from "../events/Event.ts"
import { EventLog } from "../events/EventLog.ts"
import { RunJoiner } from "../events/RunJoiner.ts"
import type { LineRun } from "./LineFramer.ts"

/**
 * Characters; as many again may be on their way. 4,300 lines of 60, whose transaction takes some 5 ms and a flush of the
 * disk: four times as much would be a tenth faster, and let the heap grow by 30 MB more in a flood.
 */
const waitingTextMax = 256 * 1024

/** Empty lines weigh nothing but a row each; a transaction of this many takes some 15 ms. */
export const waitingLinesMax = 16_384

/** An append refused now may be taken a moment later (the store restarts), or when somebody has made room. */
const retryFirstMs = 100
/** How long a log that works again may go unnoticed. */
const retryMaxMs = 2000

export interface RecorderStats {
  /** Lines the log has. */
  readonly stored: number
  /** Lines that were read and that the log does not have yet. */
  readonly waiting: number
  /** Why the log takes no events at the moment, if so. */
  readonly blocked: string | undefined
}

export interface LineRecorder {
  /** Takes the runs, always. False: enough is waiting, offer no more until `onRoom` was called. */
  readonly offer: (runs: ReadonlyArray<LineRun>) => boolean
  /** Waits until the log has everything that was offered. */
  readonly settled: Effect.Effect<void>
  readonly stats: () => RecorderStats
}

export interface RecorderOptions {
  /** Source of the events. */
  readonly source: string
  /** Called whenever there is room again. */
  readonly onRoom: () => void
  /** Called at each refusal. */
  readonly onRefused: (reason: string, atMs: number) => void
}

interface Batch {
  readonly joiner: RunJoiner
  lines: number
  text: number
}

const emptyBatch = (): Batch => ({ joiner: new RunJoiner(), lines: 0, text: 0 })

export const make = Effect.fnUntraced(function* (
  options: RecorderOptions
): Effect.fn.Return<LineRecorder, never, EventLog | Scope.Scope> {
  const log = yield* EventLog
  const arrived = yield* Latch.make(false)
  const idle = yield* Latch.make(true)
  let waiting = emptyBatch()
  let inHand = 0
  let stored = 0
  let blocked: string | undefined

  const toEventRun = ({ fields, messages, offsets, receivedAt }: LineRun): EventRun => ({
    receivedAt,
    offsets,
    source: options.source,
    who: undefined,
    level: "info",
    fields,
    messages
  })

  const store = Effect.fnUntraced(function* (runs: ReadonlyArray<EventRun>) {
    for (let waitMs = retryFirstMs; ; waitMs = Math.min(waitMs * 2, retryMaxMs)) {
      const exit = yield* Effect.exit(log.append(runs))
      if (Exit.isSuccess(exit)) break
      const { message } = Cause.prettyErrors(exit.cause)[0] ?? { message: "interrupted" }
      options.onRefused(message, yield* Clock.currentTimeMillis)
      if (blocked === undefined) yield* Effect.logWarning(`${options.source} waits: ${message}`)
      blocked = message
      yield* Effect.sleep(waitMs)
    }
    if (blocked !== undefined) yield* Effect.logInfo(`${options.source} goes on`)
    blocked = undefined
  })

  const storeNext = Effect.gen(function* () {
    yield* arrived.await
    const batch = waiting
    waiting = emptyBatch()
    inHand = batch.lines
    arrived.closeUnsafe()
    options.onRoom()
    yield* store(batch.joiner.runs)
    stored += batch.lines
    inHand = 0
    if (waiting.lines === 0) idle.openUnsafe()
  })

  yield* Effect.forkScoped(Effect.forever(storeNext))

  return {
    offer: (runs) => {
      for (const run of runs) {
        waiting.lines += run.messages.length
        for (const message of run.messages) waiting.text += message.length
        waiting.joiner.add(toEventRun(run))
      }
      if (waiting.lines > 0) {
        idle.closeUnsafe()
        arrived.openUnsafe()
      }
      return waiting.text < waitingTextMax && waiting.lines < waitingLinesMax
    },
    settled: idle.await,
    stats: () => ({ stored, waiting: waiting.lines + inHand, blocked })
  }
})
