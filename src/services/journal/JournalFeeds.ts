/** The journals that are recorded in the event log, as the rest of the daemon sees them. */
import * as Context from "effect/Context"

export interface JournalFeedStats {
  /** Of the unit, as it is configured. */
  readonly id: string
  /** Entries that became events, since the daemon started. */
  readonly recorded: number
  /** Entries that the daemon wrote itself, which are passed over. */
  readonly passedOver: number
  /** How often entries were gone before they could be read. */
  readonly gaps: number
  /** Why it does not go on at the moment, if so. */
  readonly waits: string | undefined
}

export class JournalFeeds extends Context.Service<
  JournalFeeds,
  {
    /** One for each unit that is recorded now. */
    readonly stats: () => ReadonlyArray<JournalFeedStats>
  }
>()("systemapi/services/journal/JournalFeeds") {}
