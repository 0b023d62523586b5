/** Between the log's shapes and the storage worker's. */
import { type Event, type EventRun, levels } from "../events/Event.ts"
import type { EventPage, EventQuery } from "../events/EventQuery.ts"
import type { ScanRange, ScanResult, WireRow, WireRun } from "./protocol.ts"

export const toWireRun = (run: EventRun): WireRun => ({
  receivedAt: run.receivedAt,
  source: run.source,
  who: run.who ?? null,
  level: levels.indexOf(run.level),
  fields: run.fields ?? null,
  messages: JSON.stringify(run.messages),
  count: run.messages.length
})

export const toScanRange = ({ after, before, filters, limit, order }: EventQuery): ScanRange => ({
  from: after + 1,
  to: before - 1,
  newestFirst: order === "newest-first",
  limit,
  since: filters.since ?? null,
  until: filters.until ?? null,
  source: filters.source ?? null,
  levels: filters.levels?.map((level) => levels.indexOf(level)) ?? null,
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
