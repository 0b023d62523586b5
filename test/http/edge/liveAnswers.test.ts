import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { makeLiveAnswers } from "../../../src/http/edge/liveAnswers.ts"
import type { Outcome } from "../../../src/services/auth/Authenticator.ts"
import { admitted, makeTestEdge, route, stranger, user } from "./support.ts"

const endless = HttpServerResponse.stream(Stream.concat(Stream.make(Buffer.from("first")), Stream.never), {
  contentType: "text/event-stream"
})

const expired: Outcome = {
  _tag: "refused",
  refusal: { scheme: "bearer", error: "invalid_token", reason: "it has expired", claimed: undefined }
}

const streaming = Effect.fnUntraced(function* (first: Outcome = admitted(user("alice", "events:read"))) {
  let outcome = first
  const { ask, attempts } = yield* makeTestEdge({
    routes: [route("GET", "/stream", "events:read", () => Effect.succeed(endless))],
    outcome: () => Effect.succeed(outcome),
    rest: { live: yield* makeLiveAnswers }
  })
  /** The fiber that sends it, once the first bytes are out. */
  const follow = Effect.gen(function* () {
    const { response, status } = yield* ask("/stream")
    assert.strictEqual(status, 200)
    const { body } = response
    if (body._tag !== "Stream") return yield* Effect.die("no stream")
    const sent = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(body.stream, () => Deferred.succeed(sent, undefined)),
      { startImmediately: true }
    )
    yield* Deferred.await(sent)
    return fiber
  })
  return { follow, attempts, become: (next: Outcome) => void (outcome = next) }
})

describe("a stream", () => {
  it.effect("goes on while its principal may have it", () =>
    Effect.gen(function* () {
      const { attempts, follow } = yield* streaming()
      const fiber = yield* follow
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(fiber.pollUnsafe())
      assert.isAbove(attempts.length, 300)
      yield* Fiber.interrupt(fiber)
      const asked = attempts.length
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(attempts.length, asked, "nobody looks at what has ended")
    })
  )

  it.effect("ends within ten seconds when it has expired, was disabled, or may no longer", () =>
    Effect.gen(function* () {
      for (const now of [
        expired,
        stranger,
        admitted(user("alice", "health:read")),
        admitted(user("bob", "*")),
        { _tag: "limited", retryAfterSeconds: 1 } as const
      ]) {
        const { become, follow } = yield* streaming()
        const [one, other] = [yield* follow, yield* follow]
        become(now)
        yield* TestClock.adjust("10 seconds")
        for (const fiber of [one, other]) {
          assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)), JSON.stringify(now))
        }
      }
    })
  )

  it.effect("goes on while nobody can be asked", () =>
    Effect.gen(function* () {
      const { become, follow } = yield* streaming()
      const fiber = yield* follow
      become({ _tag: "unavailable", reason: "the disk" })
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(fiber.pollUnsafe())
      become(expired)
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    })
  )
})

describe("a read that waited long", () => {
  const waiting = Effect.fnUntraced(function* () {
    let outcome: Outcome = admitted(user("alice", "events:read", "actions:run:x"))
    const started = yield* Queue.unbounded<void>()
    const slow = () =>
      Effect.andThen(
        Queue.offer(started, undefined),
        Effect.as(Effect.sleep("5 seconds"), HttpServerResponse.text("new"))
      )
    const { ask } = yield* makeTestEdge({
      routes: [
        route("GET", "/wait", "events:read", slow),
        route("POST", "/run/:x", "actions:run:{x}", slow, { rate: "run" })
      ],
      outcome: () => Effect.succeed(outcome)
    })
    return { ask, started: Queue.take(started), become: (next: Outcome) => void (outcome = next) }
  })

  it.effect("is not handed to who may no longer have it", () =>
    Effect.gen(function* () {
      const { ask, become, started } = yield* waiting()
      for (const [now, status, text] of [
        [admitted(user("alice", "events:read")), 200, "new"],
        [expired, 401, undefined]
      ] as const) {
        const asking = yield* Effect.forkChild(ask("/wait"), { startImmediately: true })
        yield* started
        become(now)
        yield* TestClock.adjust("5 seconds")
        const answer = yield* Fiber.join(asking)
        assert.strictEqual(answer.status, status)
        if (text !== undefined) assert.strictEqual(answer.text, text)
        else assert.notInclude(answer.text, "new")
      }
    })
  )

  it.effect("but what was begun is ended and told, whatever became of the right to begin it", () =>
    Effect.gen(function* () {
      const { ask, become, started } = yield* waiting()
      const asking = yield* Effect.forkChild(ask("/run/x", { method: "POST" }), { startImmediately: true })
      yield* started
      become(expired)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(asking)).status, 200)
    })
  )
})
