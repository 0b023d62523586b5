/** A unit's journal: its newest lines, pages of it, and what comes. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { StatusConfig, UnitConfig } from "../../services/config/Config.ts"
import type { FollowQuery } from "../../services/journal/Journal.ts"
import type { statusEndpoints } from "../api/endpoints.ts"
import type { Call } from "../edge/Call.ts"
import type { HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler, Handlers } from "../edge/routes.ts"
import { forbidden } from "../identity/recording.ts"
import { stopping } from "../listener/Listener.ts"
import { configuredUnit } from "./configuredUnit.ts"
import { invalidParameter, journalFailure } from "./failures.ts"
import { entriesAnswer, linesAnswer } from "./logAnswers.ts"
import { logFormat, type LogParams, logParams, resumedFrom } from "./logParams.ts"
import { logStream, redacted, renderings } from "./logStream.ts"
import type { StatusServices } from "./statusRoutes.ts"

type Services = Pick<StatusServices, "config" | "journal">

/** As `journalctl --follow` begins. */
const followedLines = 10

export const makeLogHandlers = ({ config, journal }: Services): Handlers<typeof statusEndpoints.logs> => {
  /** The unit, if its journal may be read. */
  const readableUnit = (call: Call): Effect.Effect<UnitConfig, HttpFailure> =>
    Effect.filterOrElse(
      configuredUnit(config, call),
      ({ logs }) => logs,
      () => forbidden(call, "the logs of this service are not shown")
    )

  const serviceLogs: Handler = (call) =>
    Effect.gen(function* () {
      const unit = yield* readableUnit(call)
      const { status } = config.get()
      const { lines = status.log_lines_default, requested, ...which } = yield* paramsFor(unit, call, status)
      const format = yield* logFormat(call, ["text", "entries", "ndjson"], "text")
      const maxBytes = status.max_output_bytes
      const found = yield* Effect.mapError(
        journal.page({ ...which, units: [unit.unit], lines: Math.min(lines, status.log_lines_max), maxBytes }),
        journalFailure
      )
      const page = { ...found, entries: yield* redacted(unit, found.entries) }
      const asked = { ...which, unit, requested: requested ?? lines, maxBytes }
      if (format === "text") return jsonResponse(linesAnswer(page, asked))
      const answer = entriesAnswer(page, asked)
      if (format === "entries") return jsonResponse(answer)
      const text = answer.entries.map((entry) => `${JSON.stringify(entry)}\n`).join("")
      return HttpServerResponse.text(text, { contentType: "application/x-ndjson" })
    })

  const followLogs: Handler = (call) =>
    Effect.gen(function* () {
      const unit = yield* readableUnit(call)
      const { status } = config.get()
      const { before, lines, requested: _requested, ...which } = yield* paramsFor(unit, call, status)
      if (before !== undefined) return yield* notHere
      const format = yield* logFormat(call, ["text", "sse", "ndjson"], "text")
      const after = (yield* resumedFrom(call)) ?? which.after
      // Whoever says from where on is given all of it.
      const isFrom = after !== undefined || (which.since !== undefined && lines === undefined)
      const newest = isFrom ? undefined : Math.min(lines ?? followedLines, status.log_lines_max)
      const query: FollowQuery = { ...which, after, units: [unit.unit], lines: newest }
      yield* Effect.mapError(journal.check(query), journalFailure)
      const as = renderings[format === "sse" || format === "ndjson" ? format : "text"]
      const current = () => {
        const now = config.get().units.get(unit.id)
        const isShown = now?.unit === unit.unit && now.logs && (query.grep === undefined || now.redact.length === 0)
        return isShown ? now : undefined
      }
      return HttpServerResponse.stream(
        logStream({ entries: journal.follow(query), as, unit: current, stop: yield* stopping }),
        {
          contentType: as.contentType,
          headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
        }
      )
    })

  return { serviceLogs, followLogs }
}

/** journalctl searches whole lines: its answer would tell whether a guess at what is taken out of them is right. */
const paramsFor = (unit: UnitConfig, call: Call, status: StatusConfig): Effect.Effect<LogParams, HttpFailure> =>
  Effect.filterOrFail(
    logParams(call, status),
    ({ grep }) => grep === undefined || unit.redact.length === 0,
    () => notSearched
  )

const notSearched = invalidParameter(
  "grep",
  "Input may not be given for a service whose lines are redacted: it could ask for what is taken out",
  "value_error"
)

const notHere = invalidParameter("before", "Input may not be given for a stream, which has no end", "value_error")
