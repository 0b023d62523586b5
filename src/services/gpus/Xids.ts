/**
 * The Xid errors of this boot, as the driver has told the kernel's log: the journal is searched for them, the first time from
 * the machine's start on and then for what has come since, with a margin for a clock that was set back; once an hour the
 * whole is searched again. Journald finds nothing by a text without reading all, and kernels that are in trouble say much.
 *
 * Bounds: the newest `xidsMax` errors. Where the journal cannot be read, it says why.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { uptime } from "node:os"
import type { CurrentConfig } from "../config/CurrentConfig.ts"
import type { Journal, JournalEntry, JournalError } from "../journal/Journal.ts"
import { makeProbe } from "../probes/Probe.ts"
import { ToolTimeout } from "../tools/Tool.ts"
import type { Xid } from "./Gpus.ts"
import { xidMeaning } from "./xidMeanings.ts"

/** A GPU that falls off the bus says so some ten times; who wants more reads the journal. */
const xidsMax = 200

/** Of text that is searched out at once. */
const bytesMax = 256 * 1024

/** What one says is a line of some hundred characters. */
const textMax = 500

const marginMs = 300_000
const wholeEveryMs = 3_600_000

/** The kernel tells its own time from its start on, which is not quite what is counted from the clock. */
const bootMarginMs = 60_000

/** UNIX time in milliseconds, by the clock as it is set now. */
const bootedAt = (now: number): number => Math.max(0, now - Math.trunc(uptime() * 1000) - bootMarginMs)

/** What the regular expression of journalctl finds; `parseXid` looks closer. */
const grep = "NVRM: Xid"

/** `NVRM: Xid (PCI:0000:19:00): 79, pid=…`; older drivers leave out `PCI:`. */
const pattern = /NVRM: Xid \((?:PCI:)?([0-9a-f]{1,8}:[0-9a-f]{1,2}:[0-9a-f]{1,2})(?:\.[0-9a-f])?\): (\d{1,5})\b(.*)$/isu

export const parseXid = ({
  cursor,
  message,
  realtimeUs
}: Pick<JournalEntry, "cursor" | "message" | "realtimeUs">): Xid | undefined => {
  const [, pciBusId, number, rest] = pattern.exec(message) ?? []
  if (pciBusId === undefined || number === undefined || rest === undefined) return undefined
  return {
    cursor,
    at: Math.trunc(realtimeUs / 1000),
    number: Number(number),
    pciBusId: pciBusId.toLowerCase(),
    ...xidMeaning(Number(number)),
    text: rest.replace(/^[,\s]+/u, "").slice(0, textMax)
  }
}

export const makeXids = Effect.fnUntraced(function* (
  journal: Pick<Journal["Service"], "page">,
  config: Pick<CurrentConfig["Service"], "get">
) {
  let known: ReadonlyArray<Xid> = []
  /** By the wall clock, as the journal's times are. */
  let searchedAt: number | undefined
  let wholeAt = 0

  const ask: Effect.Effect<ReadonlyArray<Xid>, JournalError> = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const isWhole = searchedAt === undefined || now < searchedAt || now - wholeAt >= wholeEveryMs
    const boot = bootedAt(now)
    const since = isWhole ? boot : Math.max(boot, (searchedAt ?? now) - marginMs)
    const { entries } = yield* journal.page({ units: [], grep, since, lines: xidsMax, maxBytes: bytesMax })
    const found = entries.flatMap((entry) => parseXid(entry) ?? [])
    const old = new Set(known.map(({ cursor }) => cursor))
    known = (isWhole ? found : [...known, ...found.filter(({ cursor }) => !old.has(cursor))]).slice(-xidsMax)
    searchedAt = now
    if (isWhole) wholeAt = now
    return known
  })

  return yield* makeProbe<ReadonlyArray<Xid>, JournalError>({
    ask,
    freshMs: () => config.get().gpus.fresh_ms,
    deadlineMs: () => config.get().status.command_timeout_seconds * 1000,
    late: new ToolTimeout({ command: "journalctl" })
  })
})
