import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { OutputLine } from "../../../src/http/api/Operations.ts"
import { type AppOptions, makeApp } from "../../harness/app.ts"
import { makeFakeOperations } from "../../harness/fakeOperations.ts"
import { somebody } from "../../harness/identityApp.ts"

const started = Effect.fnUntraced(function* (
  options: AppOptions = {},
  bounds?: Parameters<typeof makeFakeOperations>[0]
) {
  const fake = makeFakeOperations(bounds)
  const app = yield* makeApp({ as: somebody("alice", ["*"]), ...options, operations: fake.service })
  const { operation } = yield* fake.service.submit({
    kind: "action",
    name: "backup",
    input: null,
    who: "alice",
    why: null,
    parent: null,
    idempotency: null
  })
  const { id } = operation
  yield* fake.begin(id)
  return { ...app, fake, id, output: `/v1/operations/${id}/output` }
})

const accepting = (accept: string) => ({ headers: { accept } })
const sse = accepting("text/event-stream")
const ndjson = accepting("application/x-ndjson")

/** What a browser's EventSource makes of it. */
const eventsIn = (text: string) =>
  text
    .split("\n\n")
    .filter((block) => block !== "" && !block.startsWith(":"))
    .map((block) => {
      const fields = new Map(
        block.split("\n").map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)])
      )
      return {
        id: fields.get("id"),
        event: fields.get("event") ?? "message",
        data: JSON.parse(fields.get("data") ?? "")
      }
    })

const decodeLine = Schema.decodeUnknownSync(Schema.fromJsonString(OutputLine), { onExcessProperty: "error" })
const linesIn = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => decodeLine(line))

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

describe("GET …/operations/{id}/output", () => {
  it.effect("is what it writes, live, until it has ended", () =>
    Effect.gen(function* () {
      const { fake, follow, id, output } = yield* started()
      fake.write(id, "stdout", "before\n")
      const { next, response } = yield* follow(output, sse)
      assert.deepInclude(response.headers, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no"
      })
      assert.strictEqual(yield* next, ": keep-alive\n\n")
      const first = { offset: 0, next: "7", stream: "stdout", text: "before\n" }
      assert.deepStrictEqual(eventsIn(yield* next), [{ id: "7", event: "message", data: first }])
      fake.write(id, "stderr", "é\n")
      const second = { offset: 7, next: "10", stream: "stderr", text: "é\n" }
      assert.deepStrictEqual(eventsIn(yield* next), [{ id: "10", event: "message", data: second }])
      yield* fake.end(id, { status: "completed" })
      const end = { status: "completed", bytes: 10, sha256: sha256("before\né\n"), next: "10" }
      assert.deepStrictEqual(eventsIn(yield* next), [{ id: "10", event: "end", data: end }])
      const exit = yield* Effect.exit(next)
      assert.isTrue(Exit.isFailure(exit) && Cause.isDone(Cause.squash(exit.cause)))
    })
  )

  it.effect("is what was kept of one that has ended, in each form", () =>
    Effect.gen(function* () {
      const { call, fake, id, output } = yield* started()
      fake.write(id, "stdout", "out\n")
      fake.write(id, "stderr", "err\n")
      yield* fake.end(id, { status: "failed" })
      const plain = yield* call(output, accepting("*/*"))
      assert.deepStrictEqual([plain.text, plain.headers["content-type"]], ["out\nerr\n", "text/plain; charset=utf-8"])
      const end = { status: "failed" as const, bytes: 8, sha256: sha256("out\nerr\n"), next: "8" }
      const lines = [
        { offset: 0, next: "4", stream: "stdout" as const, text: "out\n" },
        { offset: 4, next: "8", stream: "stderr" as const, text: "err\n" }
      ]
      for (const [target, init] of [
        [output, ndjson],
        [`${output}?format=ndjson`, sse]
      ] as const) {
        const { headers, text } = yield* call(target, init)
        assert.strictEqual(headers["content-type"], "application/x-ndjson")
        assert.deepStrictEqual(linesIn(text), [...lines, { end }])
      }
      assert.deepStrictEqual(
        eventsIn((yield* call(`${output}?format=sse`)).text).map(({ data, event }) => [event, data]),
        [...lines.map((line) => ["message", line]), ["end", end]]
      )
    })
  )

  it.effect("goes on from an offset, and behind the last event that a browser names", () =>
    Effect.gen(function* () {
      const { call, fake, id, output } = yield* started()
      fake.write(id, "stdout", "0123456789")
      yield* fake.end(id, { status: "completed" })
      assert.strictEqual((yield* call(`${output}?offset=4`)).text, "456789")
      assert.strictEqual((yield* call(`${output}?offset=10`)).text, "")
      assert.strictEqual((yield* call(`${output}?offset=999`)).text, "")
      const headers = { accept: "text/event-stream", "last-event-id": "8" }
      const events = eventsIn((yield* call(`${output}?offset=1`, { headers })).text)
      assert.deepStrictEqual(
        events.map(({ data }) => data.text),
        ["89", undefined]
      )
    })
  )

  it.effect("holds a cut character back until it is whole, over whatever the other stream writes", () =>
    Effect.gen(function* () {
      const { call, fake, follow, id, output } = yield* started()
      const [first, second, third] = Buffer.from("€")
      assert.isDefined(third)
      fake.write(id, "stdout", Uint8Array.of(97, first ?? 0))
      const { next } = yield* follow(output, sse)
      yield* next
      assert.deepInclude(eventsIn(yield* next)[0], { id: "1" })
      fake.write(id, "stderr", "!")
      const between = eventsIn(yield* next)
      assert.deepStrictEqual(
        between.map(({ data, id: at }) => [at, data.text]),
        [["3.o1", "!"]]
      )
      fake.write(id, "stdout", Uint8Array.of(second ?? 0, third ?? 0))
      assert.deepStrictEqual(
        eventsIn(yield* next).map(({ data, id: at }) => [at, data.offset, data.text]),
        [["5", 1, "€"]]
      )
      yield* fake.end(id, { status: "completed" })
      // Whoever lost the connection in between gets the character, and the other stream not twice.
      const headers = { accept: "text/event-stream", "last-event-id": "3.o1" }
      const resumed = eventsIn((yield* call(output, { headers })).text)
      assert.deepStrictEqual(
        resumed.map(({ data }) => data.text),
        ["€", undefined]
      )
    })
  )

  it.effect("is of one stream where only that is asked for", () =>
    Effect.gen(function* () {
      const { call, fake, id, output } = yield* started()
      fake.write(id, "stdout", "out\n")
      fake.write(id, "stderr", "err\n")
      yield* fake.end(id, { status: "completed" })
      assert.strictEqual((yield* call(`${output}?stream=stderr`)).text, "err\n")
      assert.deepStrictEqual(linesIn((yield* call(`${output}?stream=stdout`, ndjson)).text)[0], {
        offset: 0,
        next: "4",
        stream: "stdout",
        text: "out\n"
      })
    })
  )

  it.effect("ends with what is there where nobody wants to wait", () =>
    Effect.gen(function* () {
      const { call, fake, id, output } = yield* started()
      assert.strictEqual((yield* call(`${output}?follow=0`)).text, "")
      fake.write(id, "stdout", "x".repeat(100_000))
      const lines = linesIn((yield* call(`${output}?follow=0`, ndjson)).text)
      assert.strictEqual(lines.map((line) => ("text" in line ? line.text : "")).join(""), "x".repeat(100_000))
      assert.deepStrictEqual(lines.at(-1), {
        end: { status: "running", bytes: 100_000, sha256: null, next: "100000" }
      })
    })
  )

  it.effect("says which bytes were not kept", () =>
    Effect.gen(function* () {
      const { call, fake, id, output } = yield* started({}, { headBytes: 1024, tailBytes: 1024 })
      fake.write(id, "stdout", `${"h".repeat(1024)}${"-".repeat(5000)}${"t".repeat(1024)}`)
      yield* fake.end(id, { status: "completed" })
      const lines = linesIn((yield* call(output, ndjson)).text)
      assert.deepStrictEqual(lines[1], { gap: { from: 1024, to: 6024 } })
      assert.deepInclude(lines[0], { text: "h".repeat(1024) })
      assert.deepInclude(lines[2], { offset: 6024, text: "t".repeat(1024) })
      const [, gap] = eventsIn((yield* call(output, sse)).text)
      assert.deepStrictEqual(gap, { id: "6024", event: "gap", data: { from: 1024, to: 6024 } })
      assert.strictEqual(
        (yield* call(output)).text,
        `${"h".repeat(1024)}\n[5000 bytes were not kept]\n${"t".repeat(1024)}`
      )
    })
  )

  it.effect("says every 15 seconds that it is still there, but not within a text", () =>
    Effect.gen(function* () {
      const { follow, output } = yield* started()
      const events = yield* follow(output, sse)
      const text = yield* follow(output)
      yield* events.next
      // The headers, so that the client knows that it is connected.
      assert.strictEqual(yield* text.next, "")
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* events.next, ": keep-alive\n\n")
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* events.next, ": keep-alive\n\n")
      assert.strictEqual(yield* text.left, 0)
    })
  )

  it.effect("ends without an end when the daemon stops: its reader goes on with the next one", () =>
    Effect.gen(function* () {
      const stopping = yield* Deferred.make<void>()
      const { fake, follow, id, output } = yield* started({ stopping })
      fake.write(id, "stdout", "so far")
      const { next } = yield* follow(output, sse)
      yield* next
      assert.include(yield* next, "so far")
      yield* Deferred.succeed(stopping, undefined)
      const exit = yield* Effect.exit(next)
      assert.isTrue(Exit.isFailure(exit) && Cause.isDone(Cause.squash(exit.cause)))
    })
  )

  it.effect("waits for how the operation ended, and ends where nobody knows it any more", () =>
    Effect.gen(function* () {
      const { fake, follow, id, output } = yield* started()
      fake.write(id, "stdout", "all")
      const one = yield* follow(output, ndjson)
      const other = yield* follow(output, ndjson)
      for (const { next } of [one, other]) {
        assert.strictEqual(yield* next, "\n")
        yield* next
      }
      fake.endOutput(id)
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* one.next, "\n")
      yield* fake.end(id, { status: "cancelled" })
      assert.include(yield* one.next, '"status":"cancelled"')
      fake.forget(id)
      assert.strictEqual(yield* other.next, "\n")
    })
  )

  for (const [query, allowed] of [
    ["offset=-1", "an offset in bytes, or what a record has as next"],
    ["offset=x", "an offset in bytes, or what a record has as next"],
    ["follow=perhaps", "1, true, 0, false"],
    ["stream=stdin", "stdout, stderr"],
    ["format=xml", "text, sse, ndjson"]
  ] as const) {
    it.effect(`refuses ${query}`, () =>
      Effect.gen(function* () {
        const { call, output } = yield* started()
        const { status, text } = yield* call(`${output}?${query}`)
        const [name, found] = query.split("=")
        assert.strictEqual(status, 400)
        assert.strictEqual(JSON.parse(text).message, `${name}: found "${found}", allowed: ${allowed}`)
      })
    )
  }

  it.effect("refuses a Last-Event-ID that it never sent", () =>
    Effect.gen(function* () {
      const { call, output } = yield* started()
      const { status, text } = yield* call(output, { headers: { "last-event-id": "abc" } })
      assert.strictEqual(status, 400)
      assert.include(JSON.parse(text).message, "Last-Event-ID: found")
    })
  )
})
