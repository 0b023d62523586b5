import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { EventRecord } from "../../../src/http/api/Events.ts"
import { StorageFailed, StorageFull } from "../../../src/services/storage/EventStorage.ts"
import { type Answer, makeApp } from "../../harness/app.ts"
import { runOf } from "../../harness/events.ts"

const second = 1_000_000_000n
const epoch = 1_730_844_203n

/** Ten events a second apart, of several sources and levels. */
const filled = Effect.fnUntraced(function* (config = "") {
  const app = yield* makeApp({ config })
  for (let i = 0; i < 10; i++) {
    yield* app.log.append([
      runOf([`event ${i + 1}${i % 3 === 0 ? " Third" : ""}`], {
        receivedAt: (epoch + BigInt(i)) * second,
        source: i % 2 === 0 ? "http" : "pipe:a",
        level: i === 4 ? "error" : i === 5 ? "warning" : "info"
      })
    ])
  }
  return app
})

const Records = Schema.fromJsonString(Schema.Array(EventRecord))
const seqsOf = (answer: Answer) =>
  Effect.map(Schema.decodeEffect(Records)(answer.text), (events) => events.map(({ seq }) => seq))
const errorOf = ({ status, text }: Answer): string => {
  const { code, message } = JSON.parse(text)
  assert.strictEqual(code, status)
  return message
}

describe("GET /logs and /api/v1/events without parameters", () => {
  it.effect("show what the daemon did before it was asked, though that is on its way to the disk", () =>
    Effect.gen(function* () {
      const { call, log, storage } = yield* makeApp()
      const disk = yield* Deferred.make<void>()
      storage.beforeStore = Deferred.await(disk)
      yield* Effect.forkChild(log.record("done"), { startImmediately: true })
      const paths = ["/logs", "/api/v1/events", "/api/v1/events?tail=1"]
      const asked = yield* Effect.forkChild(
        Effect.forEach(paths, (path) => call(path), { concurrency: 3 }),
        {
          startImmediately: true
        }
      )
      yield* Effect.yieldNow
      assert.isUndefined(asked.pollUnsafe())
      yield* Deferred.succeed(disk, undefined)
      for (const { text } of yield* Fiber.join(asked)) assert.include(text, "[system-api] done")
    })
  )

  it.effect("are empty for an empty log", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const logs = yield* call("/logs")
      assert.deepStrictEqual(
        [logs.status, logs.text, logs.headers["content-type"]],
        [200, "", "text/plain; charset=utf-8"]
      )
      const events = yield* call("/api/v1/events")
      assert.deepStrictEqual(
        [events.status, events.text, events.headers["content-type"]],
        [200, "[]\n", "application/json"]
      )
    })
  )

  it.effect("are the newest log_max_entries events, as the original writes them", () =>
    Effect.gen(function* () {
      const { call } = yield* filled("[general]\nlog_max_entries = 2")
      const text = "2024-11-05T22:03:31Z \t event 9\n2024-11-05T22:03:32Z \t event 10 Third\n"
      assert.strictEqual((yield* call("/logs")).text, text)
      for (const target of ["/logs?format=text", "/api/v1/events?format=text", "/logs?unknown=1"]) {
        assert.strictEqual((yield* call(target)).text, text, target)
      }
      const brief =
        '[{"received_at":"2024-11-05T22:03:31.000000000Z","message":"event 9"},' +
        '{"received_at":"2024-11-05T22:03:32.000000000Z","message":"event 10 Third"}]\n'
      for (const target of ["/api/v1/events", "/api/v1/events?format=other", "/api/v1/events?unknown=1"]) {
        assert.strictEqual((yield* call(target)).text, brief, target)
      }
    })
  )

  it.effect("show new events, and no longer what retention removed", () =>
    Effect.gen(function* () {
      const { call, log } = yield* makeApp()
      yield* log.append([runOf(["a"])])
      yield* call("/api/v1/events")
      yield* log.append([runOf(["b"])])
      assert.deepStrictEqual(
        JSON.parse((yield* call("/api/v1/events")).text).map(({ message }: { message: string }) => message),
        ["a", "b"]
      )
      yield* log.retain({ maxCount: 1, maxBytes: 0, receivedBefore: null })
      assert.deepStrictEqual(
        JSON.parse((yield* call("/api/v1/events")).text).map(({ message }: { message: string }) => message),
        ["b"]
      )
      assert.strictEqual((yield* call("/logs")).text, "1970-01-01T00:00:00Z \t b\n")
      yield* log.retain({ maxCount: 0, maxBytes: 0, receivedBefore: 1n })
      assert.strictEqual((yield* call("/api/v1/events")).text, "[]\n")
      assert.strictEqual((yield* call("/logs")).text, "")
    })
  )

  it.effect("are streamed when they do not fit in memory, and are the same", () =>
    Effect.gen(function* () {
      const { call, log } = yield* makeApp({ config: "[general]\nlog_max_entries = 25" })
      for (let i = 0; i < 30; i++) yield* log.append([runOf([`${i} ${"x".repeat(1024 * 1024)}`])])
      const lines = (yield* call("/logs")).text.split("\n").slice(0, -1)
      assert.deepStrictEqual(
        lines.map((line) => Number(line.slice(23, 25))),
        Array.from({ length: 25 }, (_, i) => i + 5)
      )
      const events: ReadonlyArray<{ message: string }> = JSON.parse((yield* call("/api/v1/events")).text)
      assert.deepStrictEqual(
        events.map(({ message }) => Number(message.slice(0, 2))),
        Array.from({ length: 25 }, (_, i) => i + 5)
      )
    })
  )
})

describe("the parameters of /api/v1/events", () => {
  const queries: ReadonlyArray<readonly [string, ReadonlyArray<number>, number]> = [
    ["after=7", [8, 9, 10], 10],
    ["after=10", [], 10],
    ["after=99", [], 99],
    ["after=2&limit=3", [3, 4, 5], 5],
    ["before=3", [1, 2], 2],
    ["before=9&limit=2", [7, 8], 8],
    ["after=3&before=6", [4, 5], 5],
    ["tail=3", [8, 9, 10], 10],
    ["tail=0", [], 10],
    ["tail=3&before=5", [2, 3, 4], 4],
    ["tail=100", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 10],
    ["tail=2&q=third", [7, 10], 10],
    ["before=10&limit=1&q=third", [7], 9],
    ["limit=2", [1, 2], 2],
    ["since=2024-11-05T22:03:30Z", [8, 9, 10], 10],
    [`since=${epoch + 8n}`, [9, 10], 10],
    [`since=${epoch}.5&until=${epoch + 3n}`, [2, 3], 10],
    ["until=2024-11-05T22:03:23Z", [], 10],
    ["source=pipe%3Aa&limit=2", [2, 4], 4],
    ["source=nobody", [], 10],
    ["level=error", [5], 10],
    ["level=error,warning", [5, 6], 10],
    ["level=debug", [], 10],
    ["q=THIRD", [1, 4, 7, 10], 10],
    ["q=event+1", [1, 10], 10],
    ["q=%22event+1%22", [1, 10], 10],
    ["q=%22event+1+t%22", [1], 10],
    ["q=%25", [], 10],
    ["q=", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 10],
    ["format=json&after=9", [10], 10],
    ["format=json", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 10],
    ["wait=0&after=9", [10], 10],
    ["wait=30&after=9", [10], 10],
    ["after=1&after=9", [2, 3, 4, 5, 6, 7, 8, 9, 10], 10]
  ]
  for (const [query, seqs, next] of queries) {
    it.effect(`?${query}`, () =>
      Effect.gen(function* () {
        const { call } = yield* filled()
        const answer = yield* call(`/api/v1/events?${query}`)
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(yield* seqsOf(answer), seqs)
        assert.strictEqual(answer.headers["x-next-after"], String(next))
      })
    )
  }

  it.effect("give text and NDJSON as asked for, on both paths", () =>
    Effect.gen(function* () {
      const { call } = yield* filled()
      const text = "2024-11-05T22:03:31Z \t event 9\n2024-11-05T22:03:32Z \t event 10 Third\n"
      for (const target of ["/logs?tail=2", "/logs?after=8&format=text", "/api/v1/events?format=text&tail=2"]) {
        assert.strictEqual((yield* call(target)).text, text, target)
      }
      assert.deepStrictEqual(yield* seqsOf(yield* call("/logs?format=json&tail=2")), [9, 10])
      for (const target of [
        "/api/v1/events?format=ndjson&after=8",
        "/logs?format=ndjson&after=8",
        "/api/v1/events?format=ndjson&tail=2"
      ]) {
        const { headers, text: lines } = yield* call(target)
        assert.strictEqual(headers["content-type"], "application/x-ndjson")
        assert.deepStrictEqual(
          lines
            .split("\n")
            .slice(0, -1)
            .map((line) => JSON.parse(line).seq),
          [9, 10]
        )
      }
      const all = (yield* call("/api/v1/events?format=ndjson")).text.split("\n").slice(0, -1)
      assert.strictEqual(all.length, 10)
    })
  )

  it.effect("page through everything by X-Next-After", () =>
    Effect.gen(function* () {
      const { call } = yield* filled()
      const seen: Array<number> = []
      for (let after = 0, page: ReadonlyArray<number> = [0]; page.length > 0;) {
        const answer = yield* call(`/api/v1/events?after=${after}&limit=3&q=event`)
        page = yield* seqsOf(answer)
        seen.push(...page)
        after = Number(answer.headers["x-next-after"])
      }
      assert.deepStrictEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    })
  )

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["after=-1", 'after: found "-1", allowed: an integer from 0'],
    ["after=x", 'after: found "x"'],
    ["after=", 'after: found ""'],
    ["after=1e3", 'after: found "1e3"'],
    ["after=1234567890123456", "after: found"],
    ["before=0", 'before: found "0", allowed: an integer from 1'],
    ["limit=0", 'limit: found "0", allowed: an integer from 1 to 10000'],
    ["limit=10001", "allowed: an integer from 1 to 10000"],
    ["tail=10001", "allowed: an integer from 0 to 10000"],
    ["wait=61", 'wait: found "61", allowed: an integer from 0 to 60'],
    ["since=yesterday", 'since: found "yesterday", allowed: a time as'],
    ["until=9999-01-01T00:00:00Z", "until: found"],
    ["level=loud", 'level: found "loud", allowed: debug, info, warning, error'],
    [
      "level=error,audit",
      'level: found "audit", allowed: debug, info, warning, error; GET /v1/audit shows audit entries'
    ],
    ["level=", 'level: found ""'],
    [`q=${"w+".repeat(17)}`, "q: found"],
    [`q=${"x".repeat(257)}`, "up to 16 words of up to 256 characters"]
  ]
  for (const [query, message] of wrong) {
    it.effect(`?${query.slice(0, 40)} is refused by name`, () =>
      Effect.gen(function* () {
        const { call } = yield* filled()
        for (const path of ["/api/v1/events", "/logs", "/api/v1/events/stream"]) {
          const answer = yield* call(`${path}?${query}`)
          assert.strictEqual(answer.status, 400, path)
          assert.include(errorOf(answer), message)
        }
      })
    )
  }

  it.effect("are 503 while the store cannot be read; the newest events are still there", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* filled()
      storage.beforeRead = Effect.fail(new StorageFailed({ reason: "disk on fire" }))
      const answer = yield* call("/api/v1/events?q=event")
      assert.strictEqual(answer.status, 503)
      assert.include(errorOf(answer), "disk on fire")
      assert.strictEqual(answer.headers["retry-after"], "1")
      assert.strictEqual((yield* call("/logs")).status, 200)
      assert.deepStrictEqual(yield* seqsOf(yield* call("/api/v1/events?after=8")), [9, 10])
    })
  )
})

describe("long polling", () => {
  it.effect("answers as soon as an event matches", () =>
    Effect.gen(function* () {
      const { call, log, waiting } = yield* filled()
      const polling = yield* Effect.forkChild(call("/api/v1/events?after=10&wait=30&q=wanted"))
      assert.strictEqual(yield* waiting, 10)
      yield* log.append([runOf(["other"])])
      assert.strictEqual(yield* waiting, 11)
      yield* log.append([runOf(["the wanted one"])])
      const answer = yield* Fiber.join(polling)
      assert.deepStrictEqual(yield* seqsOf(answer), [12])
      assert.strictEqual(answer.headers["x-next-after"], "12")
    })
  )

  it.effect("answers with nothing when time is up, and says where to go on", () =>
    Effect.gen(function* () {
      const { call, log, waiting } = yield* filled()
      const polling = yield* Effect.forkChild(call("/api/v1/events?after=10&wait=30&q=wanted"))
      yield* waiting
      yield* log.append([runOf(["other"])])
      yield* waiting
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(polling.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const answer = yield* Fiber.join(polling)
      assert.deepStrictEqual([answer.text, answer.headers["x-next-after"]], ["[]\n", "11"])
    })
  )

  it.effect("answers with what it has when the daemon stops", () =>
    Effect.gen(function* () {
      const stop = yield* Deferred.make<void>()
      const { call, waiting } = yield* makeApp({ stopping: stop })
      const polling = yield* Effect.forkChild(call("/api/v1/events?after=0&wait=60"))
      yield* waiting
      yield* Deferred.succeed(stop, undefined)
      assert.deepInclude(yield* Fiber.join(polling), { status: 200, text: "[]\n" })
    })
  )

  it.effect("that waits for a seq far ahead is not woken by what comes before", () =>
    Effect.gen(function* () {
      const { call, log, waiting } = yield* filled()
      const polling = yield* Effect.forkChild(call("/api/v1/events?after=5000&wait=5"))
      yield* waiting
      yield* log.append([runOf(["eleventh"])])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* Fiber.join(polling)).status, 200)
    })
  )
})

describe("GET /api/v1/new_event", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["?message=hello", "hello"],
    ["?message=hello%20w%C3%B6rld+plus", "hello wörld plus"],
    ["?message=first&message=second", "first"],
    ["?message=", ""],
    ["?message", ""],
    ["", ""],
    ["?other=1", ""],
    ["?message=a;b", "a;b"],
    ["?message=100%", "100%"],
    ["?message=%zz", "%zz"],
    ["?message=%ff", "\ufffd"],
    ["?message=%00", "\u0000"],
    ["?message=a%0Ab", "a\nb"],
    ["?message=%F0%9D%84%9E", "𝄞"],
    ["?a=b&message=x=y", "x=y"]
  ]
  for (const [query, message] of cases) {
    it.effect(`${query} records ${JSON.stringify(message)}`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1000)
        const { call, storage } = yield* makeApp()
        const answer = yield* call(`/api/v1/new_event${query}`)
        assert.deepStrictEqual([answer.status, answer.text, answer.headers["content-length"]], [200, "", "0"])
        assert.deepStrictEqual(storage.events, [
          { seq: 1, receivedAt: second, source: "http", who: undefined, level: "info", fields: undefined, message }
        ])
      })
    )
  }

  it.effect("refuses a message above the limit", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp({ config: "[events]\nmessage_max_bytes = 1024\n" })
      assert.strictEqual((yield* call(`/api/v1/new_event?message=${"%C3%A9".repeat(512)}`)).status, 200)
      const answer = yield* call(`/api/v1/new_event?message=${"%C3%A9".repeat(513)}`)
      assert.strictEqual(answer.status, 413)
      assert.include(errorOf(answer), "message: larger than the 1024 bytes allowed")
      assert.strictEqual(storage.events.length, 1)
    })
  )

  it.effect("is 507 while the store is full, and works when it has room", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      for (const init of [{}, { method: "POST", body: '{"message":"a"}' }]) {
        const answer = yield* call(`/api/v1/${"method" in init ? "events" : "new_event?message=a"}`, init)
        assert.strictEqual(answer.status, 507)
        assert.strictEqual(errorOf(answer), "the event store cannot take new events: no space left on device")
      }
      storage.beforeStore = Effect.void
      assert.strictEqual((yield* call("/api/v1/new_event?message=a")).status, 200)
    })
  )
})
