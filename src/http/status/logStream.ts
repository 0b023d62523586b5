/**
 * A unit's journal as it comes, as text, server-sent events (WHATWG HTML) or NDJSON.
 *
 * A client is sent all of it at its own pace: one piece is with it, one waits, one is being made, and the rest stays with
 * journalctl (PacedWaits.ts). Who hears nothing for `silence` is told that somebody is still there. What the configuration
 * lets be seen of the unit is asked anew for each piece: a unit whose logs are turned off ends its streams. The daemon's
 * stop ends them too. A failure is the last record; text has none, and breaks off.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { UnitConfig } from "../../services/config/Config.ts"
import type { JournalEntry, JournalError } from "../../services/journal/Journal.ts"
import { redact } from "../../services/units/redact.ts"
import type { HttpFailure } from "../edge/HttpFailure.ts"
import { journalFailure } from "./failures.ts"
import { linesOf, recordOf } from "./logText.ts"

/** Below the 30 s and 60 s after which proxies and NAT forget a silent connection. */
const silence = Duration.seconds(15)

interface Rendering {
  readonly contentType: string
  readonly entry: (entry: JournalEntry) => string
  /** Says that somebody is still there. Empty: there is nothing that would not be taken for a line. */
  readonly keepAlive: string
  readonly failure: ((detail: string) => string) | undefined
}

export const renderings: Readonly<Record<"text" | "sse" | "ndjson", Rendering>> = {
  text: {
    contentType: "text/plain; charset=utf-8",
    entry: (entry) => linesOf(entry).reduce((text, line) => `${text}${line}\n`, ""),
    keepAlive: "",
    failure: undefined
  },
  sse: {
    contentType: "text/event-stream",
    entry: (entry) => `id: ${entry.cursor}\ndata: ${JSON.stringify(recordOf(entry))}\n\n`,
    keepAlive: ": keep-alive\n\n",
    failure: (detail) => `event: error\ndata: ${detail}\n\n`
  },
  ndjson: {
    contentType: "application/x-ndjson",
    entry: (entry) => `${JSON.stringify(recordOf(entry))}\n`,
    keepAlive: "\n",
    failure: (detail) => `{"error":${detail}}\n`
  }
}

export interface LogStream {
  readonly entries: Stream.Stream<JournalEntry, JournalError>
  readonly as: Rendering
  /** The unit as it is configured now; undefined: its logs are not shown any more. */
  readonly unit: () => UnitConfig | undefined
  /** The stream ends with it. */
  readonly stop: Deferred.Deferred<void>
}

export const logStream = ({ as, entries, stop, unit }: LogStream): Stream.Stream<Uint8Array, HttpFailure> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const pieces = yield* Queue.bounded<Uint8Array, HttpFailure | Cause.Done>(1)
      let sent = false
      const put = (text: string) =>
        Effect.suspend(() => {
          sent = true
          return text === "" ? Effect.void : Queue.offer(pieces, Buffer.from(text))
        })

      // No generator: of those that wait, V8 keeps what is garbage until it looks for all of it, 90 MiB in a long reading.
      const piece = (some: ReadonlyArray<JournalEntry>) => {
        const now = unit()
        return now === undefined
          ? Queue.end(pieces)
          : Effect.flatMap(redacted(now, some), (shown) => put(shown.map(as.entry).join("")))
      }

      const failed = (error: JournalError) => {
        const { detail, ...failure } = journalFailure(error)
        if (as.failure === undefined) return Queue.fail(pieces, journalFailure(error))
        return Effect.andThen(put(as.failure(JSON.stringify(detail ?? failure.message))), Queue.end(pieces))
      }

      const tellSilence = Effect.sync(() => {
        // A client that is slow has something to read, and no need to be told.
        if (!sent && as.keepAlive !== "") Queue.offerUnsafe(pieces, Buffer.from(as.keepAlive))
        sent = false
      })

      yield* Effect.forkScoped(
        Effect.catch(
          Stream.runForEachArray(entries, (some) => piece(some)),
          failed
        )
      )
      yield* Effect.forkScoped(Effect.forever(Effect.delay(tellSilence, silence)))
      yield* Effect.forkScoped(Effect.andThen(Deferred.await(stop), Queue.end(pieces)))
      // Sent at once, even if it is empty: with it the client has the headers, and knows that it is connected.
      return Stream.concat(Stream.succeed(Buffer.from(as.keepAlive)), Stream.fromQueue(pieces))
    })
  )

/** The patterns of a unit are held against whole messages. */
export const redacted = (
  unit: UnitConfig,
  entries: ReadonlyArray<JournalEntry>
): Effect.Effect<ReadonlyArray<JournalEntry>> =>
  unit.redact.length === 0
    ? Effect.succeed(entries)
    : Effect.map(
        redact(
          unit,
          entries.map(({ message }) => message)
        ),
        (messages) => entries.map((entry, n) => ({ ...entry, message: messages[n] ?? "" }))
      )
