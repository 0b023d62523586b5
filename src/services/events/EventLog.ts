/**
 * The one ordered, durable event log, as the rest of the daemon sees it. Served by the EventStore actor.
 *
 * An append that succeeded is on disk (fsynced) and visible to every reader. Readers never block writers: whoever
 * follows the log keeps a cursor and waits for the head to pass it, so a slow reader costs nothing but its own time.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ActorUnavailable } from "../ActorUnavailable.ts"
import type { EventRun, SeqRange } from "./Event.ts"
import type { EventPage, EventQuery, SeekQuery } from "./EventQuery.ts"
import type { MarkMove, MarkMoved } from "./Mark.ts"
import type { RecentEvents } from "./RecentEvents.ts"

/** The store's file system has no room or is read-only: nothing was stored, and reads go on (HTTP 507). */
export class StoreFull extends Schema.TaggedError<StoreFull>()("StoreFull", { reason: Schema.String }) {
  override get message() {
    return `the event store cannot take new events: ${this.reason}`
  }
}

/** The store failed otherwise. `stored: "unknown"` where the failure struck between writing and confirming (HTTP 503). */
export class StoreFailed extends Schema.TaggedError<StoreFailed>()("StoreFailed", {
  reason: Schema.String,
  stored: Schema.Literals(["no", "unknown"])
}) {
  override get message() {
    return `the event store failed: ${this.reason}${this.stored === "unknown" ? "; whether the event was stored is unknown" : ""}`
  }
}

export type AppendError = StoreFull | StoreFailed | ActorUnavailable

/**
 * First and last event still stored (last is 0 in an empty log), and the highest seq that retention has removed: of what
 * readers are shown, nothing is left up to there. Audit entries have limits of their own and may be older, or be gone
 * from between the others.
 */
export interface LogBounds {
  readonly first: number
  readonly last: number
  readonly removedThrough: number
  /** How many seqs after `removedThrough` are of audit entries, stored or removed: readers are shown all the others. */
  readonly hidden: number
  /** Bytes in use in the store file, as of the last look. */
  readonly bytes: number
}

/** How much of the log is kept; 0 (null) turns a limit off. */
export interface RetainLimits {
  readonly maxCount: number
  /** Of the whole store; audit entries are not removed for it. */
  readonly maxBytes: number
  /** Events received before this go (nanoseconds since the epoch). */
  readonly receivedBefore: bigint | null
  /** Audit entries go by these alone; without them they stay. */
  readonly audit?: { readonly maxCount: number; readonly receivedBefore: bigint | null }
}

export interface RetainResult extends LogBounds {
  readonly removed: SeqRange | null
  readonly auditRemoved: number
  readonly more: boolean
}

export class EventLog extends Context.Service<
  EventLog,
  {
    /** Succeeds once the runs are durable and visible; all of them, in this order and without others between, or none. */
    readonly append: (runs: ReadonlyArray<EventRun>) => Effect.Effect<SeqRange, AppendError>
    /**
     * As `append`, also of no runs at all, and moves the source's mark with them. Where the answer was lost the same may be
     * sent again: what was stored then is told by `MarkMoved` with its own value.
     */
    readonly appendMarked: (
      runs: ReadonlyArray<EventRun>,
      mark: MarkMove
    ) => Effect.Effect<SeqRange, AppendError | MarkMoved>
    /** Where a source was left, as of the last append that was told: one that is on its way may have moved it. */
    readonly mark: (name: string) => Effect.Effect<string | undefined>
    /** Records what the daemon itself did, `[system-api] …`; a failure is logged, never raised. */
    readonly record: (message: string, options?: RecordOptions) => Effect.Effect<void>
    /**
     * Waits until what `record` was given before now is visible or has failed; a second at most. Whoever answers a client from the log
     * waits for it first: what that client was answered before may still be on its way to the disk.
     */
    readonly recorded: Effect.Effect<void>
    /** One bounded page; `through` says where to go on. */
    readonly query: (query: EventQuery) => Effect.Effect<EventPage, StoreFailed | ActorUnavailable>
    /**
     * The seq of the `count`-th event of the range, counted from its end, or where the range ends if it has fewer; of
     * those that readers are shown.
     */
    readonly seek: (query: SeekQuery) => Effect.Effect<number, StoreFailed | ActorUnavailable>
    /** Removes a bounded number of the oldest events beyond the limits; `more` says to call again. */
    readonly retain: (limits: RetainLimits) => Effect.Effect<RetainResult, StoreFull | StoreFailed>
    readonly bounds: () => LogBounds
    /** Waits until there is an event after `seq` that readers are shown. */
    readonly awaitAfter: (seq: number) => Effect.Effect<void>
    /** The newest events, in memory. */
    readonly recent: RecentEvents
    /** Why writes fail at the moment, if they do. */
    readonly degraded: () => string | undefined
  }
>()("systemapi/services/events/EventLog") {}

export interface RecordOptions {
  readonly level?: EventRun["level"]
  readonly who?: string | undefined
  readonly fields?: string
}
