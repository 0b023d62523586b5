/** The journals of units over HTTP, of a journal that a test makes. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { LogEntriesAnswer, LogsAnswer } from "../../../src/http/api/status/Logs.ts"
import { stopping } from "../../../src/http/listener/Listener.ts"
import { makeLogHandlers } from "../../../src/http/status/logHandlers.ts"
import {
  type FollowQuery,
  type Journal,
  type JournalEntry,
  type JournalError,
  JournalForbidden,
  type JournalPage,
  JournalPatternRefused
} from "../../../src/services/journal/Journal.ts"
import { ToolBusy } from "../../../src/services/tools/PacedTool.ts"
import { ToolFailed, ToolMissing, ToolTimeout } from "../../../src/services/tools/Tool.ts"
import { cursorOf, timeOf } from "../../services/journal/support.ts"
import { admitted, user } from "../edge/support.ts"
import { changeableConfig, logsEdge } from "./support.ts"

const toml = `
[units]
web = "web.service"
dark = { unit = "dark.service", logs = false }
secret = { unit = "secret.service", redact = ["token=\\\\w+"] }
`

const entry = (n: number, rest: Partial<JournalEntry> = {}): JournalEntry => ({
  cursor: cursorOf(n),
  realtimeUs: timeOf(n),
  priority: 6,
  identifier: "web",
  pid: 45,
  unit: "web.service",
  hostname: "guest",
  message: `message ${n}`,
  ...rest
})

type PageQuery = Parameters<Journal["Service"]["page"]>[0]

interface Told {
  readonly page?: Effect.Effect<JournalPage, JournalError>
  readonly follow?: Stream.Stream<JournalEntry, JournalError>
  readonly check?: Effect.Effect<void, JournalError>
  readonly outcome?: ReturnType<typeof admitted>
}

const pageOf = (entries: ReadonlyArray<JournalEntry>, truncated = false) => Effect.succeed({ entries, truncated })

const make = Effect.fnUntraced(function* ({ check, follow, outcome, page }: Told = {}) {
  const { change, config } = yield* changeableConfig(toml)
  const pages: Array<PageQuery> = []
  const followed: Array<FollowQuery> = []
  const handlers = makeLogHandlers({
    config: { ...config, set: () => undefined },
    journal: {
      page: (query) => {
        pages.push(query)
        return page ?? pageOf([])
      },
      follow: (query) => {
        followed.push(query)
        return follow ?? Stream.never
      },
      check: () => check ?? Effect.void,
      cursor: () => Effect.undefined
    }
  })
  const edge = yield* logsEdge(handlers, outcome === undefined ? {} : { outcome })
  return { ...edge, change, pages, followed }
})

const decode = Schema.decodeEffect(Schema.fromJsonString(LogsAnswer))
const decodeEntries = Schema.decodeEffect(Schema.fromJsonString(LogEntriesAnswer))

/** As the host's clock shows it. */
const shown = (n: number): string => {
  const date = new Date(timeOf(n) / 1000)
  const day = date.toLocaleDateString("en-US", { month: "short", day: "2-digit" })
  return `${day} ${date.toLocaleTimeString("en-GB")} guest web[45]: `
}

describe("GET /services/{id}/logs", () => {
  it.effect("has the contract's members in its order, and lines as journalctl prints them", () =>
    Effect.gen(function* () {
      const { ask, pages } = yield* make({
        page: pageOf([entry(1), entry(2, { pid: null, message: "two\nlines\n\n" })])
      })
      const { headers, status, text } = yield* ask("/services/web/logs")
      assert.deepStrictEqual([status, headers["content-type"]], [200, "application/json"])
      assert.deepStrictEqual(Object.keys(JSON.parse(text)), [
        "service",
        "requested_lines",
        "returned_lines",
        "stdout_truncated",
        "logs",
        "next",
        "previous"
      ])
      const second = shown(2).replace("[45]", "")
      assert.deepStrictEqual(yield* decode(text), {
        service: { id: "web", unit: "web.service" },
        requested_lines: 200,
        returned_lines: 3,
        stdout_truncated: false,
        logs: [`${shown(1)}message 1`, `${second}two`, `${" ".repeat(second.length)}lines`],
        next: cursorOf(2),
        previous: cursorOf(1)
      })
      assert.deepStrictEqual(pages, [
        {
          units: ["web.service"],
          lines: 200,
          maxBytes: 16_384,
          since: undefined,
          after: undefined,
          before: undefined,
          priority: undefined,
          grep: undefined
        }
      ])
    })
  )

  it.effect("asks the journal as it was asked, and echoes what it was asked for", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_000)
      const { ask, pages } = yield* make()
      const cursor = encodeURIComponent(cursorOf(9))
      const query = `lines=5000&since_minutes=60&priority=ERR&grep=a%2Bb&before=${cursor}`
      const { text } = yield* ask(`/services/web/logs?${query}`)
      const body = yield* decode(text)
      assert.deepStrictEqual([body.requested_lines, body.returned_lines, body.logs], [5000, 0, []])
      assert.deepStrictEqual([body.next, body.previous], [cursorOf(9), null])
      assert.deepStrictEqual(pages[0], {
        units: ["web.service"],
        lines: 1000,
        maxBytes: 16_384,
        since: 1_700_000_000_000 - 3_600_000,
        after: undefined,
        before: cursorOf(9),
        priority: 3,
        grep: "a+b"
      })
    })
  )

  const cursor = encodeURIComponent(cursorOf(1))
  it.effect.each([
    ["lines=0", "lines", "greater_than_equal"],
    ["lines=-1", "lines", "greater_than_equal"],
    ["lines=many", "lines", "int_parsing"],
    ["lines=1.5", "lines", "int_parsing"],
    ["since_minutes=0", "since_minutes", "greater_than_equal"],
    ["since_minutes=1441", "since_minutes", "less_than_equal"],
    ["priority=8", "priority", "enum"],
    ["grep=", "grep", "value_error"],
    ["grep=a%00b", "grep", "value_error"],
    ["after=--flush", "after", "value_error"],
    [`after=${cursor}&before=${cursor}`, "before", "value_error"],
    ["format=xml", "format", "enum"]
  ] as const)("answers 422 to %s", ([query, name, type]) =>
    Effect.gen(function* () {
      const { ask, pages } = yield* make()
      const { status, text } = yield* ask(`/services/web/logs?${query}`)
      const body: { readonly detail: ReadonlyArray<Readonly<Record<string, unknown>>> } = JSON.parse(text)
      assert.strictEqual(status, 422)
      assert.deepStrictEqual(
        body.detail.map((one) => [Object.keys(one), one["loc"], one["type"]]),
        [[["loc", "msg", "type"], ["query", name], type]]
      )
      assert.deepStrictEqual(pages, [])
    })
  )

  it.effect("keeps the newest whole entries of what is too much", () =>
    Effect.gen(function* () {
      const entries = Array.from({ length: 10 }, (_, n) => entry(n, { message: "é".repeat(1000) }))
      const { ask } = yield* make({ page: pageOf(entries) })
      const body = yield* decode((yield* ask("/services/web/logs")).text)
      // 2000 bytes, the prefix and a newline each: eight fit into 16384.
      assert.deepStrictEqual([body.returned_lines, body.stdout_truncated], [8, true])
      assert.deepStrictEqual([body.previous, body.next], [cursorOf(2), cursorOf(9)])
    })
  )

  it.effect("keeps the oldest behind a cursor, so that the next page goes on with what was left out", () =>
    Effect.gen(function* () {
      const entries = Array.from({ length: 10 }, (_, n) => entry(n, { message: "é".repeat(1000) }))
      const { ask } = yield* make({ page: pageOf(entries) })
      const body = yield* decode((yield* ask(`/services/web/logs?after=${cursor}`)).text)
      assert.deepStrictEqual([body.previous, body.next, body.stdout_truncated], [cursorOf(0), cursorOf(7), true])
    })
  )

  it.effect("of one long entry keeps its newest whole lines, and of one long line its beginning", () =>
    Effect.gen(function* () {
      const lines = Array.from({ length: 300 }, (_, n) => `${n} ${"x".repeat(95)}`)
      const long = yield* make({ page: pageOf([entry(1, { message: lines.join("\n") })]) })
      const many = yield* decode((yield* long.ask("/services/web/logs")).text)
      assert.isTrue(many.stdout_truncated)
      assert.isBelow(many.returned_lines, 300)
      assert.isAbove(many.returned_lines, 100)
      assert.strictEqual(many.logs.at(-1)?.trim(), lines.at(-1))
      const wide = yield* make({ page: pageOf([entry(1, { message: "€".repeat(10_000) })]) })
      const one = yield* decode((yield* wide.ask("/services/web/logs")).text)
      assert.isTrue(one.stdout_truncated)
      assert.match(one.logs[0] ?? "", /: €+$/u)
      assert.isAtMost(Buffer.byteLength(one.logs[0] ?? ""), 16_384)
      assert.isAbove(Buffer.byteLength(one.logs[0] ?? ""), 16_380)
    })
  )

  it.effect("shows nothing that moves a terminal's cursor or colours it", () =>
    Effect.gen(function* () {
      const message = "\u001b[31mred\u001b[0m\tand \u001b]0;title\u0007\u0001done\r"
      const { ask } = yield* make({ page: pageOf([entry(1, { message }), entry(2, { message: " \n " })]) })
      const { logs } = yield* decode((yield* ask("/services/web/logs")).text)
      assert.deepStrictEqual(logs, [`${shown(1)}red        and \uFFFDdone`])
    })
  )

  it.effect("gives entries, or these alone as NDJSON", () =>
    Effect.gen(function* () {
      const { ask } = yield* make({ page: pageOf([entry(1), entry(2)]) })
      const { entries, next } = yield* decodeEntries((yield* ask("/services/web/logs?format=entries")).text)
      assert.strictEqual(next, cursorOf(2))
      assert.deepStrictEqual(entries[0], {
        cursor: cursorOf(1),
        timestamp: "2023-11-14T22:13:21.000000Z",
        priority: 6,
        identifier: "web",
        pid: 45,
        unit: "web.service",
        hostname: "guest",
        message: "message 1"
      })
      const ndjson = yield* ask("/services/web/logs", { headers: { accept: "application/x-ndjson" } })
      assert.strictEqual(ndjson.headers["content-type"], "application/x-ndjson")
      assert.deepStrictEqual(
        ndjson.text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
        [...entries]
      )
    })
  )

  it.effect("takes out what is not shown of a unit, and searches none of its lines", () =>
    Effect.gen(function* () {
      const { ask } = yield* make({ page: pageOf([entry(1, { message: "login token=abc ok" })]) })
      assert.deepStrictEqual((yield* decode((yield* ask("/services/secret/logs")).text)).logs, [
        `${shown(1)}login [redacted] ok`
      ])
      for (const end of ["logs", "logs/stream"]) {
        assert.strictEqual((yield* ask(`/services/secret/${end}?grep=token%3Da`)).status, 422)
      }
    })
  )

  it.effect("is refused for units that are unknown, dark, or not the caller's", () =>
    Effect.gen(function* () {
      const { ask, entries } = yield* make({
        outcome: admitted(user("bob", "units:logs:web", "units:logs:dark", "units:logs:no"))
      })
      for (const end of ["logs", "logs/stream"]) {
        const unknown = yield* ask(`/services/no/${end}`)
        assert.deepStrictEqual([unknown.status, JSON.parse(unknown.text)], [404, { detail: "service not allowed" }])
        const dark = yield* ask(`/services/dark/${end}`)
        assert.deepStrictEqual(
          [dark.status, JSON.parse(dark.text)],
          [403, { detail: "the logs of this service are not shown" }]
        )
        assert.strictEqual((yield* ask(`/services/secret/${end}`)).status, 403)
      }
      assert.strictEqual(entries.length, 4)
    })
  )

  const failures: ReadonlyArray<readonly [JournalError, number, unknown]> = [
    [new ToolTimeout({ command: "journalctl" }), 504, { error: "timeout", command: "journalctl" }],
    [new ToolMissing({ binary: "journalctl" }), 503, { error: "missing_binary", binary: "journalctl" }],
    [
      new ToolFailed({ command: "journalctl", exit_code: 1 }),
      502,
      { error: "command_failed", command: "journalctl", exit_code: 1 }
    ],
    [
      new JournalForbidden(),
      503,
      {
        error: "journal_forbidden",
        message: "the daemon may not read the journal: its account must be in the group systemd-journal"
      }
    ],
    [new ToolBusy({ name: "journalctl", retryAfterSeconds: 3 }), 503, { error: "busy", command: "journalctl" }],
    [
      new JournalPatternRefused({ why: "is not a regular expression (missing )" }),
      422,
      [{ loc: ["query", "grep"], msg: "is not a regular expression (missing )", type: "value_error" }]
    ]
  ]

  it.effect.each(failures)("says what went wrong: %s", ([error, code, detail]) =>
    Effect.gen(function* () {
      const { ask } = yield* make({ page: Effect.fail(error), check: Effect.fail(error) })
      for (const end of ["logs", "logs/stream"]) {
        const { status, text } = yield* ask(`/services/web/${end}`)
        assert.deepStrictEqual([status, JSON.parse(text)], [code, { detail }])
      }
    })
  )
})

describe("GET /services/{id}/logs/stream", () => {
  /** The pieces of an answer as they come; the stop of the daemon is the test's. */
  const open = Effect.fnUntraced(function* (made: Effect.Success<ReturnType<typeof make>>, url: string, headers = {}) {
    const stop = yield* Deferred.make<void>()
    const { response } = yield* Effect.provideService(made.ask(url, { headers }), stopping, stop)
    if (response.body._tag !== "Stream") throw new Error(`no stream, but ${response.status}`)
    const pieces = yield* Queue.unbounded<string, unknown>()
    const { stream } = response.body
    yield* Effect.forkScoped(
      Effect.matchCauseEffect(
        Stream.runForEach(stream, (piece) => Queue.offer(pieces, Buffer.from(piece).toString())),
        {
          onFailure: () => Queue.offer(pieces, "<broken>"),
          onSuccess: () => Queue.offer(pieces, "<end>")
        }
      )
    )
    return { response, next: Queue.take(pieces), stop: Deferred.succeed(stop, undefined) }
  })

  it.effect("is text: the newest ten lines, then what comes", () =>
    Effect.gen(function* () {
      const lines = yield* Queue.unbounded<JournalEntry>()
      const made = yield* make({ follow: Stream.fromQueue(lines) })
      const { next, response, stop } = yield* open(made, "/services/web/logs/stream")
      assert.strictEqual(response.headers["content-type"], "text/plain; charset=utf-8")
      assert.strictEqual(yield* next, "")
      assert.strictEqual(made.followed[0]?.lines, 10)
      yield* Queue.offer(lines, entry(1))
      assert.strictEqual(yield* next, `${shown(1)}message 1\n`)
      yield* Queue.offer(lines, entry(2, { message: "two\nlines" }))
      assert.strictEqual(yield* next, `${shown(2)}two\n${" ".repeat(shown(2).length)}lines\n`)
      yield* stop
      assert.strictEqual(yield* next, "<end>")
    })
  )

  it.effect("is server-sent events that go on where the client was", () =>
    Effect.gen(function* () {
      const made = yield* make({ follow: Stream.concat(Stream.make(entry(6)), Stream.never) })
      const headers = { accept: "text/event-stream", "last-event-id": cursorOf(5) }
      const { next, response } = yield* open(made, `/services/web/logs/stream?after=${cursorOf(2)}`, headers)
      assert.strictEqual(response.headers["content-type"], "text/event-stream")
      assert.strictEqual(yield* next, ": keep-alive\n\n")
      assert.match(
        yield* next,
        new RegExp(`^id: ${cursorOf(6)}\ndata: \\{"cursor":.*"message":"message 6"\\}\n\n$`, "u")
      )
      assert.deepStrictEqual([made.followed[0]?.after, made.followed[0]?.lines], [cursorOf(5), undefined])
    })
  )

  it.effect("tells whoever hears nothing that somebody is there, and nobody else", () =>
    Effect.gen(function* () {
      const lines = yield* Queue.unbounded<JournalEntry>()
      const made = yield* make({ follow: Stream.fromQueue(lines) })
      const { next } = yield* open(made, "/services/web/logs/stream?format=ndjson")
      assert.strictEqual(yield* next, "\n")
      yield* Queue.offer(lines, entry(1))
      assert.include(yield* next, "message 1")
      yield* TestClock.adjust("15 seconds")
      yield* Queue.offer(lines, entry(2))
      assert.include(yield* next, "message 2")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* next, "\n")
    })
  )

  it.effect("begins with the newest of a time, if asked for both", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_600_000)
      const made = yield* make()
      const { next } = yield* open(made, "/services/web/logs/stream?since_minutes=10&lines=5000")
      yield* next
      assert.deepStrictEqual([made.followed[0]?.since, made.followed[0]?.lines], [1_700_000_000_000, 1000])
    })
  )

  it.effect("is given the whole of a time without a number", () =>
    Effect.gen(function* () {
      const made = yield* make()
      const { next } = yield* open(made, "/services/web/logs/stream?since_minutes=10")
      yield* next
      assert.deepStrictEqual([made.followed.length, made.followed[0]?.lines], [1, undefined])
    })
  )

  it.effect("ends with an error that comes later; text breaks off", () =>
    Effect.gen(function* () {
      const lost = new ToolFailed({ command: "journalctl", exit_code: -1 })
      const made = yield* make({ follow: Stream.concat(Stream.make(entry(1)), Stream.fail(lost)) })
      const detail = '{"error":"command_failed","command":"journalctl","exit_code":-1}'
      const sse = yield* open(made, "/services/web/logs/stream?format=sse")
      yield* sse.next
      yield* sse.next
      assert.strictEqual(yield* sse.next, `event: error\ndata: ${detail}\n\n`)
      assert.strictEqual(yield* sse.next, "<end>")
      const ndjson = yield* open(made, "/services/web/logs/stream?format=ndjson")
      yield* ndjson.next
      yield* ndjson.next
      assert.strictEqual(yield* ndjson.next, `{"error":${detail}}\n`)
      const text = yield* open(made, "/services/web/logs/stream")
      yield* text.next
      yield* text.next
      assert.strictEqual(yield* text.next, "<broken>")
    })
  )

  it.effect("ends when the configuration shows the unit's logs no more", () =>
    Effect.gen(function* () {
      const lines = yield* Queue.unbounded<JournalEntry>()
      const made = yield* make({ follow: Stream.fromQueue(lines) })
      const { next } = yield* open(made, "/services/web/logs/stream?grep=m")
      yield* next
      yield* Queue.offer(lines, entry(1))
      yield* next
      yield* made.change(toml.replace('web = "web.service"', 'web = { unit = "web.service", redact = ["m"] }'))
      yield* Queue.offer(lines, entry(2))
      assert.strictEqual(yield* next, "<end>")
    })
  )

  it.effect("has no end to go back from", () =>
    Effect.gen(function* () {
      const { ask } = yield* make()
      assert.strictEqual(
        (yield* ask(`/services/web/logs/stream?before=${encodeURIComponent(cursorOf(1))}`)).status,
        422
      )
      assert.strictEqual((yield* ask("/services/web/logs/stream", { headers: { "last-event-id": "7" } })).status, 422)
    })
  )
})
