import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { makeApp } from "../../harness/app.ts"
import { runOf } from "../../harness/events.ts"
import { makeFakeStorage } from "../../harness/FakeStorage.ts"

/** Events numbered from 1, and between any two of them `between` audit entries. */
const laced = (count: number, between: number) =>
  Array.from({ length: count }, (_, i) => [
    runOf([`event ${i + 1}`]),
    runOf(
      Array.from({ length: between }, () => "secret"),
      { level: "audit", source: "daemon", fields: "{}" }
    )
  ]).flat()

const start = Effect.fnUntraced(function* (
  count: number,
  between: number,
  config = "[general]\nlog_max_entries = 10\n"
) {
  const storage = makeFakeStorage()
  storage.seed(laced(count, between))
  const app = yield* makeApp({ storage, config })
  const get = (target: string, headers: Record<string, string> = {}) => app.call(target, { headers })
  return { ...app, storage, get }
})

const Seqs = Schema.fromJsonString(Schema.Array(Schema.Struct({ seq: Schema.Int, message: Schema.String })))
const briefOf = Schema.decodeSync(Schema.fromJsonString(Schema.Array(Schema.Struct({ message: Schema.String }))))
const namesIn = (text: string) => Schema.decodeSync(Seqs)(text).map(({ message }) => message)
const upTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => `event ${first + i}`)
const messagesOf = (text: string) =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.slice(line.indexOf("\t") + 2))

describe("audit entries", () => {
  for (const between of [1, 7, 200]) {
    it.effect(`are in no answer, and push nothing out of one (${between} after each event)`, () =>
      Effect.gen(function* () {
        const { get } = yield* start(30, between)
        assert.deepStrictEqual(messagesOf((yield* get("/logs")).text), upTo(21, 30))
        const brief = briefOf((yield* get("/api/v1/events")).text)
        assert.deepStrictEqual(
          brief.map(({ message }) => message),
          upTo(21, 30)
        )
        for (const [query, expected] of [
          ["tail=3", upTo(28, 30)],
          ["tail=20", upTo(11, 30)],
          ["tail=100", upTo(1, 30)],
          ["after=0&limit=4", upTo(1, 4)],
          [`after=${1 + between}&limit=4`, upTo(2, 5)],
          [`before=${2 * (1 + between)}&limit=1`, upTo(2, 2)],
          [`before=${20 * (1 + between) + 1}&limit=3`, upTo(18, 20)],
          ["q=event&tail=5", upTo(26, 30)],
          ["source=daemon", []],
          ["level=info,error", upTo(1, 30)]
        ] as const) {
          assert.deepStrictEqual(namesIn((yield* get(`/api/v1/events?${query}`)).text), expected, query)
        }
        const lines = (yield* get("/api/v1/events?format=ndjson")).text.trimEnd().split("\n")
        assert.deepStrictEqual(namesIn(`[${lines.join()}]`), upTo(1, 30))
      })
    )
  }

  it.effect("are stepped over by X-Next-After, whatever the pages", () =>
    Effect.gen(function* () {
      const { get, storage } = yield* start(40, 3)
      const names: Array<string> = []
      let after = "0"
      for (let pages = 0; pages < 100; pages++) {
        const { headers, text } = yield* get(`/api/v1/events?after=${after}&limit=7`)
        const found = namesIn(text)
        names.push(...found)
        after = headers["x-next-after"] ?? ""
        if (found.length === 0) break
      }
      assert.deepStrictEqual(names, upTo(1, 40))
      assert.strictEqual(Number(after), storage.events.length)
    })
  )

  it.effect("do not hide the newest events that are no longer in memory", () =>
    Effect.gen(function* () {
      // More of both than the window of memory has.
      const { get } = yield* start(3000, 2, "[general]\nlog_max_entries = 100000\n")
      assert.deepStrictEqual(messagesOf((yield* get("/logs")).text), upTo(1, 3000))
      const { headers, text } = yield* get("/api/v1/events?after=0&limit=2500")
      assert.deepStrictEqual(namesIn(text), upTo(1, 2500))
      assert.strictEqual(headers["x-next-after"], String(1 + 2499 * 3))
      assert.deepStrictEqual(namesIn((yield* get("/api/v1/events?tail=2900")).text), upTo(101, 3000))
    })
  )

  it.effect("that come while events do change nothing of what is shown", () =>
    Effect.gen(function* () {
      const { get, log } = yield* start(0, 0)
      for (let i = 1; i <= 40; i++) {
        yield* log.append(i % 3 === 0 ? laced(0, 0) : [runOf([`event ${i}`])])
        yield* log.append([
          runOf(
            Array.from({ length: i % 5 }, () => "secret"),
            { level: "audit" }
          )
        ])
        const shown = Array.from({ length: i }, (_, n) => n + 1).filter((n) => n % 3 !== 0)
        assert.deepStrictEqual(
          messagesOf((yield* get("/logs")).text),
          shown.slice(-10).map((n) => `event ${n}`)
        )
      }
    })
  )

  it.effect("do not wake who waits for an event", () =>
    Effect.gen(function* () {
      const { call, log } = yield* start(1, 1)
      const waiting = yield* Effect.forkChild(call("/api/v1/events?after=2&wait=20"), { startImmediately: true })
      yield* log.append([runOf(["secret"], { level: "audit" })])
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* log.append([runOf(["event"])])
      const { headers, text } = yield* Fiber.join(waiting)
      assert.deepStrictEqual(namesIn(text), ["event"])
      assert.strictEqual(headers["x-next-after"], "4")
    })
  )

  it.effect("are no gap to a follower, and wake none", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [after: number, seqs: Array<number>]> = [
        [0, [1, 6, 11]],
        [3, [6, 11]],
        [12, []]
      ]
      for (const [after, seqs] of cases) {
        const { follow, log } = yield* start(3, 4)
        const { left, next } = yield* follow(`/api/v1/events/stream?after=${after}`, {
          headers: { accept: "application/x-ndjson" }
        })
        yield* next
        const seqsIn = (text: string) => [...text.matchAll(/"seq":(\d+)/gu)].map(([, seq]) => Number(seq))
        if (seqs.length > 0) {
          const piece = yield* next
          assert.notInclude(piece, "gap")
          assert.deepStrictEqual(seqsIn(piece), seqs)
        }
        const { first } = yield* log.append([runOf(["secret"], { level: "audit" })])
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* left, 0)
        yield* log.append([runOf(["more"])])
        assert.deepStrictEqual(seqsIn(yield* next), [first + 1])
      }
    })
  )

  it.effect("that retention removed are no gap; what it removed of the others is", () =>
    Effect.gen(function* () {
      const { follow, log } = yield* start(5, 2)
      const asNdjson = { headers: { accept: "application/x-ndjson" } }
      yield* log.retain({
        maxCount: 0,
        maxBytes: 0,
        receivedBefore: null,
        audit: { maxCount: 1, receivedBefore: null }
      })
      const whole = yield* follow("/api/v1/events/stream?after=0", asNdjson)
      yield* whole.next
      assert.notInclude(yield* whole.next, "gap")
      yield* log.retain({ maxCount: 3, maxBytes: 0, receivedBefore: null })
      const cut = yield* follow("/api/v1/events/stream?after=0", asNdjson)
      yield* cut.next
      const [gap] = (yield* cut.next).split("\n")
      assert.deepStrictEqual(JSON.parse(gap ?? ""), { gap: { from: 1, to: 4, reason: "removed by retention" } })
    })
  )

  it.effect("are nobody's to write, nor to ask for here", () =>
    Effect.gen(function* () {
      const { call, get, storage } = yield* start(0, 0)
      const written = yield* call("/api/v1/events", { method: "POST", body: '{"message":"x","level":"audit"}' })
      assert.strictEqual(written.status, 400)
      assert.include(written.text, "/v1/audit")
      assert.strictEqual(storage.events.length, 0)
      for (const target of ["/api/v1/events", "/logs", "/api/v1/events/stream"]) {
        const { status, text } = yield* get(`${target}?level=audit`)
        assert.strictEqual(status, 400)
        assert.include(text, "/v1/audit")
      }
    })
  )
})
