/** Between the log's shapes and the storage worker's. */
import { type Event, type EventRun, levels, offsetMax } from "../events/Event.ts"
import type { EventPage, EventQuery } from "../events/EventQuery.ts"
import type { ScanRange, ScanResult, WireAppend, WireRow, WireRows, WireRun } from "./protocol.ts"

/** Below this a statement for each event is cheaper than one for the run. */
const statementMin = 3

/** The events of one transaction, in order. */
export const toWire = (runs: ReadonlyArray<EventRun>): ReadonlyArray<WireAppend> => {
  const appends: Array<WireAppend> = []
  for (let at = 0; at < runs.length;) {
    const run = runs[at]
    if (run === undefined) break
    const end = rowsEnd(runs, at, run)
    appends.push(end === at ? toWireRun(run) : toWireRows(run, runs.slice(at, end)))
    at = Math.max(end, at + 1)
  }
  return appends
}

/** Where the short runs end that come from the same writer as the one at `start`. */
const rowsEnd = (runs: ReadonlyArray<EventRun>, start: number, { receivedAt, source, who }: EventRun): number => {
  let end = start
  for (let run = runs[end]; run !== undefined; run = runs[++end]) {
    if (run.messages.length >= statementMin || run.source !== source || run.who !== who) break
    if (run.receivedAt !== receivedAt && Math.abs(Number(run.receivedAt - receivedAt)) > offsetMax) break
  }
  return end
}

const toWireRun = ({ fields, level, messages, offsets, receivedAt, source, who }: EventRun): WireRun => ({
  tag: "run",
  receivedAt,
  offsets: offsets === undefined ? null : Float64Array.from(offsets),
  source,
  who: who ?? null,
  level: levels.indexOf(level),
  fields: fields ?? null,
  messages: JSON.stringify(messages),
  count: messages.length
})

const toWireRows = ({ receivedAt, source, who }: EventRun, runs: ReadonlyArray<EventRun>): WireRows => {
  const messages: Array<string> = []
  const fields: Array<string | null> = []
  const levelsOf: Array<number> = []
  const offsets: Array<number> = []
  for (const run of runs) {
    const level = levels.indexOf(run.level)
    const later = run.receivedAt === receivedAt ? 0 : Number(run.receivedAt - receivedAt)
    for (const [i, message] of run.messages.entries()) {
      messages.push(message)
      fields.push(run.fields ?? null)
      levelsOf.push(level)
      offsets.push(later + (run.offsets?.[i] ?? 0))
    }
  }
  return {
    tag: "rows",
    receivedAt,
    offsets: offsets.some((offset) => offset !== 0) ? Float64Array.from(offsets) : null,
    source,
    who: who ?? null,
    levels: Uint8Array.from(levelsOf),
    fields,
    messages,
    count: messages.length
  }
}

export const toScanRange = ({ after, before, filters, limit, order }: EventQuery): ScanRange => ({
  from: after + 1,
  to: before - 1,
  newestFirst: order === "newest-first",
  limit,
  since: filters.since ?? null,
  until: filters.until ?? null,
  source: filters.source ?? null,
  levels: filters.levels?.map((level) => levels.indexOf(level)) ?? null,
  who: filters.who ?? null,
  fields: filters.fields ?? [],
  // Only the letters that SQLite's lower() changes.
  terms: filters.terms?.map((term) => term.replace(/[A-Z]/gu, (letter) => letter.toLowerCase())) ?? []
})

export const toPage = (result: ScanResult): EventPage => ({
  events: result.rows.map(toEvent),
  through: result.through,
  done: result.done
})

const toEvent = ([seq, seconds, nanos, source, who, level, message, fields]: WireRow): Event => ({
  seq,
  receivedAt: BigInt(seconds) * 1_000_000_000n + BigInt(nanos),
  source,
  who: who ?? undefined,
  level: levels[level] ?? "info",
  message,
  fields: fields ?? undefined
})
