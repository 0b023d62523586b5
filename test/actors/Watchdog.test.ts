import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { endlessLimits } from "../../src/actors/kernel/Child.ts"
import * as Mailbox from "../../src/actors/kernel/Mailbox.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as Watchdog from "../../src/actors/Watchdog.ts"
import { Metrics } from "../../src/services/metrics/Metrics.ts"
import { EventStorage, StorageFailed } from "../../src/services/storage/EventStorage.ts"
import { ServiceManager } from "../../src/services/systemd/ServiceManager.ts"
import { makeKillable, ways } from "../harness/killable.ts"

const period = Duration.seconds(30)
const bounds = { first: 1, last: 0, removedThrough: 0, hidden: 0, bytes: 0 }

/** The watchdog beside a supervisor of actors of the test's, over a storage that answers as it is told. */
const start = Effect.fnUntraced(function* (
  state: EventStorage["Service"]["state"] = Effect.succeed(bounds),
  supervised: Layer.Layer<Supervisor> = Supervisor.layer
) {
  const told: Array<string> = []
  const logged: Array<string> = []
  const services = Layer.mergeAll(
    supervised,
    Metrics.layer,
    Layer.mock(EventStorage, { state }),
    Layer.succeed(ServiceManager, {
      listens: true,
      tell: (...assignments) =>
        Effect.sync(() => void told.push(...assignments.map(([name, value]) => `${name}=${value}`)))
    }),
    Logger.layer([Logger.make(({ message }) => void logged.push(String(message)))])
  )
  const context = yield* Layer.build(Layer.provideMerge(Watchdog.layer(period), services))
  const supervisor = Context.get(context, Supervisor)
  const render = Context.get(context, Metrics).render
  const pings = () => told.filter((one) => one === "WATCHDOG=1").length
  return { told, logged, pings, supervisor, render }
})

describe("the watchdog", () => {
  it.effect("is told three times in a period that all is well", () =>
    Effect.gen(function* () {
      const { logged, pings, render, told } = yield* start()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(pings(), 7)
      assert.lengthOf(told, 7)
      assert.deepStrictEqual(logged, [])
      assert.include(yield* render, "systemapi_watchdog_told_total 7\n")
    })
  )

  it.effect("hears nothing more from a daemon of which an actor hangs in a message, and again once it goes on", () =>
    Effect.gen(function* () {
      const { logged, pings, render, supervisor, told } = yield* start()
      const mailbox = yield* Mailbox.make<Deferred.Deferred<void>>({ actor: "Sick", capacity: 1, whenFull: "wait" })
      const run = Effect.forever(Effect.flatMap(mailbox.take, (until) => Deferred.await(until)))
      yield* supervisor.start({ name: "Sick", run, restart: "permanent", mailbox })
      const until = yield* Deferred.make<void>()
      yield* mailbox.tell(until)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(pings(), 4)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(pings(), 4)
      const wrong = "actor Sick has been at one message for 40 s"
      assert.deepStrictEqual(logged, [`not well, the watchdog is told nothing: ${wrong}`])
      assert.deepStrictEqual(told.slice(4), [`STATUS=not well, waits for its restart: ${wrong}`])
      assert.include(yield* render, "systemapi_watchdog_withheld_total 3\n")
      yield* Deferred.succeed(until, undefined)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(pings(), 5)
      assert.strictEqual(logged.at(-1), "well again: the watchdog is told so")
    })
  )

  it.effect("hears nothing more from a daemon whose supervisor has given an actor up", () =>
    Effect.gen(function* () {
      const { logged, pings, supervisor } = yield* start()
      const limits = { ...endlessLimits, maxRestarts: 0 }
      yield* supervisor.start({ name: "Dead", run: Effect.die("no"), restart: "permanent", limits })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(pings(), 1)
      assert.include(logged, "not well, the watchdog is told nothing: actor Dead has failed")
    })
  )

  it.effect("hears nothing more from a daemon whose storage does not answer", () =>
    Effect.gen(function* () {
      const { logged, pings } = yield* start(Effect.never)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(pings(), 4)
      assert.deepStrictEqual(logged, [
        "not well, the watchdog is told nothing: the storage thread has not answered for 40 s"
      ])
    })
  )

  it.effect.each(ways)("is told on, however its actor ends: by %s", (way) =>
    Effect.gen(function* () {
      const killable = yield* makeKillable
      const { pings } = yield* start(Effect.never, killable.layer)
      yield* TestClock.adjust("1 second")
      yield* killable.crash("Watchdog", way)
      yield* TestClock.adjust("20 seconds")
      assert.isAtLeast(pings(), 3)
      // What the storage was asked before counts on.
      yield* TestClock.adjust("1 minute")
      assert.isAtMost(pings(), 5)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

  it.effect("is told that all is well where only the machine is not", () =>
    Effect.gen(function* () {
      const full = Effect.fail(new StorageFailed({ reason: "no space left on device" }))
      const { logged, pings, supervisor } = yield* start(full)
      const failing = Effect.failCause(Cause.fail("the device is gone"))
      yield* supervisor.start({ name: "Probe", run: failing, restart: "permanent", limits: endlessLimits })
      yield* supervisor.start({ name: "Errand", run: Effect.void, restart: "transient" })
      yield* supervisor.start({ name: "Try", run: failing, restart: "temporary" })
      const mailbox = yield* Mailbox.make<string>({ actor: "Idle", capacity: 1, whenFull: "wait" })
      yield* supervisor.start({ name: "Idle", run: Effect.forever(mailbox.take), restart: "permanent", mailbox })
      yield* mailbox.tell("one")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(pings(), 31)
      assert.isFalse(logged.some((line) => line.startsWith("not well")))
    })
  )
})
