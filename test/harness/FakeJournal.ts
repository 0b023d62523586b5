/**
 * A Journal in memory, with faults where a test puts them. Cursors are the numbers of the entries; what it holds outlives
 * its readers, as a journal outlives the daemon.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import {
  type FollowQuery,
  Journal,
  type JournalEntry,
  type JournalError,
  type JournalQuery
} from "../../src/services/journal/Journal.ts"

export interface FakeJournal {
  readonly layer: Layer.Layer<Journal>
  /** Says it as this unit, one entry for each message. */
  readonly write: (unit: string, messages: ReadonlyArray<string>, entry?: Partial<JournalEntry>) => void
  /** Lets go of all but the newest so many. */
  readonly vacuum: (kept: number) => void
  /** What was said from now on is of the next boot. */
  readonly reboot: () => void
  /** Ends whoever follows, and then all who ask, until it is undefined. */
  fault: JournalError | undefined
  /** Ends whoever follows, once. */
  readonly end: (error: JournalError) => void
  /** What followers asked for, in order. */
  readonly asked: ReadonlyArray<FollowQuery>
  /** Entries that one read gives. */
  chunk: number
}

interface Kept extends JournalEntry {
  readonly number: number
  readonly boot: number
}

export const makeFakeJournal = (): FakeJournal => {
  let entries: Array<Kept> = []
  let last = 0
  let boot = 1
  let stirred = Deferred.makeUnsafe<void, JournalError>()
  const asked: Array<FollowQuery> = []

  const stir = (exit: Effect.Effect<void, JournalError>) => {
    const before = stirred
    stirred = Deferred.makeUnsafe()
    Deferred.doneUnsafe(before, exit)
  }

  const matching = ({ after, priority = 7, since = 0, thisBoot, units }: JournalQuery) =>
    entries.filter(
      (entry) =>
        entry.unit !== null &&
        units.includes(entry.unit) &&
        entry.number > Number(after ?? 0) &&
        entry.realtimeUs >= since * 1000 &&
        (entry.priority ?? 0) <= priority &&
        (thisBoot !== true || entry.boot === boot)
    )

  const refused = Effect.suspend(() => (fake.fault === undefined ? Effect.void : Effect.fail(fake.fault)))

  const read = (query: FollowQuery, after: number) =>
    Effect.gen(function* () {
      while (true) {
        yield* refused
        const found = matching({ ...query, after: String(after) }).slice(0, fake.chunk)
        const next = found.at(-1)?.number
        if (next !== undefined) return [found, Option.some(next)] as const
        yield* Deferred.await(stirred)
      }
    })

  let fault: JournalError | undefined
  const fake: FakeJournal = {
    layer: Layer.mock(Journal, {
      cursor: ({ at, units }) =>
        Effect.map(refused, () => {
          const all = matching({ units })
          return at === undefined ? all.at(-1)?.cursor : all.find(({ number }) => number >= Number(at))?.cursor
        }),
      follow: (query) =>
        Stream.unwrap(
          Effect.sync(() => {
            asked.push(query)
            return Stream.paginate(Number(query.after ?? 0), (after) => read(query, after))
          })
        )
    }),
    write: (unit, messages, entry = {}) => {
      for (const message of messages) {
        last += 1
        const own = { cursor: String(last), number: last, boot, realtimeUs: last * 1_000_000, unit, message }
        const rest = { priority: 6, identifier: "program", pid: 77, hostname: "host" }
        entries.push({ ...rest, ...own, ...entry })
      }
      stir(Effect.void)
    },
    vacuum: (kept) => {
      entries = entries.slice(entries.length - kept)
    },
    reboot: () => {
      boot += 1
    },
    get fault() {
      return fault
    },
    set fault(next) {
      fault = next
      if (next !== undefined) stir(Effect.fail(next))
    },
    end: (error) => stir(Effect.fail(error)),
    asked,
    chunk: 100
  }
  return fake
}
