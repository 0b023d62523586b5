import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import { StorageFailed } from "../../../src/services/storage/EventStorage.ts"
import { makeApp } from "../../harness/app.ts"
import { runOf } from "../../harness/events.ts"

const ndjson = { headers: { accept: "application/x-ndjson" } }
const keepAlive = ": keep-alive\n\n"

const filled = Effect.fnUntraced(function* (count: number, options?: Parameters<typeof makeApp>[0]) {
  const app = yield* makeApp(options)
  for (let i = 1; i <= count; i++) yield* app.log.append([runOf([`event ${i}`])])
  return app
})

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
        id: Number(fields.get("id")),
        event: fields.get("event") ?? "message",
        data: JSON.parse(fields.get("data") ?? "null")
      }
    })
const idsIn = (text: string) => eventsIn(text).map(({ id }) => id)

describe("GET /api/v1/events/stream", () => {
  it.effect("answers at once and sends what comes next", () =>
    Effect.gen(function* () {
      const { follow, log, waiting } = yield* filled(3)
      const { next, response } = yield* follow("/api/v1/events/stream")
      assert.strictEqual(response.status, 200)
      assert.deepInclude(response.headers, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no"
      })
      assert.strictEqual(yield* next, keepAlive)
      assert.strictEqual(yield* waiting, 3)
      yield* log.append([runOf(["with\nnewline"], { level: "error" })])
      const piece = yield* next
      assert.isTrue(piece.startsWith("id: 4\ndata: {"), piece)
      assert.deepStrictEqual(eventsIn(piece), [
        {
          id: 4,
          event: "message",
          data: {
            seq: 4,
            received_at: "1970-01-01T00:00:00.000000000Z",
            source: "test",
            level: "error",
            message: "with\nnewline"
          }
        }
      ])
      yield* log.append([runOf(["a", "b"]), runOf(["c"])])
      assert.deepStrictEqual(idsIn(yield* next), [5, 6, 7])
    })
  )

  it.effect("speaks NDJSON to who asks for it", () =>
    Effect.gen(function* () {
      const { follow, log } = yield* filled(2)
      const { next, response } = yield* follow("/api/v1/events/stream?after=1", ndjson)
      assert.strictEqual(response.headers["content-type"], "application/x-ndjson")
      assert.strictEqual(yield* next, "\n")
      assert.strictEqual(JSON.parse(yield* next).seq, 2)
      yield* log.append([runOf(["three"])])
      assert.deepInclude(JSON.parse(yield* next), { seq: 3, message: "three" })
    })
  )

  it.effect("starts after Last-Event-ID, which wins over `after`", () =>
    Effect.gen(function* () {
      const { follow } = yield* filled(5)
      const from = Effect.fnUntraced(function* (target: string, headers: Record<string, string> = {}) {
        const { next } = yield* follow(target, { headers })
        yield* next
        return idsIn(yield* next)
      })
      assert.deepStrictEqual(yield* from("/api/v1/events/stream?after=3"), [4, 5])
      assert.deepStrictEqual(yield* from("/api/v1/events/stream?after=0"), [1, 2, 3, 4, 5])
      assert.deepStrictEqual(yield* from("/api/v1/events/stream", { "last-event-id": "2" }), [3, 4, 5])
      assert.deepStrictEqual(yield* from("/api/v1/events/stream?after=0", { "last-event-id": "4" }), [5])
      assert.deepStrictEqual(yield* from("/api/v1/events/stream?tail=1", { "last-event-id": "3" }), [4, 5])
    })
  )

  it.effect("refuses a Last-Event-ID that is none", () =>
    Effect.gen(function* () {
      const { call } = yield* filled(1)
      for (const id of ["x", "-1", "1.5", "1".repeat(16)]) {
        const { status, text } = yield* call("/api/v1/events/stream", { headers: { "last-event-id": id } })
        assert.strictEqual(status, 400)
        assert.include(JSON.parse(text).message, `Last-Event-ID: found "${id}"`)
      }
    })
  )

  it.effect("starts with the newest `tail`, in one piece with the greeting", () =>
    Effect.gen(function* () {
      const { follow, log } = yield* filled(5)
      const { next } = yield* follow("/api/v1/events/stream?tail=2")
      assert.deepStrictEqual(idsIn(yield* next), [4, 5])
      yield* log.append([runOf(["six"])])
      assert.deepStrictEqual(idsIn(yield* next), [6])
    })
  )

  it.effect("sends only what matches", () =>
    Effect.gen(function* () {
      const { follow, log, waiting } = yield* filled(12)
      const { left, next } = yield* follow("/api/v1/events/stream?after=0&q=event+1&level=info")
      yield* next
      assert.deepStrictEqual(idsIn(yield* next), [1, 10, 11, 12])
      assert.strictEqual(yield* waiting, 12)
      yield* log.append([runOf(["event 1 as debug"], { level: "debug" })])
      assert.strictEqual(yield* waiting, 13)
      assert.strictEqual(yield* left, 0)
      yield* log.append([runOf(["another event 1"])])
      assert.deepStrictEqual(idsIn(yield* next), [14])
    })
  )

  it.effect("keeps the connection alive every 15 seconds, also while events come that do not match", () =>
    Effect.gen(function* () {
      const { follow, log } = yield* filled(0)
      const quiet = yield* follow("/api/v1/events/stream")
      yield* quiet.next
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(yield* quiet.left, 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* quiet.next, keepAlive)
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* quiet.next, keepAlive)

      const filtered = yield* follow("/api/v1/events/stream?q=never", ndjson)
      yield* filtered.next
      for (let i = 0; i < 14; i++) {
        yield* log.append([runOf(["other"])])
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(yield* filtered.left, 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* filtered.next, "\n")
    })
  )

  it.effect("tells which events retention removed before they could be sent", () =>
    Effect.gen(function* () {
      const { follow, log } = yield* filled(10)
      yield* log.retain({ maxCount: 4, maxBytes: 0, receivedBefore: null })
      const sse = yield* follow("/api/v1/events/stream?after=2")
      yield* sse.next
      const [gap, ...rest] = eventsIn(yield* sse.next)
      assert.deepStrictEqual(gap, { id: 6, event: "gap", data: { from: 3, to: 6, reason: "removed by retention" } })
      assert.deepStrictEqual(
        rest.map(({ id }) => id),
        [7, 8, 9, 10]
      )
      const lines = yield* follow("/api/v1/events/stream?after=0&q=event+9", ndjson)
      yield* lines.next
      const [first, second] = (yield* lines.next).split("\n")
      assert.deepStrictEqual(JSON.parse(first ?? ""), { gap: { from: 1, to: 6, reason: "removed by retention" } })
      assert.strictEqual(JSON.parse(second ?? "").seq, 9)

      const complete = yield* follow("/api/v1/events/stream?after=6")
      yield* complete.next
      assert.deepStrictEqual(idsIn(yield* complete.next), [7, 8, 9, 10])
      yield* log.retain({ maxCount: 0, maxBytes: 0, receivedBefore: 1n })
      const empty = yield* follow("/api/v1/events/stream?after=8")
      yield* empty.next
      assert.deepInclude(eventsIn(yield* empty.next)[0], { event: "gap", id: 10 })
    })
  )

  it.effect("sends everything to a client that is far behind, piece by piece", () =>
    Effect.gen(function* () {
      const { follow, log } = yield* makeApp()
      yield* log.append([runOf(Array.from({ length: 2500 }, (_, i) => `${i + 1}`))])
      const { next } = yield* follow("/api/v1/events/stream?after=0")
      yield* next
      const sizes: Array<number> = []
      const ids: Array<number> = []
      while (ids.length < 2500) {
        const piece = idsIn(yield* next)
        sizes.push(piece.length)
        ids.push(...piece)
      }
      assert.isAtLeast(sizes.length, 3)
      assert.isBelow(sizes.length, 10)
      assert.deepStrictEqual(
        ids,
        Array.from({ length: 2500 }, (_, i) => i + 1)
      )
    })
  )

  it.effect("waits while the store cannot be read, and goes on where it was", () =>
    Effect.gen(function* () {
      const { follow, storage } = yield* filled(3)
      storage.beforeRead = Effect.fail(new StorageFailed({ reason: "reopening" }))
      const { left, next } = yield* follow("/api/v1/events/stream?after=0&q=event")
      yield* next
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* left, 0)
      storage.beforeRead = Effect.void
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(idsIn(yield* next), [1, 2, 3])
    })
  )

  it.effect("ends when the daemon stops", () =>
    Effect.gen(function* () {
      const stop = yield* Deferred.make<void>()
      const { follow, waiting } = yield* filled(1, { stopping: stop })
      const { next } = yield* follow("/api/v1/events/stream")
      yield* next
      yield* waiting
      yield* Deferred.succeed(stop, undefined)
      const end = yield* Effect.exit(next)
      assert.isTrue(
        Exit.isFailure(end) && end.cause.reasons.some((reason) => reason._tag === "Fail" && Cause.isDone(reason.error))
      )
    })
  )

  it.effect("costs nobody anything when five hundred follow", () =>
    Effect.gen(function* () {
      const { follow, log } = yield* filled(0)
      const followers = yield* Effect.forEach(Array.from({ length: 500 }), () => follow("/api/v1/events/stream"))
      yield* Effect.forEach(followers, ({ next }) => next)
      yield* log.append([runOf(["to all"])])
      const seen = yield* Effect.forEach(followers, ({ next }) => next)
      assert.isTrue(seen.every((piece) => idsIn(piece).join() === "1"))
    })
  )

  it.effect("gives many followers what came within a moment in one piece, and few of them each commit at once", () =>
    Effect.gen(function* () {
      const { follow, log } = yield* filled(0)
      const one = yield* follow("/api/v1/events/stream")
      yield* one.next
      for (let seq = 1; seq <= 3; seq++) {
        yield* log.append([runOf(["to one"])])
        assert.deepStrictEqual(idsIn(yield* one.next), [seq])
      }
      const many = yield* Effect.forEach(Array.from({ length: 99 }), () => follow("/api/v1/events/stream"))
      yield* Effect.forEach(many, ({ next }) => next)
      const all = [one, ...many]
      yield* log.append([runOf(["first"])])
      yield* Effect.forEach(all, ({ next }) => next)
      yield* log.append([runOf(["second"])])
      yield* log.append([runOf(["third"])])
      yield* TestClock.adjust("3 millis")
      assert.deepStrictEqual(
        yield* Effect.forEach(all, ({ left }) => left),
        all.map(() => 0)
      )
      yield* TestClock.adjust("1 millis")
      const seen = yield* Effect.forEach(all, ({ next }) => next)
      assert.isTrue(seen.every((piece) => idsIn(piece).join() === "5,6"))
    })
  )
})
