/**
 * The journal of one execution: what it has done, in memory and in the store. What is noted is durable when `note`
 * succeeds; an unwritable store is asked again until it takes it, because work that nobody could remember may not begin,
 * and work that is done must not be forgotten.
 *
 * Bounds: it is as long as the execution's activities, deferreds and clocks are many; it goes with the execution.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { JournalEntry, OperationStore } from "../operations/OperationStore.ts"
import type { OperationsUnavailable } from "../operations/Operations.ts"

export type JournalStore = Pick<OperationStore["Service"], "journal" | "note">

/** A full disk is emptied by people: often enough to go on soon, seldom enough not to be a load. */
const again = Schedule.min([Schedule.exponential("100 millis", 2), Schedule.spaced("5 seconds")])

/** Asks the store until it answers. Told once: what lasts is told by the store's own health. */
export const insistently = <A>(ask: Effect.Effect<A, OperationsUnavailable>): Effect.Effect<A> =>
  Effect.catch(ask, (error) =>
    Effect.andThen(Effect.logWarning(`${error.message}; trying again`), Effect.orDie(Effect.retry(ask, again)))
  )

/** One line of it. */
export type Entry = Omit<JournalEntry, "operation" | "key"> & {
  /** Written by an earlier run of the daemon. */
  readonly earlier: boolean
}

export interface Journal {
  readonly get: (key: string) => Entry | undefined
  /** The same, for who replays it: what an earlier run of the daemon has left is seen once more. */
  readonly replay: (key: string) => Entry | undefined
  /** Completes when all that an earlier run has left under the prefix of `replay`s has been seen. */
  readonly replayed: Deferred.Deferred<void>
  readonly note: (key: string, entry: Pick<Entry, "exit" | "process">) => Effect.Effect<void>
}

export const loadJournal = Effect.fnUntraced(function* (
  store: JournalStore,
  operation: string,
  isReplayed: (key: string) => boolean
): Effect.fn.Return<Journal> {
  const entries = new Map<string, Entry>()
  const unseen = new Set<string>()
  for (const { begunAt, exit, key, process } of yield* insistently(store.journal(operation))) {
    entries.set(key, { begunAt, exit, process, earlier: true })
    if (isReplayed(key)) unseen.add(key)
  }
  const replayed = Deferred.makeUnsafe<void>()
  const seen = (key: string) => {
    unseen.delete(key)
    if (unseen.size === 0) Deferred.doneUnsafe(replayed, Effect.void)
  }
  seen("")
  return {
    get: (key) => entries.get(key),
    replay: (key) => {
      seen(key)
      return entries.get(key)
    },
    replayed,
    note: Effect.fnUntraced(function* (key, { exit, process }) {
      const begunAt = entries.get(key)?.begunAt ?? (yield* Clock.currentTimeMillis)
      const entry = { begunAt, exit, process }
      entries.set(key, { ...entry, earlier: false })
      yield* insistently(store.note({ operation, key, ...entry }))
    })
  }
})
