import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Mailbox from "../../../src/actors/kernel/Mailbox.ts"

interface Question {
  readonly text: string
  readonly reply?: Mailbox.Reply<string, string>
}

const make = (whenFull: Mailbox.WhenFull, capacity = 2) =>
  Mailbox.make<Question>({ actor: "Oracle", capacity, whenFull })
const ask = (mailbox: Mailbox.Mailbox<Question>, text: string, deadline?: Duration.Duration) =>
  mailbox.ask<string, string>((reply) => ({ text, reply }), deadline)
const askInBackground = (mailbox: Mailbox.Mailbox<Question>, text: string, deadline?: Duration.Duration) =>
  Effect.forkChild(ask(mailbox, text, deadline), { startImmediately: true })
const answer = ({ reply, text }: Question) =>
  reply === undefined ? Effect.void : Effect.asVoid(Deferred.succeed(reply, `answer to ${text}`))
const texts = (questions: ReadonlyArray<Question>) => questions.map(({ text }) => text)

describe("ask", () => {
  it.effect("is answered by whoever takes the message", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait")
      const asker = yield* askInBackground(mailbox, "why")
      yield* answer(yield* mailbox.take)
      assert.strictEqual(yield* Fiber.join(asker), "answer to why")
    })
  )

  it.effect("fails with the actor's own error", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait")
      const asker = yield* askInBackground(mailbox, "why")
      const { reply } = yield* mailbox.take
      if (reply !== undefined) yield* Deferred.fail(reply, "no idea")
      assert.deepStrictEqual(yield* Fiber.await(asker), Exit.fail("no idea"))
    })
  )

  it.effect("ends at its deadline and names it; the message may still be handled", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait")
      const asker = yield* askInBackground(mailbox, "why", Duration.seconds(3))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(asker.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Effect.flip(Fiber.join(asker))
      assert.deepStrictEqual(error, new Mailbox.AskTimedOut({ actor: "Oracle", after_ms: 3000 }))
      assert.include(String(error), "Oracle did not answer within 3000 ms")
      assert.strictEqual((yield* mailbox.take).text, "why")
    })
  )

  it.effect("that was answered in time hears of no deadline", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait")
      const asker = yield* askInBackground(mailbox, "why", Duration.seconds(3))
      yield* answer(yield* mailbox.take)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(asker), "answer to why")
    })
  )
})

describe("an actor that fails", () => {
  it.effect("has the askers of the messages in its hand told so; those that wait are kept", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait", 4)
      const first = yield* askInBackground(mailbox, "first")
      const second = yield* askInBackground(mailbox, "second")
      const third = yield* askInBackground(mailbox, "third")
      assert.deepStrictEqual(texts(yield* mailbox.takeUpTo(2)), ["first", "second"])
      yield* mailbox.abandonInHand
      const restarted = new Mailbox.ActorRestarted({ actor: "Oracle" })
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(first)), restarted)
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(second)), restarted)
      assert.include(restarted.message, "Oracle restarted")
      yield* answer(yield* mailbox.take)
      assert.strictEqual(yield* Fiber.join(third), "answer to third")
    })
  )

  it.effect("does not take back an answer that was given", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait")
      const asker = yield* askInBackground(mailbox, "why")
      yield* answer(yield* mailbox.take)
      yield* mailbox.abandonInHand
      assert.strictEqual(yield* Fiber.join(asker), "answer to why")
    })
  )
})

describe("an asker that leaves", () => {
  it.effect("while its message is in hand leaves nothing behind", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait")
      let told: unknown
      const asker = yield* askInBackground(mailbox, "why")
      const { reply } = yield* mailbox.take
      yield* Fiber.interrupt(asker)
      yield* mailbox.abandonInHand
      if (reply !== undefined && Deferred.isDoneUnsafe(reply)) told = "abandoned"
      assert.isUndefined(told)
    })
  )

  it.effect("before its message is taken leaves nothing behind either", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait")
      const asker = yield* askInBackground(mailbox, "why")
      yield* Fiber.interrupt(asker)
      const { reply } = yield* mailbox.take
      yield* mailbox.abandonInHand
      assert.isTrue(reply !== undefined && !Deferred.isDoneUnsafe(reply))
    })
  )

  it.effect("while it waits for room takes its message along", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait", 1)
      yield* mailbox.tell({ text: "in the way" })
      const asker = yield* askInBackground(mailbox, "why")
      yield* Fiber.interrupt(asker)
      assert.deepStrictEqual(texts(yield* mailbox.takeUpTo(5)), ["in the way"])
      assert.strictEqual(mailbox.stats().depth, 0)
    })
  )
})

describe("a full mailbox", () => {
  it.effect("lets senders wait, in their order, under `wait`", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait", 2)
      const senders = yield* Effect.forEach(["a", "b", "c", "d"], (text) =>
        Effect.forkChild(mailbox.tell({ text }), { startImmediately: true })
      )
      assert.deepStrictEqual(
        senders.map((sender) => sender.pollUnsafe() !== undefined),
        [true, true, false, false]
      )
      const taken = [yield* mailbox.take, yield* mailbox.take, yield* mailbox.take, yield* mailbox.take]
      assert.deepStrictEqual(texts(taken), ["a", "b", "c", "d"])
      yield* Effect.forEach(senders, Fiber.join)
      assert.deepStrictEqual(mailbox.stats(), { depth: 0, capacity: 2, handled: 4, dropped: 0, refused: 0 })
    })
  )

  it.effect("forgets the oldest, tells its asker and counts it, under `drop-oldest`", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("drop-oldest", 2)
      const dropped = yield* askInBackground(mailbox, "a")
      for (const text of ["b", "c", "d"]) yield* mailbox.tell({ text })
      const error = yield* Effect.flip(Fiber.join(dropped))
      assert.deepStrictEqual(error, new Mailbox.MailboxFull({ actor: "Oracle", capacity: 2 }))
      assert.deepStrictEqual(texts(yield* mailbox.takeUpTo(9)), ["c", "d"])
      assert.deepStrictEqual(mailbox.stats(), { depth: 0, capacity: 2, handled: 2, dropped: 2, refused: 0 })
    })
  )

  it.effect("refuses, and counts it, under `refuse`; and takes again once there is room", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("refuse", 2)
      yield* mailbox.tell({ text: "a" })
      yield* mailbox.tell({ text: "b" })
      const told = yield* Effect.flip(mailbox.tell({ text: "c" }))
      const asked = yield* Effect.flip(ask(mailbox, "d"))
      assert.deepStrictEqual([told, asked], [told, told])
      assert.include(told.message, "Oracle is busy: 2 requests are waiting already")
      assert.deepStrictEqual(mailbox.stats(), { depth: 2, capacity: 2, handled: 0, dropped: 0, refused: 2 })
      yield* mailbox.take
      yield* mailbox.tell({ text: "e" })
      assert.deepStrictEqual(texts(yield* mailbox.takeUpTo(9)), ["b", "e"])
    })
  )
})

describe("an actor is busy", () => {
  it.effect("from the message it takes until it asks for the next, or has failed", () =>
    Effect.gen(function* () {
      const mailbox = yield* make("wait")
      const nanos = (seconds: number) => BigInt(seconds) * 1_000_000_000n
      const start = yield* Clock.monotonicTimeNanos
      assert.isUndefined(mailbox.busySince())
      yield* mailbox.tell({ text: "one" })
      assert.isUndefined(mailbox.busySince())
      yield* TestClock.adjust("1 second")
      yield* mailbox.take
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(mailbox.busySince(), start + nanos(1))
      const next = yield* Effect.forkChild(mailbox.takeUpTo(2), { startImmediately: true })
      assert.isUndefined(mailbox.busySince())
      yield* mailbox.tell({ text: "two" })
      yield* Fiber.join(next)
      assert.strictEqual(mailbox.busySince(), start + nanos(6))
      yield* mailbox.abandonInHand
      assert.isUndefined(mailbox.busySince())
    })
  )
})
