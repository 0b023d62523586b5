/** The journal of a unit: its newest entries, those between two cursors, and those that come. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Executor } from "../commands/Executor.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import type { ToolBusy } from "../tools/PacedTool.ts"
import type { ToolError } from "../tools/Tool.ts"

/** The daemon may not read it. */
export class JournalForbidden extends Schema.TaggedError<JournalForbidden>()("JournalForbidden", {}) {
  override get message() {
    return "the daemon may not read the journal: its account must be in the group systemd-journal"
  }
}

/** It is no cursor. One whose entry is gone is none the less a place: what was behind it is behind it. */
export class JournalCursorUnknown extends Schema.TaggedError<JournalCursorUnknown>()("JournalCursorUnknown", {}) {
  override get message() {
    return "the journal has no such cursor"
  }
}

/** What `grep` asks for cannot be had: it is no regular expression, or journalctl was built without them. */
export class JournalPatternRefused extends Schema.TaggedError<JournalPatternRefused>()("JournalPatternRefused", {
  why: Schema.String
}) {
  override get message() {
    return this.why
  }
}

export type JournalError = ToolError | ToolBusy | JournalForbidden | JournalCursorUnknown | JournalPatternRefused

export interface JournalEntry {
  readonly cursor: string
  /** UNIX time in microseconds. */
  readonly realtimeUs: number
  /** 0: emergency, to 7: debug; null where it has none. */
  readonly priority: number | null
  readonly identifier: string | null
  readonly pid: number | null
  /** `k3s.service`, also of what systemd says about it; null for the kernel. */
  readonly unit: string | null
  readonly hostname: string | null
  /** What is no UTF-8 is U+FFFD. */
  readonly message: string
}

export interface JournalQuery {
  /** Names of units; none: the kernel's entries, of every boot. */
  readonly units: ReadonlyArray<string>
  /** UNIX time in milliseconds. */
  readonly since?: number | undefined
  /** Of the machine's present boot alone. */
  readonly thisBoot?: boolean | undefined
  /** Entries behind this one; wins over `since`. */
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
  /** Not all that was asked for: older ones were left out whole; with `after`, newer ones. */
  readonly truncated: boolean
}

export interface FollowQuery extends Omit<JournalQuery, "before"> {
  /** Begin with the newest of what is there, so many; means nothing beside `after`. Left out: with all of it. */
  readonly lines?: number | undefined
  /** The daemon's own reading has places of its own, which no caller can take. */
  readonly own?: boolean | undefined
}

export class Journal extends Context.Service<
  Journal,
  {
    /**
     * The newest `lines` of what matches; with `after`, the oldest. At most `maxBytes` of messages, but one entry whatever
     * its length: of those the newest are kept; with `after`, the oldest.
     */
    readonly page: (
      query: JournalQuery & { readonly lines: number; readonly maxBytes: number }
    ) => Effect.Effect<JournalPage, JournalError>
    /**
     * What is there from `after` or `since` on, or the newest `lines` of it, and what comes. Reads no faster than its
     * reader: one that is slow holds journalctl up, and nothing is lost or kept in memory. It ends by failing only.
     */
    readonly follow: (query: FollowQuery) => Stream.Stream<JournalEntry, JournalError>
    /**
     * The cursor of the newest entry; with `at`, of the entry that it names or, where that is gone, of the next one.
     * Undefined: there is none.
     */
    readonly cursor: (query: {
      readonly units: ReadonlyArray<string>
      readonly at?: string | undefined
    }) => Effect.Effect<string | undefined, JournalError>
    /** Fails as following would from the start: not allowed, too many who follow, no such cursor, no such pattern. */
    readonly check: (query: FollowQuery) => Effect.Effect<void, JournalError>
  }
>()("systemapi/services/journal/Journal") {
  /** What asks journalctl is loaded when it is first asked. */
  static readonly layer = Layer.effect(
    Journal,
    Effect.gen(function* () {
      const executor = yield* Executor
      const config = yield* CurrentConfig
      const timeout = () => Duration.seconds(config.get().status.command_timeout_seconds)
      const loaded = yield* Effect.cached(
        Effect.promise(async () => (await import("./journalctl.ts")).makeJournalctl(executor, timeout))
      )
      return {
        page: (query) => Effect.flatMap(loaded, ({ page }) => page(query)),
        cursor: (query) => Effect.flatMap(loaded, ({ cursor }) => cursor(query)),
        follow: (query) => Stream.unwrap(Effect.map(loaded, ({ follow }) => follow(query))),
        check: (query) => Effect.flatMap(loaded, ({ check }) => check(query))
      }
    })
  )
}
