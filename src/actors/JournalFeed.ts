/**
 * Reads the journal of one unit into the event log. Part of JournalReader.
 *
 * The mark of the source is the cursor of the last entry that the log has, and moves with the entries it is about, in the
 * same transaction: whatever is killed, and whenever, the journal is read on right behind what is in the log. An append
 * whose answer was lost is sent again; the log knows by the mark whether it has it.
 *
 * What the daemon writes itself is passed over: whoever follows the log would else cause a line for each of its requests,
 * and an event for each line.
 *
 * Bounds: `inHandMax` entries at a time; journalctl waits meanwhile (Journal.follow). A log that takes nothing, a full
 * disk above all, is waited for without end, because the journal keeps what is not read. Where the journal itself has let
 * go of the entry of the mark (vacuumed, lost with a volatile journal), entries are missing: an event says so, and it
 * goes on with what is there. A missing or forbidden journalctl is told once and looked for again now and then; one that
 * ends is told and started again, with back-off and without end.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { EventRun } from "../services/events/Event.ts"
import { EventLog } from "../services/events/EventLog.ts"
import { entryRuns } from "../services/journal/entryRuns.ts"
import { Journal, type JournalEntry, type JournalError, type JournalQuery } from "../services/journal/Journal.ts"
import { redact } from "../services/units/redact.ts"
import type { FeedOptions } from "./JournalReader.ts"

/** One append: a transaction of some milliseconds, in which its fsync is the smaller part. */
export const inHandMax = 2048

/** The mark of a unit that had no entries when recording began: all that it has later is recorded. */
const atTheBeginning = ""

/** Ahead of a cursor whose entry is gone, when that has been told. A cursor begins with a letter. */
const toldGone = "~"

/** An append refused now may be taken a moment later (the store restarts), or when somebody has made room. */
const appendAgainFirst = Duration.millis(100)
const appendAgainMax = Duration.seconds(2)

/** Held up for longer, journalctl may have missed that the journal let go of entries: it is started anew. */
const heldUpMax = Duration.minutes(1)

/** A tool that is installed, or rights that are given, are noticed soon enough. */
const lookAgain = Duration.minutes(1)

/** What is wrong with a journalctl mostly ends it at once: one that goes on for so long is well. */
const startsWithin = Duration.seconds(2)

/** And its end, after so long, is the first of a row. */
const ranWell = Duration.minutes(1)
const startAgainFirst = Duration.millis(100)
const startAgainMax = Duration.seconds(30)

/** As process 1 it is alone in a container, and the journal is that of others. */
const ownPid = process.pid === 1 ? undefined : process.pid

/** It has to begin at the mark again. */
class BeginAgain extends Schema.TaggedError<BeginAgain>()("BeginAgain", {}) {}

type FeedFailure = JournalError | BeginAgain

export const feed = ({ journal: { from, priority }, messageMaxBytes, stats, unit }: FeedOptions) =>
  Effect.gen(function* () {
    const log = yield* EventLog
    const journal = yield* Journal
    const source = `journal:${unit.id}`
    const units = [unit.unit]
    const recording = { source, unit: unit.unit, messageMaxBytes }
    /** Where the log is, as far as it is known here. */
    let mark: string | undefined
    /** Ends of journalctl in a row, of which the first is told. */
    let failures = 0

    /** What it waits for: a log that takes events, and a journal that can be read. */
    const waiting: { log?: string | undefined; journal?: string | undefined } = {}

    const waits = (on: keyof typeof waiting, why: string | undefined) =>
      Effect.suspend(() => {
        if (waiting[on] === why) return Effect.void
        waiting[on] = why
        stats.waits = waiting.log ?? waiting.journal
        return why === undefined ? Effect.logInfo(`${source} goes on`) : Effect.logWarning(`${source} waits: ${why}`)
      })

    /** Appends the events and moves the mark; waits for a log that does not take them. Whether that took long. */
    const store = Effect.fnUntraced(function* (runs: ReadonlyArray<EventRun>, value: string) {
      const began = yield* Clock.monotonicTimeNanos
      let wait = appendAgainFirst
      while (true) {
        const outcome = yield* Effect.result(log.appendMarked(runs, { name: source, from: mark, value }))
        if (outcome._tag === "Success") break
        const error = outcome.failure
        if (error._tag === "MarkMoved") {
          // Either this append was stored and its answer lost, or one that an earlier life of this actor had left behind.
          if (error.value !== value) return yield* new BeginAgain()
          break
        }
        yield* waits("log", error.message)
        yield* Effect.sleep(wait)
        wait = Duration.min(Duration.times(wait, 2), appendAgainMax)
      }
      mark = value
      yield* waits("log", undefined)
      return (yield* Clock.monotonicTimeNanos) - began > Duration.toNanosUnsafe(heldUpMax)
    })

    const record = Effect.fnUntraced(
      function* (entries: ReadonlyArray<JournalEntry>) {
        const last = entries.at(-1)
        if (last === undefined) return
        stats.inHand = entries.length
        const others = entries.filter(({ pid }) => pid !== ownPid)
        const shown = yield* redact(
          unit,
          others.map(({ message }) => message)
        )
        const heldUp = yield* store(entryRuns(others, shown, recording), last.cursor)
        stats.recorded += others.length
        stats.passedOver += entries.length - others.length
        yield* waits("journal", undefined)
        if (heldUp) return yield* new BeginAgain()
      },
      Effect.ensuring(Effect.sync(() => void (stats.inHand = 0)))
    )

    /** Entries are missing: the event stands where they would. */
    const tellGap = Effect.fnUntraced(function* (why: string, value: string) {
      const receivedAt = yield* Clock.currentTimeNanos
      const fields = JSON.stringify({ unit: unit.unit, gap: true })
      const messages = [`[system-api] entries of the journal are missing here: ${why}`]
      yield* store([{ receivedAt, source, who: undefined, level: "warning", fields, messages }], value)
      stats.gaps += 1
    })

    /** What to ask the journal for, by the mark. */
    const beginning: Effect.Effect<Partial<JournalQuery>, JournalError | BeginAgain> = Effect.gen(function* () {
      mark = yield* log.mark(source)
      if (mark === undefined) {
        if (from === "boot") return { thisBoot: true }
        yield* store([], (yield* journal.cursor({ units })) ?? atTheBeginning)
      }
      if (mark === undefined || mark === atTheBeginning) return { since: 0 }
      if (mark.startsWith(toldGone)) return { after: mark.slice(toldGone.length) }
      if ((yield* journal.cursor({ units, at: mark })) !== mark) {
        yield* tellGap("the last one that was recorded is gone from it", `${toldGone}${mark}`)
        return yield* new BeginAgain()
      }
      return { after: mark }
    })

    const session: Effect.Effect<never, FeedFailure> = Effect.gen(function* () {
      const query = yield* beginning
      const reading = journal.follow({ ...query, units, priority, own: true }).pipe(
        Stream.runForEachArray((entries) => Effect.forEach(slicesOf(entries), record, { discard: true })),
        // It ends by failing only.
        Effect.andThen(Effect.never)
      )
      const goesWell = Effect.andThen(Effect.delay(waits("journal", undefined), startsWithin), Effect.never)
      return yield* Effect.raceFirst(reading, goesWell)
    })

    const tell = (error: { readonly message: string }) =>
      Effect.gen(function* () {
        const isNews = waiting.journal !== error.message
        yield* waits("journal", error.message)
        if (isNews) yield* log.record(`${source} waits: ${error.message}`, { level: "warning" })
      })

    const run: Effect.Effect<never> = Effect.gen(function* () {
      const began = yield* Clock.monotonicTimeNanos
      const error = yield* Effect.flip(session)
      switch (error._tag) {
        case "BeginAgain":
          return
        case "JournalCursorUnknown":
          return yield* Effect.ignore(tellGap("its cursors are those of another journal", atTheBeginning))
        case "ToolMissing":
        case "JournalForbidden":
          yield* tell(error)
          return yield* Effect.sleep(lookAgain)
        default: {
          const ran = (yield* Clock.monotonicTimeNanos) - began
          failures = ran > Duration.toNanosUnsafe(ranWell) ? 1 : failures + 1
          yield* failures === 1 ? tell(error) : waits("journal", error.message)
          yield* Effect.sleep(
            Duration.min(Duration.times(startAgainFirst, 2 ** Math.min(failures - 1, 20)), startAgainMax)
          )
        }
      }
    }).pipe(Effect.forever)

    return yield* run
  })

const slicesOf = (entries: ReadonlyArray<JournalEntry>): ReadonlyArray<ReadonlyArray<JournalEntry>> =>
  entries.length <= inHandMax
    ? [entries]
    : Array.from({ length: Math.ceil(entries.length / inHandMax) }, (_, i) =>
        entries.slice(i * inHandMax, (i + 1) * inHandMax)
      )
