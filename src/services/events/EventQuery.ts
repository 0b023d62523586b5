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
  readonly levels?: ReadonlyArray<Level>
  /** Every term must occur in the message; letters A–Z match either case. */
  readonly terms?: ReadonlyArray<string>
}

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
