/**
 * The process log: what the daemon says to whoever watches the process (journald, a terminal), apart from the event log.
 * Effect's logging and the HTTP request lines end here. Format and level can change while it runs.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { existsSync, fstatSync } from "node:fs"
import type { Environment } from "../config/environment.ts"
import { openDatagrams } from "../systemd/Datagrams.ts"
import {
  formatLine,
  formatRequest,
  isJournal,
  jsonText,
  type LogEntry,
  type LogFormat,
  type RequestEntry
} from "./format.ts"
import { encodeLine, encodeRequest, entryBytesMax } from "./journalEntry.ts"
import { JournalOutput } from "./JournalOutput.ts"
import { LogOutput } from "./LogOutput.ts"

export interface LogSettings {
  readonly json: boolean
  /** The lowest that is shown. */
  readonly level: LogLevel.LogLevel
}

export class ProcessLog extends Context.Service<
  ProcessLog,
  {
    /** One line for each request, at level info. */
    readonly request: (atMs: number, entry: RequestEntry) => void
    readonly configure: (settings: LogSettings) => Effect.Effect<void>
    /** Lines lost because nobody read them fast enough, or because a write failed. */
    readonly dropped: () => number
  }
>()("systemapi/services/log/ProcessLog") {}

/** At exit: a reader that takes no lines for this long will not take the last ones. */
const flushDeadline = "1 second"

const stderrFd = 2

/** ProcessLog, and Effect's logger set to it alone. */
export const layer = (initial: LogSettings, env: Environment = {}): Layer.Layer<ProcessLog> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const journal = isJournal(env, fstatSync(stderrFd))
      const formatOf = (settings: LogSettings): LogFormat => (settings.json ? "json" : journal ? "journal" : "text")
      let format = formatOf(initial)
      let minimum = initial.level
      const lost = (dropped: number): LogEntry => ({
        at: new Date(),
        level: "Warn",
        message: "log lines were dropped",
        fields: { dropped }
      })
      const output = new LogOutput(stderrFd, (dropped) => formatLine(format, lost(dropped)))
      const native = journal ? yield* openJournal(lost) : undefined
      /** Where it cannot be spoken to by itself, the journal reads our standard error. */
      const spoken = () => (format === "journal" && native?.refused === false ? native : undefined)
      const push = (entry: LogEntry) => {
        const direct = spoken()
        if (direct === undefined) output.push(formatLine(format, entry))
        else direct.push(encodeLine(entry))
      }
      const enabled = (level: LogLevel.LogLevel) => LogLevel.isGreaterThanOrEqualTo(level, minimum)
      let showsRequests = enabled("Info")

      const logger = Logger.make<unknown, void>(({ cause, date, fiber, logLevel, message }) => {
        if (!enabled(logLevel)) return
        const [first, ...rest] = Array.isArray(message) ? message : [message]
        const extra = rest.filter((part) => part !== "")
        push({
          at: date,
          level: logLevel,
          message: textOf(first),
          fields: {
            ...fiber.getRef(References.CurrentLogAnnotations),
            ...(extra.length > 0 ? { detail: extra.map(textOf).join(" ") } : {}),
            ...(cause.reasons.length > 0 ? { cause: Cause.pretty(cause) } : {})
          }
        })
      })

      const service = ProcessLog.of({
        request: (atMs, entry) => {
          if (!showsRequests) return
          const direct = spoken()
          if (direct === undefined) output.push(formatRequest(format, atMs, entry))
          else direct.push(encodeRequest(entry))
        },
        configure: (settings) =>
          Effect.sync(() => {
            format = formatOf(settings)
            minimum = settings.level
            showsRequests = enabled("Info")
          }),
        dropped: () => output.dropped + (native?.dropped ?? 0)
      })

      const idle = (of: Pick<LogOutput, "whenIdle">) =>
        Effect.callback<void>((resume) => of.whenIdle(() => resume(Effect.void)))
      const flush = Effect.andThen(idle(output), native === undefined ? Effect.void : idle(native)).pipe(
        Effect.timeoutOrElse({ duration: flushDeadline, orElse: () => Effect.void })
      )
      return Layer.mergeAll(
        Layer.effect(
          ProcessLog,
          Effect.as(
            Effect.addFinalizer(() =>
              Effect.andThen(
                flush,
                Effect.sync(() => native?.close())
              )
            ),
            service
          )
        ),
        Logger.layer([logger]),
        // The logger filters by itself, so that a reload can change the level of fibers that run already.
        Layer.succeed(References.MinimumLogLevel, "Trace")
      )
    })
  )

/** sd_journal_print(3) sends to it. */
const journalSocket = "/run/systemd/journal/socket"

/** Undefined where there is none to be seen, or no node:ffi to speak to it. */
const openJournal = (lost: (dropped: number) => LogEntry): Effect.Effect<JournalOutput | undefined> =>
  Effect.sync(() => {
    if (!existsSync(journalSocket)) return undefined
    const datagrams = openDatagrams(journalSocket, entryBytesMax)
    return datagrams === undefined ? undefined : new JournalOutput(datagrams, (dropped) => encodeLine(lost(dropped)))
  })

const textOf = (part: unknown): string =>
  typeof part === "string" ? part : part instanceof Error ? part.message : jsonText(part)
