/**
 * JournalReader: records the journals of the units with `record = true` in the event log, each entry once, whatever becomes
 * of the daemon, the log or journalctl meanwhile. Owns which units are read; how one is read is in JournalFeed.ts.
 *
 * Each unit has a journalctl and a mark of its own (`journal:ID`). One for all would be one process less per unit, but what
 * a unit that is recorded from today on has said since the boot, and what another has said while it was not recorded,
 * lies behind the one mark; and only journalctl knows for sure which unit an entry belongs to.
 *
 * Bounds: `recordedMax` units (resolveUnits), and for each of them what JournalFeed has in hand. A reload is noticed
 * within `lookEvery`: feeds whose unit has not changed are left alone. A feed sees to its own failures; what it does not
 * foresee fails this actor, whose restart begins every feed at its mark again.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import type { Config, UnitConfig } from "../services/config/Config.ts"
import type { EventLog } from "../services/events/EventLog.ts"
import type { Journal } from "../services/journal/Journal.ts"
import { JournalFeeds, type JournalFeedStats } from "../services/journal/JournalFeeds.ts"
import { Metrics, type Sample } from "../services/metrics/Metrics.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

const actor = "JournalReader"

/** A reload is rare, and nothing is lost until it is seen. */
const lookEvery = Duration.seconds(1)

/** What a feed does, and is read in while it does. */
export type FeedStats = { -readonly [K in keyof JournalFeedStats]: JournalFeedStats[K] } & { inHand: number }

export interface FeedOptions {
  readonly unit: UnitConfig
  readonly journal: Config["journal"]
  readonly messageMaxBytes: number
  readonly stats: FeedStats
}

/** Loaded with the first unit that is recorded. */
interface FeedModule {
  /** Runs until it is interrupted. */
  readonly feed: (options: FeedOptions) => Effect.Effect<never, never, EventLog | Journal>
  /** Entries that one feed has in hand at the most. */
  readonly inHandMax: number
}

type Wanted = Omit<FeedOptions, "stats">

const wantedOf = ({ events, journal, units }: Config): ReadonlyMap<string, Wanted> =>
  new Map(
    [...units.values()]
      .filter(({ record }) => record)
      .map((unit) => [unit.id, { unit, journal, messageMaxBytes: events.message_max_bytes }])
  )

const noStats = (id: string): FeedStats => ({
  id,
  recorded: 0,
  passedOver: 0,
  gaps: 0,
  waits: undefined,
  inHand: 0
})

export const layerWith = (load: Effect.Effect<FeedModule>) =>
  Layer.effect(
    JournalFeeds,
    Effect.gen(function* () {
      const current = yield* CurrentConfig
      const supervisor = yield* Supervisor
      const context = yield* Effect.context<EventLog | Journal>()
      /** Of every unit that has been recorded since the start; as many as the file has ever named. */
      const stats = new Map<string, FeedStats>()
      let running: ReadonlyMap<string, Wanted> = new Map()
      let capacity = 0

      const statsOf = (id: string): FeedStats => {
        const known = stats.get(id) ?? noStats(id)
        stats.set(id, known)
        return known
      }

      /** Ends the feeds that are not wanted as they are any longer, and begins those that are not there. */
      const settle = Effect.fnUntraced(function* (feeds: FiberMap.FiberMap<string>, wanted: typeof running) {
        for (const [id, was] of running) {
          if (!Equal.equals(was, wanted.get(id))) yield* FiberMap.remove(feeds, id)
        }
        for (const [id, options] of wanted) {
          if (FiberMap.hasUnsafe(feeds, id)) continue
          const { feed, inHandMax } = yield* load
          capacity = inHandMax
          yield* FiberMap.run(feeds, id, Effect.provideContext(feed({ ...options, stats: statsOf(id) }), context))
        }
        running = wanted
      })

      const run = Effect.scoped(
        Effect.gen(function* () {
          running = new Map()
          const feeds = yield* FiberMap.make<string>()
          while (true) {
            const config = current.get()
            yield* settle(feeds, wantedOf(config))
            yield* Effect.timeoutOption(FiberMap.join(feeds), lookEvery)
          }
        })
      )

      const total = (of: (feed: FeedStats) => number) => [...stats.values()].reduce((sum, feed) => sum + of(feed), 0)
      const mailbox = {
        abandonInHand: Effect.void,
        stats: () => ({
          depth: total(({ inHand }) => inHand),
          capacity: capacity * running.size,
          handled: total(({ passedOver, recorded }) => passedOver + recorded),
          dropped: 0,
          refused: 0
        })
      }
      yield* supervisor.start({ name: actor, run, restart: "permanent", limits: endlessLimits, mailbox })

      yield* (yield* Metrics).register(() => [...stats.values()].flatMap(samples))

      return JournalFeeds.of({
        stats: () => [...running.keys()].flatMap((id) => stats.get(id) ?? [])
      })
    })
  )

/** A label that is called `unit` is taken for that of the value, and not shown. */
const samples = ({ gaps, id, passedOver, recorded, waits }: JournalFeedStats): ReadonlyArray<Sample> => {
  const counter = (name: string, help: string, value: number): Sample => ({
    name: `systemapi_journal_${name}_total`,
    help,
    kind: "counter",
    value,
    labels: { journal: id }
  })
  return [
    counter("recorded", "Entries of the journal that became events", recorded),
    counter("passed_over", "Entries of the journal that the daemon had written itself", passedOver),
    counter("gaps", "Times that entries of the journal were gone before they were read", gaps),
    {
      name: "systemapi_journal_waiting",
      help: "Whether the journal of the unit is not recorded at the moment, for want of the journal or the log",
      value: Number(waits !== undefined),
      labels: { journal: id }
    }
  ]
}

export const layer = layerWith(Effect.promise(() => import("./JournalFeed.ts")))
