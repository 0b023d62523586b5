/**
 * Durable storage of the event log: the capability the EventStore actor stands on and fault injection replaces.
 * The real one is a worker thread over SQLite (EventStorageWorker); nothing else knows that.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { EventRun, SeqRange } from "../events/Event.ts"
import type { EventPage, EventQuery, SeekQuery, SeekResult } from "../events/EventQuery.ts"
import type { LogBounds, RetainLimits, RetainResult } from "../events/EventLog.ts"

/** Damage is found when the store is opened, or when a page is read long after: who meets it is told what to do. */
export const howToRecover = (directory: string): string =>
  `To recover what can be read: systemapi events export --store ${directory} --output events.ndjson ` +
  "(or .recover of sqlite3); to start afresh: move the directory aside, then systemapi events import events.ndjson"

/** The store could not be opened: the daemon does not start (exit 1). */
export class StoreUnusable extends Schema.TaggedError<StoreUnusable>()("StoreUnusable", {
  directory: Schema.String,
  kind: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    const where = `event store ${this.directory}`
    switch (this.kind) {
      case "busy":
        return `${where}: another systemapi holds it (${this.reason})`
      case "corrupt":
        return `${where}: store.sqlite cannot be used: ${this.reason}. It was left as it is. ${howToRecover(this.directory)}`
      default:
        return `${where}: ${this.reason}`
    }
  }
}

/** No room, or read-only: the transaction was rolled back, later ones may succeed. */
export class StorageFull extends Schema.TaggedError<StorageFull>()("StorageFull", { reason: Schema.String }) {
  override get message() {
    return `event store: ${this.reason}`
  }
}

/** The request failed and changed nothing. */
export class StorageFailed extends Schema.TaggedError<StorageFailed>()("StorageFailed", { reason: Schema.String }) {
  override get message() {
    return `event store: ${this.reason}`
  }
}

/** The connection is gone (worker died, fsync failed): what the last request did is unknown until it is reopened. */
export class StorageLost extends Schema.TaggedError<StorageLost>()("StorageLost", { reason: Schema.String }) {
  override get message() {
    return `event store: ${this.reason}`
  }
}

export class EventStorage extends Context.Service<
  EventStorage,
  {
    /**
     * One transaction: succeeds after fsync, with the seqs given. Seqs are gapless over restarts and failures. The marks
     * are set in it too, each to its new value, whatever it was.
     */
    readonly append: (
      runs: ReadonlyArray<EventRun>,
      marks?: ReadonlyMap<string, string>
    ) => Effect.Effect<SeqRange, StorageFull | StorageFailed | StorageLost>
    /** Every mark and its value. */
    readonly marks: Effect.Effect<ReadonlyMap<string, string>, StorageFailed | StorageLost>
    /** One bounded slice of a query. */
    readonly scan: (query: EventQuery) => Effect.Effect<EventPage, StorageFailed | StorageLost>
    /** One bounded slice of a count. */
    readonly seek: (query: SeekQuery) => Effect.Effect<SeekResult, StorageFailed | StorageLost>
    /** Removes a bounded number of the oldest events beyond the limits; `more` says to call again. */
    readonly retain: (limits: RetainLimits) => Effect.Effect<RetainResult, StorageFull | StorageFailed | StorageLost>
    /** What is stored now. Reopens a lost connection. */
    readonly state: Effect.Effect<LogBounds, StorageFailed | StorageLost>
  }
>()("systemapi/services/storage/EventStorage") {}
