/**
 * An audit entry as an event of the log: one readable line, and everything by name in its fields, always in the same
 * order. What came from a caller is cut to a bounded length; the line has its control characters escaped, the fields keep
 * them. A query never gets here, for it may hold anything.
 */
import { daemonSource, type EventRun } from "../events/Event.ts"
import { escapeControls } from "../events/render.ts"
import type { AuditEntry } from "./Audit.ts"

/** Entries that stand for many, which were alike. */
export interface Summed {
  readonly count: number
  /** Nanoseconds since the epoch. */
  readonly firstAt: bigint
  readonly lastAt: bigint
}

/** Longer than any path of ours; a request line may have 64 KiB. */
const pathMax = 1024

/** A sentence or two; the longest justification is as long. */
const textMax = 512

const cut = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max)}…`).toWellFormed()

const textOf = (value: string | undefined): string | undefined =>
  value === undefined ? undefined : cut(value, textMax)

const isoOf = (nanos: bigint): string => new Date(Number(nanos / 1_000_000n)).toISOString()

/** To the microsecond, as far as a clock of a request goes. */
const millis = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : Math.round(value * 1000) / 1000

/** What is undefined is left out. */
const fieldsOf = (entry: AuditEntry, summed: Summed | undefined): string =>
  JSON.stringify({
    action: textOf(entry.action),
    outcome: entry.outcome,
    who: textOf(entry.who),
    kind: entry.kind,
    address: textOf(entry.address),
    listener: textOf(entry.listener),
    request_id: textOf(entry.requestId),
    on: textOf(entry.on),
    method: textOf(entry.method),
    path: entry.path === undefined ? undefined : cut(entry.path, pathMax),
    status: entry.status,
    duration_ms: millis(entry.durationMs),
    justification: textOf(entry.justification),
    detail: textOf(entry.detail),
    credential: textOf(entry.credential),
    count: summed?.count,
    first_at: summed === undefined ? undefined : isoOf(summed.firstAt),
    last_at: summed === undefined ? undefined : isoOf(summed.lastAt)
  })

/** `[audit] admin granted actions:run:restart_web POST /api/v1/actions/restart_web 200` */
const lineOf = (entry: AuditEntry, summed: Summed | undefined): string => {
  const { action, detail, kind, method, on, outcome, path, status, who } = entry
  const words = [
    who ?? kind,
    outcome,
    action === "request" ? undefined : action,
    on,
    method,
    path === undefined ? undefined : cut(path, pathMax),
    status,
    summed === undefined ? undefined : `${summed.count} times`
  ].filter((word) => word !== undefined)
  const line = words.map((word) => cut(String(word), pathMax)).join(" ")
  return `[audit] ${escapeControls(detail === undefined ? line : `${line}: ${cut(detail, textMax)}`)}`
}

export const auditRun = (entry: AuditEntry, receivedAt: bigint, summed?: Summed): EventRun => ({
  receivedAt,
  source: daemonSource,
  who: textOf(entry.who),
  level: "audit",
  fields: fieldsOf(entry, summed),
  messages: [lineOf(entry, summed)]
})
