/**
 * PipeReader: one actor for each FIFO (`pipe:NAME`). Owns the open FIFO and the lines that were read from it and are
 * not in the log yet.
 *
 * A FIFO that was removed or replaced is noticed within a second: the old one is read to its end, a new one made or
 * opened. A regular file in its place is ingested first, then its FIFO is read. The FIFO is held open for writing too,
 * so writers come and go unseen, and a line without a newline has no sure end. It is recorded as it is
 *   - when nothing has come for `idleFlush` (5 s): longer than a writer pauses inside of a line, short enough that the
 *     last words of one that died are seen, and are not glued to the next one's;
 *   - when the FIFO is closed: at the stop, when it was replaced, when the actor failed.
 *
 * Bounds: 64 KiB of buffer, one unfinished line, and what may wait for the log (LineRecorder); beyond it the writers
 * wait in the kernel. At the stop what is in the FIFO is read, and stored within a deadline; what the log does not take
 * by then is lost, counted and logged. A failure at the start fails the layer; a later one restarts this actor, with
 * back-off and without end, and nothing that was read is lost by it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { Fifo } from "../services/fifo/Fifo.ts"
import type { OpenFifo } from "../services/fifo/FifoSocket.ts"
import { LineFramer } from "../services/fifo/LineFramer.ts"
import { noLines } from "../services/fifo/LineCounts.ts"
import * as LineRecorder from "../services/fifo/LineRecorder.ts"
import { type PipeOptions, Pipes, type PipeStats } from "../services/fifo/Pipes.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

/** A removed file raises no event through the open descriptor; one stat a second finds it soon enough for nothing. */
const lookEvery = Duration.seconds(1)

const idleFlushDefault = Duration.seconds(5)

/** As long as the log itself takes to store its last events. */
const stopDeadline = Duration.seconds(5)

/** Starts the actor of one FIFO that is in its place. */
const start = Effect.fnUntraced(function* (options: PipeOptions) {
  const fifo = yield* Fifo
  const supervisor = yield* Supervisor
  const clock = yield* Clock.Clock
  const { path } = options
  const name = `pipe:${options.source}`
  const idleNanos = BigInt(Duration.toMillis(options.idleFlush ?? idleFlushDefault)) * 1_000_000n
  const counts = noLines()
  let reading: OpenFifo | undefined
  let paused = false
  let heardAt = 0n
  let bytes = 0
  let opened = 0
  let ingestedFiles = 0
  let lastError: PipeStats["lastError"]

  const note = (message: string, atMs: number) => {
    lastError = { message, atMs }
  }

  const recorder = yield* LineRecorder.make({
    source: name,
    onRefused: note,
    onRoom: () => {
      if (!paused) return
      paused = false
      heardAt = clock.monotonicTimeNanosUnsafe()
      reading?.resume()
    }
  })

  // Registered before the actor starts, so it runs after the actor has ended and read what was left in the FIFO.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      const settled = yield* Effect.timeoutOption(recorder.settled, stopDeadline)
      const { blocked, waiting } = recorder.stats()
      if (Option.isNone(settled)) yield* Effect.logError(`${name}: ${waiting} lines are lost: ${blocked ?? "too slow"}`)
    })
  )

  const receive = (framer: LineFramer) => (chunk: Buffer) => {
    bytes += chunk.length
    heardAt = clock.monotonicTimeNanosUnsafe()
    paused = !recorder.offer(framer.push(chunk, clock.currentTimeMillisUnsafe()))
    return !paused
  }

  const flush = (framer: LineFramer) =>
    Effect.sync(() => void recorder.offer(framer.flush(clock.currentTimeMillisUnsafe())))

  /** A restart in the middle begins the file again: its lines come twice rather than not at all. */
  const ingest = Effect.scoped(
    Effect.gen(function* () {
      const file = yield* fifo.openAside(path)
      if (file === undefined) return
      const framer = new LineFramer(options, counts)
      // Whoever had it open may have written on while its lines were stored, so it has to end twice.
      for (let ended = false; ;) {
        const chunk = yield* file.read
        if (chunk.length === 0 && ended) break
        ended = chunk.length === 0
        const room = recorder.offer(framer.push(chunk, clock.currentTimeMillisUnsafe()))
        if (ended || !room) yield* recorder.settled
      }
      yield* flush(framer)
      yield* recorder.settled
      yield* file.remove
      ingestedFiles += 1
      yield* Effect.logInfo(`${name}: ingested the file that was in the place of ${path}`)
    })
  )

  /** Ends when another FIFO, or none, is at the path. */
  const watch = Effect.fnUntraced(function* (identity: string, framer: LineFramer) {
    while (true) {
      yield* Effect.sleep(lookEvery)
      const now = yield* Effect.result(fifo.identity(path))
      // Not to be seen is not gone: the open FIFO may well have writers.
      if (now._tag === "Failure") note(now.failure.message, yield* Clock.currentTimeMillis)
      else if (now.success !== identity) return
      const silence = (yield* Clock.monotonicTimeNanos) - heardAt
      if (!paused && framer.unfinishedBytes > 0 && silence >= idleNanos) yield* flush(framer)
    }
  })

  /** From a FIFO that is in its place to one that is not. */
  const session = Effect.scoped(
    Effect.gen(function* () {
      yield* ingest
      if ((yield* fifo.place(path, options.mode)) === "aside-in-use") return
      const framer = new LineFramer(options, counts)
      // Finalizers run last in, first out: what is in the FIFO is read, it is closed, the unfinished line recorded.
      yield* Effect.addFinalizer(() => flush(framer))
      const current = yield* fifo.open(path, receive(framer))
      opened += 1
      yield* ingest
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          reading = current
          current.resume()
        }),
        () =>
          Effect.sync(() => {
            reading = undefined
          })
      )
      yield* Effect.raceFirst(current.failed, watch(current.identity, framer))
      yield* Effect.logInfo(`${name}: ${path} was removed or replaced`)
    })
  )

  const run = Effect.forever(session).pipe(
    Effect.tapError((error) =>
      Effect.flatMap(Clock.currentTimeMillis, (atMs) => Effect.sync(() => note(error.message, atMs)))
    )
  )

  /** The lines that wait for the log are this actor's mailbox. */
  const mailbox = {
    abandonInHand: Effect.void,
    stats: () => {
      const { stored, waiting } = recorder.stats()
      return { depth: waiting, capacity: LineRecorder.waitingLinesMax, handled: stored, dropped: 0, refused: 0 }
    }
  }

  yield* supervisor.start({ name, run, restart: "permanent", limits: endlessLimits, mailbox })

  return (): PipeStats => ({
    path,
    source: options.source,
    open: reading !== undefined,
    ...counts,
    ...recorder.stats(),
    bytes,
    reopened: Math.max(opened - 1, 0),
    ingestedFiles,
    lastError
  })
})

/** Fails to build when one of the paths cannot be a FIFO that the daemon reads. */
export const layerNoDeps = (options: ReadonlyArray<PipeOptions>) =>
  Layer.effect(
    Pipes,
    Effect.gen(function* () {
      const fifo = yield* Fifo
      // All of them before any is read: a daemon that will not start takes no lines.
      for (const { mode, path } of options) yield* fifo.place(path, mode)
      // Closed side by side: a log that takes nothing more costs one deadline, not one for each FIFO.
      const all = yield* Scope.fork(yield* Effect.scope, "parallel")
      const stats = yield* Effect.forEach(options, (each) =>
        Effect.flatMap(Scope.fork(all), (own) => Scope.provide(start(each), own))
      )
      return Pipes.of({ stats: () => stats.map((current) => current()) })
    })
  )

export const layer = (options: ReadonlyArray<PipeOptions>) => Layer.provide(layerNoDeps(options), Fifo.layer)
