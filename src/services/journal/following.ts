/**
 * Follows a journal: what is there, then what comes.
 *
 * `journalctl --follow` has two faults that are kept from whoever follows (systemd 252). It shows the running boot alone,
 * whatever cursor or time it is given: what is there is read by a journalctl that does not follow, and ends, and only what
 * is behind that is followed; a cursor of the running boot has nothing of an earlier one behind it. And asked for the newest
 * lines of a unit that has none yet, it keeps silent about the first that come: they are looked for as a page.
 *
 * Bounds: `followersAtOnce` who follow for callers and `ownAtOnce` for the daemon itself, each a process and one window
 * (PacedWaits.ts), with no deadline. A reader that leaves ends its journalctl at once.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { recordedMax } from "../config/UnitSection.ts"
import { type PacedTool, ToolBusy } from "../tools/PacedTool.ts"
import { ToolFailed } from "../tools/Tool.ts"
import type { FollowQuery, Journal, JournalEntry, JournalError } from "./Journal.ts"
import { checkCursors } from "./journalFaults.ts"
import { bootOfCursor, followArguments, pastArguments } from "./journalArguments.ts"

/** A process and some 0.6 MiB each. */
const followersAtOnce = 64

/** Whose reader has left, and who have not ended yet. */
const leavingMax = 64

/** Every unit that is recorded, the kernel's words about GPUs, and some that are being replaced. */
const ownAtOnce = recordedMax + 8

/** Of the messages that following begins with. */
const firstBytesMax = 1024 * 1024

/** When one of those who follow leaves nobody knows. */
const tooMany = new ToolBusy({ name: "journalctl", retryAfterSeconds: 10 })

export type Run = Pick<PacedTool, "argv" | "lane" | "timeout" | "concurrency" | "queueLength">

/** The entries that come next, as many as have come; undefined: there are no more, and all was well. */
export type Next = Effect.Effect<ReadonlyArray<JournalEntry> | undefined, JournalError>

interface Asking extends Pick<Journal["Service"], "page" | "cursor"> {
  readonly open: (units: ReadonlyArray<string>, run: Run) => Effect.Effect<Next, JournalError, Scope.Scope>
  /** The running boot's id, as cursors have it; undefined where the kernel does not tell. */
  readonly boot: Effect.Effect<string | undefined>
}

export const makeFollowing = ({ boot, cursor, open, page }: Asking) => {
  let followers = 0

  const mayFollow = ({ own }: FollowQuery) =>
    Effect.suspend(() => (own !== true && followers >= followersAtOnce ? Effect.fail(tooMany) : Effect.void))

  const takePlace = (query: FollowQuery) =>
    Effect.acquireRelease(
      Effect.andThen(
        mayFollow(query),
        Effect.sync(() => {
          if (query.own !== true) followers += 1
        })
      ),
      () =>
        Effect.sync(() => {
          if (query.own !== true) followers -= 1
        })
    )

  /** Ends with journalctl. */
  const read = ({ own, units }: FollowQuery, argv: Run["argv"]): Stream.Stream<JournalEntry, JournalError> =>
    Stream.scoped(
      Stream.fromPull(
        Effect.map(
          open(units, {
            argv,
            lane: own === true ? "tool:journalctl-own" : "tool:journalctl-follow",
            concurrency: own === true ? ownAtOnce : followersAtOnce + leavingMax,
            queueLength: 0
          }),
          pulling
        )
      )
    )

  const come = (query: FollowQuery) => Stream.concat(read(query, followArguments(query)), Stream.fail(ended))

  const followAll = (query: FollowQuery): Stream.Stream<JournalEntry, JournalError> =>
    Stream.unwrap(
      Effect.map(boot, (running) => {
        if (query.after !== undefined && bootOfCursor(query.after) === running) return come(query)
        let last = query.after
        const past = Stream.mapArray(read(query, pastArguments(query)), (entries) => {
          last = Arr.lastNonEmpty(entries).cursor
          return entries
        })
        return Stream.concat(
          past,
          Stream.suspend(() => come({ ...query, after: last }))
        )
      })
    )

  /**
   * Behind the newest it goes on; where there are none, behind what there was before anybody looked, or, where only a unit
   * is asked for, which costs nothing, with all there is. A search that takes too long begins with nothing.
   */
  const fromNewest = Effect.fnUntraced(function* (lines: number, query: FollowQuery) {
    const place = lines === 0 || query.grep !== undefined ? yield* cursor({ units: query.units }) : undefined
    const found = page({ ...query, lines, maxBytes: firstBytesMax })
    const { entries } = yield* place === undefined
      ? found
      : Effect.catchTag(found, "ToolTimeout", () => Effect.succeed({ entries: [] }))
    const after = entries.at(-1)?.cursor ?? place
    return Stream.concat(Stream.fromIterable(entries), followAll({ ...query, after }))
  })

  const follow: Journal["Service"]["follow"] = ({ lines, ...query }) => {
    const stream =
      lines === undefined || query.after !== undefined ? followAll(query) : Stream.unwrap(fromNewest(lines, query))
    return Stream.scoped(Stream.unwrap(Effect.as(Effect.andThen(checkCursors(query), takePlace(query)), stream)))
  }

  return { follow, mayFollow }
}

/** It ended by itself, which is not for it to do. */
const ended = new ToolFailed({ command: "journalctl", exit_code: 0 })

type Pulling = Effect.Effect<Arr.NonEmptyReadonlyArray<JournalEntry>, JournalError | Cause.Done>

const pulling = (next: Next): Pulling => {
  const pulled: Pulling = Effect.flatMap(next, (entries) => {
    if (entries === undefined) return Cause.done()
    return Arr.isReadonlyArrayNonEmpty(entries) ? Effect.succeed(entries) : pulled
  })
  return pulled
}
