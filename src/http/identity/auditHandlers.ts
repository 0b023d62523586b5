/**
 * `GET /v1/audit`: the audit entries of the log, filtered, page by page as JSON, or all that match as NDJSON or CSV.
 *
 * Bounds: an answer in memory holds `limit` entries and `collectedBytesMax`, and one request looks at `pagesMax` pages of
 * the store; `next` says where to go on, also where none of them matched. Exports are read page by page as the client takes
 * them, and end where the log ended when they were asked for, so that what records them is not in them for ever.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Audit } from "../../services/audit/Audit.ts"
import type { Event } from "../../services/events/Event.ts"
import type { EventLog } from "../../services/events/EventLog.ts"
import type { EventQuery } from "../../services/events/EventQuery.ts"
import type { Handler } from "../edge/routes.ts"
import { orStoreFailure } from "../system/failures.ts"
import { csvHead, entryCsv, entryJson } from "./auditFormats.ts"
import { parseAuditParams } from "./auditParams.ts"
import { invalid } from "./failures.ts"

/** Text of one page in memory. */
const collectedBytesMax = 1024 * 1024

/** Of the store, a thousand entries each: some 15 ms of its thread, in eight parts. */
const pagesMax = 8

/** Entries in one page of an export. */
const exportPage = 1000

export interface AuditHandlerServices {
  readonly audit: Pick<Audit["Service"], "recorded">
  readonly log: Pick<EventLog["Service"], "query" | "bounds">
}

const goOn = (query: EventQuery, through: number): EventQuery =>
  query.order === "oldest-first" ? { ...query, after: through } : { ...query, before: through }

export const makeAuditHandlers = ({ audit, log }: AuditHandlerServices) => {
  const collect = Effect.fnUntraced(function* (query: EventQuery) {
    const entries: Array<string> = []
    let bytes = 0
    let rest = query
    for (let pages = 0; ; pages++) {
      const page = yield* orStoreFailure(log.query({ ...rest, limit: query.limit - entries.length }))
      for (const event of page.events) {
        const text = entryJson(event)
        entries.push(text)
        bytes += text.length
      }
      rest = goOn(rest, page.through)
      if (page.done) return { entries, next: null }
      if (entries.length >= query.limit || bytes >= collectedBytesMax || pages + 1 >= pagesMax) {
        return { entries, next: page.through }
      }
    }
  })

  /** The entries that match, a page at a time. */
  const pages = (query: EventQuery) =>
    Stream.paginate({ query, left: query.limit }, ({ left, query: rest }) =>
      Effect.map(orStoreFailure(log.query({ ...rest, limit: Math.min(left, exportPage) })), (page) => {
        const state = { query: goOn(rest, page.through), left: left - page.events.length }
        return [
          page.events.length === 0 ? [] : [page.events],
          page.done || state.left === 0 ? Option.none() : Option.some(state)
        ] as const
      })
    )

  const exported = (query: EventQuery, head: string, render: (event: Event) => string, type: string, name: string) => {
    const ended = { ...query, before: Math.min(query.before, log.bounds().last + 1) }
    const body = Stream.map(pages(ended), (events) => Buffer.from(events.map(render).join("")))
    return HttpServerResponse.stream(head === "" ? body : Stream.concat(Stream.succeed(Buffer.from(head)), body), {
      contentType: type,
      headers: { "content-disposition": `attachment; filename="${name}"` }
    })
  }

  const listAudit: Handler = (call) => {
    const parsed = parseAuditParams(call.query)
    if (Result.isFailure(parsed)) return Effect.fail(invalid(parsed.failure))
    const { format, query } = parsed.success
    // Whoever was answered finds the entry about it.
    return Effect.flatMap(audit.recorded, () => {
      switch (format) {
        case "ndjson":
          return Effect.sync(() =>
            exported(query, "", (event) => `${entryJson(event)}\n`, "application/x-ndjson", "audit.ndjson")
          )
        case "csv":
          return Effect.sync(() => exported(query, csvHead, entryCsv, "text/csv; charset=utf-8", "audit.csv"))
        case "json":
          return Effect.map(collect(query), ({ entries, next }) =>
            HttpServerResponse.text(`{"entries":[${entries.join(",")}],"next":${next}}\n`, {
              contentType: "application/json"
            })
          )
      }
    })
  }

  return { listAudit }
}
