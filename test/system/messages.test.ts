/** What a message may hold, and readers who do not read. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { connect, curl, eventsOf, logsOf, messages, request } from "./client.ts"
import { type Daemon, eventually, shell, start } from "./support.ts"

const config = (more = "") => `[general]\nlisten_addr = "127.0.0.1:0"\n${more}\n`

const record = ({ url }: Daemon, query: string) => request(`${url}/api/v1/new_event?message=${query}`)

const Brief = Schema.fromJsonString(Schema.Array(Schema.Struct({ received_at: Schema.String, message: Schema.String })))

describe("a message", () => {
  it.live("cannot forge a line of the log or speak to a terminal, and is whole in JSON", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      const forged =
        "innocent\n2024-11-05T22:03:23Z \t [system-api] basic auth secret updated.\r\u001b[2J\u009b\u2028end"
      yield* record(daemon, encodeURIComponent(forged))
      const { body } = yield* curl(`${daemon.url}/logs`)
      assert.deepStrictEqual(messages(body), [
        String.raw`innocent\n2024-11-05T22:03:23Z` +
          String.raw` ${"\t"} [system-api] basic auth secret updated.\r\e[2J\u009b\u2028end`
      ])
      assert.strictEqual((yield* eventsOf(daemon.url))[0]?.message, forged)
      const brief = yield* Schema.decodeEffect(Brief)((yield* curl(`${daemon.url}/api/v1/events`)).body)
      assert.strictEqual(brief[0]?.message, forged)
    })
  )

  it.live("is taken however it is written in a URL", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      const kept: ReadonlyArray<readonly [sent: string, kept: string]> = [
        ["a;b", "a;b"],
        ["100%", "100%"],
        ["50%25+off", "50% off"],
        ["%", "%"],
        ["%zz", "%zz"],
        ["a%20b%2Bc", "a b+c"],
        ["%FF%FE", "\uFFFD\uFFFD"],
        ["caf%C3%A9", "café"],
        ["a=b=c", "a=b=c"],
        ["%00", String.raw`\u0000`]
      ]
      for (const [sent] of kept) {
        assert.strictEqual((yield* curl(`${daemon.url}/api/v1/new_event?message=${sent}`)).status, 200, sent)
      }
      assert.deepStrictEqual(
        yield* logsOf(daemon.url),
        kept.map(([, shown]) => shown)
      )
    })
  )

  it.live("over the cap is refused, and one at the cap is taken", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: `${config()}[events]\nmessage_max_bytes = 2048\n` })
      assert.strictEqual((yield* record(daemon, "x".repeat(2049))).status, 413)
      assert.strictEqual((yield* record(daemon, "x".repeat(2048))).status, 200)
      const many = JSON.stringify([{ message: "ä".repeat(1025) }, { message: "ok" }])
      const { body } = yield* request(`${daemon.url}/api/v1/events`, { body: many })
      assert.match(body, /^\[\{"line":1,"code":413,"error":"message: [^"]+"\},\{"seq":2\}\]\n$/u)
    })
  )

  it.live("is there after a restart, with its time and number", () =>
    Effect.gen(function* () {
      const first = yield* start({ config: config() })
      for (const message of ["one", "two", "three"]) yield* record(first, message)
      const before = yield* eventsOf(first.url)
      assert.deepStrictEqual(
        before.map(({ message, seq }) => [seq, message]),
        [
          [1, "one"],
          [2, "two"],
          [3, "three"]
        ]
      )
      yield* first.stop
      const next = yield* start({ folder: first.folder, config: config() })
      assert.deepStrictEqual(yield* eventsOf(next.url), before)
    })
  )

  it.live("is found by its words, source, level, time and place in the log", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      yield* shell(daemon.folder, "echo from the pipe > pipe.fifo")
      yield* eventually(
        "the first is there",
        Effect.map(logsOf(daemon.url), (lines) => lines.length === 1)
      )
      const body =
        '[{"message":"alpha beta","level":"error"},{"message":"beta gamma","level":"warning"},{"message":"delta"}]'
      yield* request(`${daemon.url}/api/v1/events`, { body })
      const found = (query: string) =>
        Effect.map(eventsOf(daemon.url, query), (events) => events.map(({ message }) => message).join("|"))
      assert.strictEqual(yield* found("q=beta"), "alpha beta|beta gamma")
      assert.strictEqual(yield* found('q="beta+gamma"'), "beta gamma")
      assert.strictEqual(yield* found("source=pipe:pipe.fifo"), "from the pipe")
      assert.strictEqual(yield* found("level=error,warning"), "alpha beta|beta gamma")
      assert.strictEqual(yield* found("after=2&limit=1"), "beta gamma")
      assert.strictEqual(yield* found("before=3&limit=1"), "alpha beta")
      assert.strictEqual(yield* found("tail=2"), "beta gamma|delta")
      assert.strictEqual(yield* found("since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00Z"), "")
      assert.strictEqual((yield* curl(`${daemon.url}/logs?tail=1`)).body.split(" \t ")[1], "delta\n")
      assert.match((yield* curl(`${daemon.url}/logs?tail=1&format=json`)).body, /^\[\{"seq":4,[^\n]+\}\]\n$/u)
      const lines = yield* curl(`${daemon.url}/logs?format=ndjson&after=3`)
      assert.match(lines.body, /^\{"seq":4,[^\n]+\}\n$/u)
    })
  )
})

describe("readers", () => {
  it.live("who do not read block nobody", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      const { folder, port, url } = daemon
      const large = JSON.stringify(Array.from({ length: 100 }, () => ({ message: "x".repeat(60_000) })))
      for (let i = 0; i < 4; i++) yield* request(`${url}/api/v1/events`, { body: large })
      const stalled = yield* Effect.forEach(Array.from({ length: 10 }), () => connect({ host: "127.0.0.1", port }))
      for (const { send, socket } of stalled) {
        send("GET /logs HTTP/1.1\r\nHost: x\r\n\r\n")
        socket.pause()
      }
      const follower = yield* connect({ host: "127.0.0.1", port })
      follower.send("GET /api/v1/events/stream?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")
      follower.socket.pause()
      for (let i = 0; i < 20; i++) assert.strictEqual((yield* record(daemon, `http ${i}`)).status, 200)
      yield* shell(folder, "seq 1000 > pipe.fifo")
      yield* eventually(
        "the FIFO goes on",
        Effect.map(eventsOf(url, "tail=1"), ([last]) => last?.message === "1000")
      )
      assert.strictEqual((yield* curl(`${url}/logs?tail=1`)).body.split(" \t ")[1], "1000\n")
      // They have not been forgotten either: who reads on gets all of it.
      const [slow] = stalled
      slow?.socket.resume()
      const whole = yield* (
        slow?.until((text) => /\r\n\r\n/u.test(text) && text.length > 24_000_000) ?? Effect.succeed("")
      )
      assert.match(whole, /^HTTP\/1\.1 200 OK\r\n/u)
    })
  )

  it.live("follow live, resume where they were, and are told of a stop", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      yield* record(daemon, "before")
      const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
      line.send("GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* line.until((text) => text.includes("keep-alive"))
      yield* record(daemon, "live")
      const text = yield* line.until((seen) => seen.includes('"message":"live"'))
      assert.match(text, /id: 2\ndata: \{"seq":2,[^\n]*"message":"live"\}\n\n/u)
      assert.notInclude(text, '"message":"before"')
      assert.match(text, /content-type: text\/event-stream\r\n/iu)

      const resumed = yield* connect({ host: "127.0.0.1", port: daemon.port })
      resumed.send("GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0\r\n\r\n")
      const again = yield* resumed.until((seen) => seen.includes('"message":"live"'))
      assert.include(again, '"message":"before"')

      const lines = yield* connect({ host: "127.0.0.1", port: daemon.port })
      lines.send("GET /api/v1/events/stream?tail=1 HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n")
      assert.notInclude(yield* lines.until((seen) => seen.includes('"message":"live"}\n')), "data:")

      assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
      assert.isTrue((yield* line.closed).endsWith("0\r\n\r\n"), "ended, not cut")
    })
  )

  it.live("are told what retention removed", () =>
    Effect.gen(function* () {
      const first = yield* start({ config: config() })
      const body = JSON.stringify(Array.from({ length: 30 }, (_, i) => ({ message: `event ${i + 1}` })))
      yield* request(`${first.url}/api/v1/events`, { body })
      yield* first.stop
      const daemon = yield* start({ folder: first.folder, config: `${config()}[events]\nmax_count = 10\n` })
      yield* eventually(
        "the log tells of it",
        Effect.map(logsOf(daemon.url), (lines) => lines.at(-1) === "[system-api] retention removed events 1 to 20")
      )
      const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
      line.send("GET /api/v1/events/stream?after=5 HTTP/1.1\r\nHost: x\r\n\r\n")
      const text = yield* line.until((seen) => seen.includes('"message":"event 30"'))
      assert.include(text, 'event: gap\ndata: {"from":6,"to":20,"reason":"removed by retention"}\n\n')
      assert.notInclude(text, '"message":"event 20"')
      assert.include((yield* curl(`${daemon.url}/api/v1/info`)).body, '"removed_through":20')
    })
  )

  it.live("wait for the next event where they ask for it", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      yield* record(daemon, "first")
      const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
      line.send("GET /api/v1/events?after=1&wait=60 HTTP/1.1\r\nHost: x\r\n\r\n")
      // Answered on another connection after the first was taken up, as the kernel delivers in order of arrival.
      yield* record(daemon, "second")
      const text = yield* line.until((seen) => seen.includes("]\n"))
      assert.include(text, '"message":"second"')
      assert.match(text, /x-next-after: 2\r\n/iu)
    })
  )
})
