/** What one request may cost: events of one answer held in memory, of one array, of one search. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EventRecord } from "../../../src/http/api/Events.ts"
import { pageBytesMax } from "../../../src/services/events/EventQuery.ts"
import { makeApp } from "../../harness/app.ts"
import { runOf } from "../../harness/events.ts"

const heavy = (n: number) => `${n} ${"x".repeat(100 * 1024)}`
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(EventRecord)))

describe("an answer of heavy events", () => {
  it.effect("is streamed a page at a time, whole and in order", () =>
    Effect.gen(function* () {
      const { call, follow, log } = yield* makeApp()
      for (let n = 1; n <= 40; n++) yield* log.append([runOf([heavy(n)])])
      const answer = yield* call("/api/v1/events?tail=30")
      assert.strictEqual(answer.headers["x-next-after"], "40")
      const events = yield* decode(answer.text)
      assert.deepStrictEqual(
        events.map(({ seq }) => seq),
        Array.from({ length: 30 }, (_, i) => i + 11)
      )
      const { next } = yield* follow("/api/v1/events?tail=30")
      assert.isBelow((yield* next).length, pageBytesMax + 2 * heavy(1).length)
    })
  )

  it.effect("has the newest of a tail, and goes on where it says, when it must be searched for", () =>
    Effect.gen(function* () {
      const { call, log } = yield* makeApp()
      for (let n = 1; n <= 40; n++) yield* log.append([runOf([heavy(n)])])
      const tail = yield* decode((yield* call("/api/v1/events?tail=30&source=test")).text)
      assert.strictEqual(tail.at(-1)?.seq, 40)
      const seen: Array<number> = []
      for (let after = "0"; after !== "40";) {
        const answer = yield* call(`/api/v1/events?after=${after}&source=test`)
        seen.push(...(yield* decode(answer.text)).map(({ seq }) => seq))
        after = answer.headers["x-next-after"] ?? "40"
      }
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 40 }, (_, i) => i + 1)
      )
    })
  )
})

describe("a request", () => {
  it.effect("with an array of too many events stores none of them", () =>
    Effect.gen(function* () {
      const { call, log } = yield* makeApp()
      const body = JSON.stringify(Array.from({ length: 10_001 }, () => ({ message: "x" })))
      const answer = yield* call("/api/v1/events", { method: "POST", body })
      assert.strictEqual(answer.status, 413)
      assert.include(answer.text, "10001 events, allowed: 10000 in an array; NDJSON takes any number")
      assert.strictEqual(log.bounds().last, 0)
    })
  )

  it.effect.each([
    ["wait=1", "wait: found"],
    ["after=0&before=9&wait=1", "wait: found"],
    ["tail=1&limit=1", "tail: found"],
    ["since=2026-02-31T00:00:00Z", "since: found"]
  ])("with parameters that make no sense together is refused: %s", ([query = "", told = ""]) =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const answer = yield* call(`/api/v1/events?${query}`)
      assert.strictEqual(answer.status, 400)
      assert.include(answer.text, told)
    })
  )

  it.effect("that names a level many times asks for it once", () =>
    Effect.gen(function* () {
      const { call, log } = yield* makeApp()
      yield* log.append([runOf(["a"])])
      const answer = yield* call(`/api/v1/events?level=${Array.from({ length: 1000 }, () => "info").join()}`)
      assert.strictEqual(answer.status, 200)
      assert.strictEqual((yield* decode(answer.text)).length, 1)
    })
  )
})

it.effect("a follower that is ahead of the log is told, and goes on with this one", () =>
  Effect.gen(function* () {
    const { follow, log, waiting } = yield* makeApp()
    yield* log.append([runOf(["old"])])
    const { next } = yield* follow("/api/v1/events/stream", { headers: { "last-event-id": "1000" } })
    const first = yield* next
    assert.include(first, 'id: 1\nevent: gap\ndata: {"from":2,"to":1000,"reason":"not in this log"}\n\n')
    assert.strictEqual(yield* waiting, 1)
    yield* log.append([runOf(["new"])])
    assert.include(yield* next, '"seq":2')
  })
)
