/**
 * One look at the watched units, and what it finds recorded: for each change an event, with the last lines of the unit's
 * journal where they say why. What was told last is kept as a mark beside the event, so that it is told once, whatever
 * becomes of the daemon meanwhile; what happened while it was away is told at its first look.
 *
 * Bounds: `eventsMax` events of a unit in `eventsWithinMs`. What comes on top of them is counted, and the next event tells
 * the sum of it. Journal: `watch.log_lines` lines, `journalBytesMax`, `journalPatience`.
 * On failure: an event that cannot be stored is told at a later look; without a journal it says why it has none.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { UnitConfig } from "../services/config/Config.ts"
import type { CurrentConfig } from "../services/config/CurrentConfig.ts"
import type { EventLog } from "../services/events/EventLog.ts"
import type { Journal } from "../services/journal/Journal.ts"
import { ToolTimeout } from "../services/tools/Tool.ts"
import { redact } from "../services/units/redact.ts"
import { type Change, changeOf, isSame, Known, knownOf } from "../services/units/unitChange.ts"
import type { Units, UnitState } from "../services/units/Units.ts"

export interface LookServices {
  readonly config: Pick<CurrentConfig["Service"], "get">
  readonly journal: Pick<Journal["Service"], "page">
  readonly log: Pick<EventLog["Service"], "appendMarked" | "mark">
  readonly units: Pick<Units["Service"], "readAnew">
}

/** A unit that fails and comes back all the time says nothing new more often than that. */
const eventsMax = 4
const eventsWithinMs = 60_000

/** Of messages in one event. */
const journalBytesMax = 8192

/** A journal that is slow must not hold up the looks at the other units. */
const journalPatience = Duration.seconds(5)

const noJournal = new ToolTimeout({ command: "journalctl" })

/** What is remembered of a unit between looks. */
interface Memory {
  /** At the last look. */
  seen: Known | undefined
  /** When it was told of, by the monotonic clock in milliseconds. */
  told: ReadonlyArray<number>
  leftOut: number
}

const KnownText = Schema.fromJsonString(Known)
const decodeKnown = Schema.decodeUnknownOption(KnownText)

export const makeLooks = ({ config, journal, log, units }: LookServices) => {
  const memories = new Map<string, Memory>()

  const memoryOf = (id: string): Memory => {
    const memory = memories.get(id) ?? { seen: undefined, told: [], leftOut: 0 }
    memories.set(id, memory)
    return memory
  }

  /** What explains it; none of a unit whose logs are off. */
  const linesOf = Effect.fnUntraced(function* (unit: UnitConfig) {
    const lines = config.get().watch.log_lines
    if (!unit.logs || lines === 0) return {}
    const page = journal.page({ units: [unit.unit], lines, maxBytes: journalBytesMax })
    return yield* page.pipe(
      Effect.timeoutOrElse({ duration: journalPatience, orElse: () => Effect.fail(noJournal) }),
      Effect.flatMap(({ entries }) =>
        redact(
          unit,
          entries.map(({ message }) => message)
        )
      ),
      Effect.match({
        onFailure: ({ message }) => ({ journal_error: message }),
        onSuccess: (journal) => ({ journal })
      })
    )
  })

  const fieldsOf = (
    unit: UnitConfig,
    change: Change,
    state: UnitState,
    before: Known | undefined,
    leftOut: number
  ) => ({
    unit: unit.unit,
    event: change.event,
    from: before?.condition ?? null,
    to: `${state.active_state ?? "unknown"}/${state.sub_state ?? "unknown"}`,
    result: state.result,
    exit_status: state.exit_status,
    restarts: state.restarts,
    invocation_id: state.invocation_id,
    ...(leftOut === 0 ? {} : { left_out: leftOut })
  })

  const lookAt = Effect.fnUntraced(function* (unit: UnitConfig, state: UnitState) {
    const now = knownOf(unit, state)
    const memory = memoryOf(unit.id)
    const { seen } = memory
    memory.seen = now
    if (now === undefined) return
    const name = `unit:${unit.id}`
    const from = yield* log.mark(name)
    const stored = Option.getOrUndefined(decodeKnown(from))
    const before = stored?.unit === unit.unit ? stored : undefined
    if (before !== undefined && isSame(before, now)) return
    // One that fails again at once is not well, and one that is about to be started is not down: they are looked at twice.
    const isSettled = seen !== undefined && isSame(seen, now)
    const isPassing = now.condition === "down" || (now.condition === "well" && before?.condition !== "well")
    if (before !== undefined && isPassing && !isSettled) return
    const change = changeOf(before, now, state)
    const mark = { name, from, value: JSON.stringify(now) }
    if (change === undefined) {
      yield* log.appendMarked([], mark)
      return
    }
    const at = Number((yield* Clock.monotonicTimeNanos) / 1_000_000n)
    memory.told = memory.told.filter((told) => at - told < eventsWithinMs)
    if (memory.told.length >= eventsMax) {
      if (!isSettled) memory.leftOut += 1
      return
    }
    const fields = {
      ...fieldsOf(unit, change, state, before, memory.leftOut),
      ...(change.explained ? yield* linesOf(unit) : {})
    }
    yield* log.appendMarked(
      [
        {
          receivedAt: yield* Clock.currentTimeNanos,
          source: name,
          who: undefined,
          level: change.level,
          fields: JSON.stringify(fields),
          messages: [change.message]
        }
      ],
      mark
    )
    memory.told = [...memory.told, at]
    memory.leftOut = 0
  })

  /** Fails where systemctl does not answer; what it said some time ago is no news. */
  return Effect.gen(function* () {
    const watched = [...config.get().units.values()].filter(({ watch }) => watch)
    if (watched.length === 0) return
    const { error, value } = yield* units.readAnew
    if (error !== undefined) return yield* error
    for (const unit of watched) {
      const state = value.get(unit.id)
      if (state === undefined) continue
      yield* Effect.catch(lookAt(unit, state), ({ message }) =>
        Effect.logWarning(`what became of ${unit.unit} is told later: ${message}`)
      )
    }
    for (const id of memories.keys()) if (!config.get().units.has(id)) memories.delete(id)
  })
}
