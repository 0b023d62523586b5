/** The journal of a unit: its newest entries, those between two cursors, and those that come. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { ToolError } from "../tools/Tool.ts"

/** The daemon may not read it. */
export class JournalForbidden extends Schema.TaggedError<JournalForbidden>()("JournalForbidden", {}) {
  override get message() {
    return "the daemon may not read the journal: its account must be in the group systemd-journal"
  }
}

/** The cursor is none of this journal's, or what it named is gone. */
export class JournalCursorUnknown extends Schema.TaggedError<JournalCursorUnknown>()("JournalCursorUnknown", {}) {
  override get message() {
    return "the journal has no such cursor"
  }
}

export type JournalError = ToolError | JournalForbidden | JournalCursorUnknown

export interface JournalEntry {
  readonly cursor: string
  /** UNIX time in microseconds. */
  readonly realtimeUs: number
  /** 0: emergency, to 7: debug; null where it has none. */
  readonly priority: number | null
  readonly identifier: string | null
  readonly pid: number | null
  /** `k3s.service`; null for the kernel. */
  readonly unit: string | null
  readonly hostname: string | null
  /** What is no UTF-8 is U+FFFD. */
  readonly message: string
}

export interface JournalQuery {
  /** Names of units; none: the kernel's entries. */
  readonly units: ReadonlyArray<string>
  /** UNIX time in milliseconds. */
  readonly since?: number | undefined
  /** Entries behind this one. */
  readonly after?: string | undefined
  /** Entries ahead of this one. */
  readonly before?: string | undefined
  /** This and more urgent ones. */
  readonly priority?: number | undefined
  /** A regular expression (PCRE2) that the message matches. */
  readonly grep?: string | undefined
}

export interface JournalPage {
  /** Oldest first. */
  readonly entries: ReadonlyArray<JournalEntry>
  /** Not all that was asked for: older ones were cut, in their whole length. */
  readonly truncated: boolean
}

export class Journal extends Context.Service<
  Journal,
  {
    /** The newest `lines` of what matches; with `after`, the oldest. At most `maxBytes` of messages: the newest are kept. */
    readonly page: (
      query: JournalQuery & { readonly lines: number; readonly maxBytes: number }
    ) => Effect.Effect<JournalPage, JournalError>
    /**
     * What is there (from `after` or `since` on; without either, the newest `lines`), and what comes. Reads no faster than
     * its reader: one that is slow holds journalctl up, and nothing is lost or kept in memory.
     */
    readonly follow: (query: JournalQuery & { readonly lines?: number }) => Stream.Stream<JournalEntry, JournalError>
  }
>()("systemapi/services/journal/Journal") {
  static readonly layer = Layer.succeed(Journal, {
    page: () => Effect.die(new Error("not built yet")),
    follow: () => {
      throw new Error("not built yet")
    }
  })
}
