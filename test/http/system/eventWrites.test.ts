import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { StorageFull } from "../../../src/services/storage/EventStorage.ts"
import { makeApp } from "../../harness/app.ts"

const post = (body: string, contentType = "application/json") => ({
  method: "POST",
  body,
  headers: { "content-type": contentType }
})
const lines = (text: string): ReadonlyArray<unknown> =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))
const ndjson = (...values: ReadonlyArray<string>) => post(values.join("\n"), "application/x-ndjson")

/** A body in the chunks a socket might deliver it in. */
const chunked = (...chunks: ReadonlyArray<string | Uint8Array>): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/x-ndjson" },
  duplex: "half",
  body: new ReadableStream({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(Buffer.from(chunk))
      controller.close()
    }
  })
})

describe("POST /api/v1/events", () => {
  it.effect("takes one object and answers its seq", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(2000)
      const { call, storage } = yield* makeApp()
      const answer = yield* call(
        "/api/v1/events",
        post('{"message":"hi","level":"error","fields":{"a":[1,"\\u0000"]}}')
      )
      assert.deepStrictEqual(
        [answer.status, answer.text, answer.headers["content-type"]],
        [200, '{"seq":1}\n', "application/json"]
      )
      assert.deepStrictEqual(storage.events, [
        {
          seq: 1,
          receivedAt: 2_000_000_000n,
          source: "http",
          who: undefined,
          level: "error",
          message: "hi",
          fields: '{"a":[1,"\\u0000"]}'
        }
      ])
    })
  )

  it.effect("takes an array and answers each of it, the wrong ones too, in one transaction", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      const answer = yield* call("/api/v1/events", post('[{"message":"a"},{"massage":"b"},7,{"message":"c"}]'))
      assert.strictEqual(answer.status, 200)
      const results: ReadonlyArray<Record<string, unknown>> = JSON.parse(answer.text)
      assert.deepStrictEqual(
        results.map(({ code, line, seq }) => seq ?? [line, code]),
        [1, [2, 400], [3, 400], 2]
      )
      assert.deepStrictEqual(storage.commits, [2])
      assert.strictEqual((yield* call("/api/v1/events", post("[]"))).text, "[]\n")
    })
  )

  const refused: ReadonlyArray<readonly [string, number, string]> = [
    ["", 400, "body: not JSON: "],
    ["{", 400, "body: not JSON: "],
    ['{"message":"a"}\n{"message":"b"}', 400, "NDJSON needs Content-Type: application/x-ndjson"],
    ["{}", 400, "not an event: "],
    ["null", 400, "not an event: "],
    ['"text"', 400, "not an event: "],
    ['{"message":"a","level":"loud"}', 400, "not an event: "],
    ['{"message":"a","received_at":"2024-11-05T22:03:23Z"}', 400, "events.accept_given_time is off"],
    [`{"message":"${"x".repeat(2000)}"}`, 413, "message: larger than the 1024 bytes allowed"],
    [`{"message":"a","fields":{"x":"${"x".repeat(2000)}"}}`, 413, "fields: larger than the 1024 bytes allowed"],
    [
      JSON.stringify({ message: "a", fields: { x: "x".repeat(10_000) } }),
      413,
      "The body is larger than the 4096 bytes allowed here"
    ]
  ]
  for (const [body, status, message] of refused) {
    it.effect(`refuses ${JSON.stringify(body.slice(0, 50))} with ${status}`, () =>
      Effect.gen(function* () {
        const { call, storage } = yield* makeApp({
          config: "[events]\nmessage_max_bytes = 1024\n[limits]\nbody_max_bytes = 4096\n"
        })
        const answer = yield* call("/api/v1/events", post(body))
        assert.strictEqual(answer.status, status)
        assert.strictEqual(JSON.parse(answer.text).code, status)
        assert.include(JSON.parse(answer.text).message, message)
        assert.deepStrictEqual(storage.events, [])
      })
    )
  }

  it.effect("takes the writer's time where that is allowed", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp({ config: "[events]\naccept_given_time = true\n" })
      yield* call("/api/v1/events", post('{"message":"a","received_at":"2024-11-05T22:03:23.5Z"}'))
      assert.strictEqual(storage.events[0]?.receivedAt, 1_730_844_203_500_000_000n)
    })
  )
})

describe("POST /api/v1/events with NDJSON", () => {
  it.effect("answers every line, wrong ones with their number, and passes over empty ones", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      const answer = yield* call(
        "/api/v1/events",
        ndjson('{"message":"a"}', "", "  \r", '{"message":"b"}\r', "nonsense", '{"nope":1}', '{"message":"c"}')
      )
      assert.deepStrictEqual([answer.status, answer.headers["content-type"]], [200, "application/x-ndjson"])
      const [a, b, wrong, alsoWrong, c] = lines(answer.text)
      assert.deepStrictEqual([a, b, c], [{ seq: 1 }, { seq: 2 }, { seq: 3 }])
      assert.deepInclude(wrong, { line: 5, code: 400 })
      assert.deepInclude(alsoWrong, { line: 6, code: 400 })
      assert.deepStrictEqual(
        storage.events.map(({ message }) => message),
        ["a", "b", "c"]
      )
    })
  )

  it.effect("is the same however the body is cut, between the bytes of a character too", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      const body = Buffer.from('{"message":"é€𝄞"}\n{"message":"two"}\n')
      const answer = yield* call(
        "/api/v1/events",
        chunked(
          ...body
            .toString("latin1")
            .split("")
            .map((c) => Buffer.from(c, "latin1"))
        )
      )
      assert.deepStrictEqual(lines(answer.text), [{ seq: 1 }, { seq: 2 }])
      assert.deepStrictEqual(
        storage.events.map(({ message }) => message),
        ["é€𝄞", "two"]
      )
    })
  )

  it.effect("stores what came in one chunk in one transaction", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      const many = Array.from({ length: 100 }, (_, i) => `{"message":"${i}"}\n`).join("")
      yield* call("/api/v1/events", chunked(many, many))
      assert.deepStrictEqual(storage.commits, [100, 100])
    })
  )

  it.effect("takes a body far larger than a JSON one may be, and tells of a line that is too long", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp({
        config: "[events]\nmessage_max_bytes = 1024\n[limits]\nbody_max_bytes = 4096\n"
      })
      const line = `{"message":"${"x".repeat(1000)}"}\n`
      const answer = yield* call(
        "/api/v1/events",
        chunked(line.repeat(50), `{"message":"${"y".repeat(100_000)}"}\n`, line)
      )
      const results = lines(answer.text)
      assert.strictEqual(results.length, 52)
      assert.deepInclude(results[50], { line: 51, code: 413 })
      assert.deepStrictEqual(results[51], { seq: 51 })
      assert.strictEqual(storage.events.length, 51)
    })
  )

  it.effect("tells line by line what could not be stored", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      const answer = yield* call("/api/v1/events", ndjson('{"message":"a"}', "wrong", '{"message":"b"}'))
      assert.strictEqual(answer.status, 200)
      const results = lines(answer.text)
      assert.deepInclude(results[0], { line: 1, code: 507 })
      assert.deepInclude(results[1], { line: 2, code: 400 })
      assert.deepInclude(results[2], { line: 3, code: 507 })
    })
  )

  it.effect("keeps the lines that came whole when the client goes away", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      let sent = false
      const body = new ReadableStream({
        pull: (controller) => {
          if (sent) controller.error(new Error("reset"))
          else controller.enqueue(Buffer.from('{"message":"whole"}\n{"message":"ha'))
          sent = true
        }
      })
      const answer = yield* call("/api/v1/events", {
        method: "POST",
        headers: { "content-type": "application/x-ndjson" },
        duplex: "half",
        body
      })
      assert.deepStrictEqual(
        storage.events.map(({ message }) => message),
        ["whole"]
      )
      assert.deepInclude(lines(answer.text).at(-1), { code: 400, error: "The body ended early" })
    })
  )

  it.effect("of nothing is answered with nothing", () =>
    Effect.gen(function* () {
      const { call, storage } = yield* makeApp()
      assert.strictEqual((yield* call("/api/v1/events", ndjson("", "\n"))).text, "")
      assert.deepStrictEqual(storage.commits, [])
    })
  )
})
