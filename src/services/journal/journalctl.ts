/**
 * The journal as journalctl tells it: pages, and following. Nothing of what it writes is kept but the entries in hand.
 *
 * Bounds: `pagesAtOnce` runs for pages and `pagesWaiting` more that wait, each ended at its deadline; of following those
 * in following.ts. What journalctl complains of decides what the error is; the text itself goes to nobody, but for what is
 * wrong with a caller's own pattern.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { readFile } from "node:fs/promises"
import type { Executor } from "../commands/Executor.ts"
import type { OutputPart } from "../commands/OutputLog.ts"
import { readTool } from "../tools/PacedTool.ts"
import { exitCode, ToolFailed, ToolTimeout } from "../tools/Tool.ts"
import { decodeEntry } from "./decodeEntry.ts"
import { makeFollowing, type Next, type Run } from "./following.ts"
import { type FollowQuery, type Journal, type JournalEntry, type JournalError, type JournalPage } from "./Journal.ts"
import { cursorArguments, pageArguments } from "./journalArguments.ts"
import { checkCursors, faultOf } from "./journalFaults.ts"
import { JournalLines } from "./JournalLines.ts"
import { PageEntries, type PageQuery } from "./PageEntries.ts"

/** Each is a processor's work for as long as it runs; journals are read beside what the machine is for. */
const pagesAtOnce = 4
const pagesWaiting = 64

/**
 * What is decoded at once, some forty entries: what is in hand when V8 looks for garbage it keeps until it looks for all
 * of it, so that a long reading of large pieces has 90 MiB of them lying about.
 */
const batchBytes = 16 * 1024

const nothing = { bytes: new Uint8Array(0), stream: "stdout" } as const

/** journalctl's complaints are a line or two. */
const complaintLengthMax = 4096

export const makeJournalctl = (executor: Pick<Executor["Service"], "run">, timeout: () => Duration.Duration) => {
  const open = (units: ReadonlyArray<string>, run: Run): Effect.Effect<Next, JournalError, Scope.Scope> =>
    Effect.map(readTool(executor)({ name: "journalctl", who: "daemon", ...run }), ({ next, result }) => {
      const lines = new JournalLines()
      let complaint = ""
      /** What was read and is not decoded yet. */
      let part: OutputPart | undefined
      let segment = 0
      let offset = 0

      const decode = ({ segments }: OutputPart): ReadonlyArray<JournalEntry> => {
        const entries: Array<JournalEntry> = []
        const { bytes, stream } = segments[segment] ?? nothing
        const some = bytes.subarray(offset, offset + batchBytes)
        offset += some.length
        if (offset >= bytes.length) {
          offset = 0
          segment += 1
        }
        if (stream === "stderr") {
          complaint = (complaint + Buffer.from(some).toString()).slice(0, complaintLengthMax)
          return entries
        }
        for (const line of lines.push(some)) {
          const entry = decodeEntry(line, units)
          if (entry !== undefined) entries.push(entry)
        }
        return entries
      }

      const end = Effect.flatMap(result, (ended) => {
        const code = exitCode(ended)
        // With a pattern that nothing matches it exits with 1, and has nothing to complain of.
        const nothingFound = code === 1 && complaint === ""
        return code === 0 || nothingFound
          ? Effect.undefined
          : Effect.fail(new ToolFailed({ command: "journalctl", exit_code: code }))
      })

      const batch = (from: OutputPart) => {
        const entries = decode(from)
        if (segment >= from.segments.length) {
          part = undefined
          segment = 0
          from.free?.()
        }
        const fault = complaint === "" ? undefined : faultOf(complaint)
        return fault === undefined ? Effect.succeed(entries) : Effect.fail(fault)
      }

      return Effect.suspend(() =>
        part !== undefined
          ? batch(part)
          : Effect.flatMap(next, (read) => {
              if (read === undefined) return end
              part = read
              return batch(read)
            })
      )
    })

  /** Reads entries until `take` has enough, within the deadline. */
  const readPage = Effect.fnUntraced(function* (
    units: ReadonlyArray<string>,
    argv: Run["argv"],
    take: (entries: ReadonlyArray<JournalEntry>) => boolean
  ) {
    const limit = timeout()
    const run: Run = {
      argv,
      lane: "tool:journalctl",
      timeout: limit,
      concurrency: pagesAtOnce,
      queueLength: pagesWaiting
    }
    const read = Effect.gen(function* () {
      const next = yield* open(units, run)
      for (let more = true; more;) {
        const entries = yield* next
        more = entries !== undefined && take(entries)
      }
    })
    yield* Effect.timeoutOrElse(Effect.scoped(read), {
      duration: limit,
      orElse: () => Effect.fail(new ToolTimeout({ command: "journalctl" }))
    })
  })

  const cursor = Effect.fnUntraced(function* ({
    at,
    units
  }: Parameters<Journal["Service"]["cursor"]>[0]): Effect.fn.Return<string | undefined, JournalError> {
    yield* checkCursors({ units, after: at })
    let found: string | undefined
    yield* readPage(units, cursorArguments(units, at), (entries) => {
      found ??= entries[0]?.cursor
      return found === undefined
    })
    return found
  })

  const page = Effect.fnUntraced(function* (query: PageQuery): Effect.fn.Return<JournalPage, JournalError> {
    yield* checkCursors(query)
    const forward = query.after !== undefined
    const taken = new PageEntries(query)
    if (!taken.done) {
      yield* readPage(query.units, pageArguments(query), (entries) => {
        for (const entry of entries) taken.offer(entry)
        return !taken.done
      })
    }
    return { entries: forward ? taken.entries : taken.entries.toReversed(), truncated: taken.truncated }
  })

  const { follow, mayFollow } = makeFollowing({ boot, cursor, open, page })

  /** With no lines to write it looks at what it may read, and ends. */
  const check = Effect.fnUntraced(function* (query: FollowQuery): Effect.fn.Return<void, JournalError> {
    yield* checkCursors(query)
    yield* mayFollow(query)
    yield* readPage(query.units, pageArguments({ ...query, lines: 0 }), () => true)
  })

  return { page, cursor, follow, check }
}

/** It does not change while the daemon runs. */
const boot: Effect.Effect<string | undefined> = Effect.promise(() =>
  readFile("/proc/sys/kernel/random/boot_id", "utf8").then(
    (text) => text.trim().replaceAll("-", ""),
    () => undefined
  )
)
