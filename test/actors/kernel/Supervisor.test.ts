import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import {
  type Child,
  defaultLimits,
  endlessLimits,
  type Restart,
  type RestartLimits
} from "../../../src/actors/kernel/Child.ts"
import * as Mailbox from "../../../src/actors/kernel/Mailbox.ts"
import { GaveUp, Supervisor } from "../../../src/actors/kernel/Supervisor.ts"

const limits: RestartLimits = {
  backoffFirst: Duration.millis(100),
  backoffMax: Duration.seconds(1),
  maxRestarts: 6,
  within: Duration.minutes(1)
}

/** An actor that tells each start and ends when and how the test says. */
const makeActor = Effect.gen(function* () {
  const starts = yield* Queue.unbounded<void>()
  const ends = yield* Queue.unbounded<Exit.Exit<void, string>>()
  return {
    run: Effect.andThen(
      Queue.offer(starts, undefined),
      Effect.flatMap(Queue.take(ends), (exit) => exit)
    ),
    started: Queue.take(starts),
    startsSoFar: Queue.size(starts),
    end: (exit: Exit.Exit<void, string>) => Queue.offer(ends, exit)
  }
})

const boom = Exit.fail("boom")

const start = Effect.fnUntraced(function* (restart: Restart, given: Partial<Child> = {}) {
  const supervisor = yield* Supervisor
  const actor = yield* makeActor
  yield* supervisor.start({ name: "Actor", run: actor.run, restart, limits, ...given })
  yield* actor.started
  return {
    ...actor,
    supervisor,
    status: Effect.map(supervisor.report, (all) => all.find(({ name }) => name === "Actor"))
  }
})

const run = <A, E>(name: string, test: () => Effect.Effect<A, E, Supervisor | Scope.Scope>) =>
  it.effect(name, () => Effect.provide(test(), Supervisor.layer))

describe("back-off", () => {
  run("doubles with every failure in a row, up to its cap", () =>
    Effect.gen(function* () {
      const { end, started, startsSoFar } = yield* start("permanent")
      for (const wait of [100, 200, 400, 800, 1000, 1000]) {
        yield* end(boom)
        yield* TestClock.adjust(wait - 1)
        assert.strictEqual(yield* startsSoFar, 0, `restarted before ${wait} ms`)
        yield* TestClock.adjust(1)
        yield* started
      }
    })
  )

  run("starts over after the actor has run well for the whole window", () =>
    Effect.gen(function* () {
      const { end, started, startsSoFar } = yield* start("permanent")
      for (const wait of [100, 200, 400]) {
        yield* end(boom)
        yield* TestClock.adjust(wait)
        yield* started
      }
      yield* TestClock.adjust("1 minute")
      yield* end(boom)
      yield* TestClock.adjust(99)
      assert.strictEqual(yield* startsSoFar, 0)
      yield* TestClock.adjust(1)
      yield* started
    })
  )
})

describe("restart", () => {
  const cases: ReadonlyArray<readonly [Restart, Exit.Exit<void, string>, string]> = [
    ["permanent", Exit.void, "backing-off"],
    ["permanent", boom, "backing-off"],
    ["permanent", Exit.die("bug"), "backing-off"],
    ["permanent", Exit.interrupt(), "backing-off"],
    ["transient", Exit.void, "stopped"],
    ["transient", boom, "backing-off"],
    ["transient", Exit.interrupt(), "backing-off"],
    ["temporary", Exit.void, "stopped"],
    ["temporary", boom, "failed"],
    ["temporary", Exit.die("bug"), "failed"]
  ]
  for (const [restart, exit, state] of cases) {
    const how = Exit.isSuccess(exit)
      ? "ends by itself"
      : `ends with ${exit.cause.reasons.map(({ _tag }) => _tag).join()}`
    run(`a ${restart} actor that ${how} is ${state}`, () =>
      Effect.gen(function* () {
        const supervisor = yield* Supervisor
        const transitions = yield* supervisor.transitions
        const actor = yield* start(restart)
        yield* PubSub.take(transitions)
        yield* actor.end(exit)
        const { from, state: became } = yield* PubSub.take(transitions)
        assert.deepStrictEqual([from, became], ["running", state])
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* actor.startsSoFar, state === "backing-off" ? 1 : 0)
      })
    )
  }

  run("names the last failure, cut to its bound", () =>
    Effect.gen(function* () {
      const { end, started, status } = yield* start("permanent", { limits: endlessLimits })
      yield* end(Exit.fail("x".repeat(10_000)))
      yield* TestClock.adjust(100)
      yield* started
      const report = yield* status
      assert.strictEqual(report?.lastFailure?.length, 2000)
      assert.include(report?.lastFailure ?? "", "xxx")
      assert.strictEqual(report?.restarts, 1)
      assert.strictEqual(report?.state, "running")
    })
  )
})

describe("too many restarts", () => {
  const failTimes = Effect.fnUntraced(function* (
    {
      end,
      started
    }: {
      readonly end: (exit: Exit.Exit<void, string>) => Effect.Effect<boolean>
      readonly started: Effect.Effect<void>
    },
    times: number
  ) {
    for (let i = 0; i < times; i++) {
      yield* end(boom)
      yield* TestClock.adjust("1 second")
      yield* started
    }
  })

  run("end the supervisor with the actor's name, count and failure", () =>
    Effect.gen(function* () {
      const actor = yield* start("permanent")
      const joined = yield* Effect.forkChild(actor.supervisor.join, { startImmediately: true })
      yield* failTimes(actor, limits.maxRestarts)
      assert.isUndefined(joined.pollUnsafe())
      yield* actor.end(boom)
      const gaveUp = yield* Effect.flip(Fiber.join(joined))
      assert.instanceOf(gaveUp, GaveUp)
      assert.deepStrictEqual([gaveUp.actor, gaveUp.restarts], ["Actor", limits.maxRestarts])
      assert.include(gaveUp.message, "gave up on Actor after 6 restarts")
      assert.include(gaveUp.message, "boom")
      assert.strictEqual((yield* actor.status)?.state, "failed")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* actor.startsSoFar, 0)
    })
  )

  run("are forgiven once they are long enough ago", () =>
    Effect.gen(function* () {
      const actor = yield* start("permanent")
      const joined = yield* Effect.forkChild(actor.supervisor.join, { startImmediately: true })
      for (let round = 1; round <= 4; round++) {
        yield* failTimes(actor, limits.maxRestarts)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* actor.status)?.restarts, round * limits.maxRestarts)
      }
      assert.isUndefined(joined.pollUnsafe())
    })
  )

  run("do not exist for an actor with endless limits", () =>
    Effect.gen(function* () {
      const actor = yield* start("permanent", { limits: endlessLimits })
      const joined = yield* Effect.forkChild(actor.supervisor.join, { startImmediately: true })
      for (let i = 0; i < 100; i++) {
        yield* actor.end(boom)
        yield* TestClock.adjust(defaultLimits.backoffMax)
        yield* actor.started
      }
      assert.isUndefined(joined.pollUnsafe())
      assert.strictEqual((yield* actor.status)?.restarts, 100)
    })
  )
})

describe("a mailbox under supervision", () => {
  interface Message {
    readonly text: string
    readonly reply: Mailbox.Reply<string, never>
  }
  const failing = Effect.gen(function* () {
    const mailbox = yield* Mailbox.make<Message>({ actor: "Actor", capacity: 8, whenFull: "wait" })
    const loop = Effect.forever(
      Effect.flatMap(mailbox.take, ({ reply, text }) =>
        text === "bad" ? Effect.die(new Error("bad message")) : Deferred.succeed(reply, text)
      )
    )
    const ask = (text: string) =>
      Effect.forkChild(
        mailbox.ask<string, never>((reply) => ({ text, reply })),
        { startImmediately: true }
      )
    return { mailbox, loop, ask }
  })

  run("keeps what waits over a restart and answers what was in hand with ActorRestarted", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor
      const { ask, loop, mailbox } = yield* failing
      const askers = yield* Effect.forEach(["one", "bad", "two"], ask)
      yield* supervisor.start({ name: "Actor", run: loop, restart: "permanent", limits, mailbox })
      yield* TestClock.adjust("100 millis")
      const [one, bad, two] = yield* Effect.forEach(askers, Fiber.await)
      assert.deepStrictEqual(one, Exit.succeed("one"))
      assert.deepStrictEqual(bad, Exit.fail(new Mailbox.ActorRestarted({ actor: "Actor" })))
      assert.deepStrictEqual(two, Exit.succeed("two"))
      const [report] = yield* supervisor.report
      assert.deepStrictEqual(report?.mailbox, { depth: 0, capacity: 8, handled: 3, dropped: 0, refused: 0 })
      assert.strictEqual(report?.restarts, 1)
    })
  )

  run("answers what is in hand when its actor is stopped", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor
      const { ask, mailbox } = yield* failing
      const scope = yield* Scope.make()
      const taken = yield* Deferred.make<void>()
      const stuck = Effect.andThen(mailbox.take, Effect.andThen(Deferred.succeed(taken, undefined), Effect.never))
      yield* Scope.provide(supervisor.start({ name: "Actor", run: stuck, restart: "permanent", mailbox }), scope)
      const asker = yield* ask("why")
      yield* Deferred.await(taken)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Fiber.await(asker), Exit.fail(new Mailbox.ActorRestarted({ actor: "Actor" })))
    })
  )
})

describe("states", () => {
  run("are published in order, each with the one before, the time and the failure", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_000)
      const supervisor = yield* Supervisor
      const transitions = yield* supervisor.transitions
      const scope = yield* Scope.make()
      const { end, started } = yield* Scope.provide(start("permanent"), scope)
      yield* TestClock.adjust("2 seconds")
      yield* end(boom)
      yield* TestClock.adjust("100 millis")
      yield* started
      yield* Scope.close(scope, Exit.void)
      const seen = yield* PubSub.takeUpTo(transitions, 10)
      assert.deepStrictEqual(
        seen.map(({ from, restarts, since, state }) => [from, state, since - 1_700_000_000_000, restarts]),
        [
          ["starting", "running", 0, 0],
          ["running", "backing-off", 2000, 0],
          ["backing-off", "running", 2100, 1],
          ["running", "stopped", 2100, 1]
        ]
      )
      assert.deepStrictEqual(
        seen.map(({ lastFailure }) => lastFailure?.includes("boom") ?? false),
        [false, true, true, true]
      )
    })
  )

  run("of a subscriber that does not read cost the others nothing", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor
      const silent = yield* supervisor.transitions
      const { end, started } = yield* start("permanent", { limits: endlessLimits })
      for (let i = 0; i < 300; i++) {
        yield* end(boom)
        yield* TestClock.adjust(defaultLimits.backoffMax)
        yield* started
      }
      const kept = yield* PubSub.takeUpTo(silent, 1000)
      assert.strictEqual(kept.length, 256)
      assert.strictEqual(kept.at(-1)?.restarts, 300)
    })
  )
})

describe("stop", () => {
  run("ends the actor and waits for its finalizers", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor
      const log: Array<string> = []
      const running = yield* Deferred.make<void>()
      const finishing = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const work = Effect.andThen(Deferred.succeed(running, undefined), Effect.never).pipe(
        Effect.ensuring(
          Effect.andThen(
            Deferred.await(finishing),
            Effect.sync(() => log.push("finalizer"))
          )
        )
      )
      yield* Scope.provide(supervisor.start({ name: "Actor", run: work, restart: "permanent" }), scope)
      yield* Deferred.await(running)
      const closing = yield* Effect.forkChild(
        Effect.andThen(
          Scope.close(scope, Exit.void),
          Effect.sync(() => log.push("closed"))
        ),
        { startImmediately: true }
      )
      yield* Deferred.succeed(finishing, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(log, ["finalizer", "closed"])
      const [report] = yield* supervisor.report
      assert.strictEqual(report?.state, "stopped")
    })
  )

  run("during the back-off starts nothing any more", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const supervisor = yield* Supervisor
      const transitions = yield* supervisor.transitions
      const { end, startsSoFar } = yield* Scope.provide(start("permanent"), scope)
      yield* PubSub.take(transitions)
      yield* end(boom)
      yield* PubSub.take(transitions)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* startsSoFar, 0)
    })
  )

  run("frees the name, which no two actors have at once", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor
      const scope = yield* Scope.make()
      yield* Scope.provide(start("permanent"), scope)
      const second = yield* Effect.exit(supervisor.start({ name: "Actor", run: Effect.never, restart: "permanent" }))
      assert.isTrue(Exit.isFailure(second) && String(second.cause).includes("an actor named Actor runs already"))
      yield* Scope.close(scope, Exit.void)
      const { status } = yield* start("permanent")
      assert.strictEqual((yield* status)?.state, "running")
    })
  )
})
