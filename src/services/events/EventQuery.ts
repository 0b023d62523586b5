/**
 * A query over the log: a range of sequence numbers, filters, and which end to start from. A page is bounded three
 * ways (events returned, bytes returned, rows looked at), so that no query can hold the store's one thread for long;
 * a caller that wants more asks again from `through`.
 */
import type { Event, Level } from "./Event.ts"

export interface EventFilters {
  /** Inclusive, nanoseconds since the epoch. */
  readonly since?: bigint
  /** Exclusive, nanoseconds since the epoch. */
  readonly until?: bigint
  readonly source?: string
  /** Without it, every level but `audit`: an audit entry is shown to whoever asks for that level, and to nobody else. */
  readonly levels?: ReadonlyArray<Level>
  readonly who?: string
  /** All of them must hold. */
  readonly fields?: ReadonlyArray<FieldFilter>
  /** Every term must occur in the message; letters A–Z match either case. */
  readonly terms?: ReadonlyArray<string>
}

/** What one of the fields must be, at their top level: a text. */
export interface FieldFilter {
  readonly name: string
  readonly text: string
  /** The text is how the field begins. */
  readonly isPrefix: boolean
}

/** What the readers of the log are not shown. */
export const isHidden = (level: Level): level is "audit" => level === "audit"

export interface EventQuery {
  /** Events with a greater seq. */
  readonly after: number
  /** Events with a smaller seq. */
  readonly before: number
  readonly order: "oldest-first" | "newest-first"
  /** At most this many events. */
  readonly limit: number
  readonly filters: EventFilters
}

/** Counts events that readers are shown, from one end of a range. */
export interface SeekQuery {
  readonly after: number
  readonly before: number
  readonly order: "oldest-first" | "newest-first"
  readonly count: number
}

export interface SeekResult {
  /** Seq of the event that was counted last, or how far it was looked. */
  readonly through: number
  readonly found: number
  /** As many were found as were asked for, or nothing is left in the range. */
  readonly done: boolean
}

export interface EventPage {
  readonly events: ReadonlyArray<Event>
  /** Everything up to (or, newest first, down to) this seq was looked at; where to go on from. */
  readonly through: number
  /** Nothing is left in the range asked for. */
  readonly done: boolean
}

export const noFilters: EventFilters = {}

/** Rows one page may look at: about 5 ms of the store's thread. */
export const pageRowsMax = 8192

/** Text one page may return, but for its first event: what a client that does not read costs is a page or two. */
export const pageBytesMax = 256 * 1024
