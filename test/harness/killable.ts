/**
 * A supervisor whose actors a test can kill wherever they are: at the next point where the actor waits for something, be
 * it its mailbox or a disk that does not answer, its run ends as told. What was real before is real still.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"

/** As an error of its own, a bug, or an interruption from inside. */
export const ways = ["fail", "die", "interrupt"] as const
export type Way = (typeof ways)[number]

export const makeKillable = Effect.gen(function* () {
  const real = Context.get(yield* Layer.build(Layer.fresh(Supervisor.layer)), Supervisor)
  const switches = new Map<string, Deferred.Deferred<never, Error>>()
  const supervisor = Supervisor.of({
    ...real,
    start: (child) =>
      real.start({
        ...child,
        run: Effect.suspend(() => {
          const killed = Deferred.makeUnsafe<never, Error>()
          switches.set(child.name, killed)
          return Effect.raceFirst(child.run, Deferred.await(killed))
        })
      })
  })

  const statusOf = (name: string) =>
    Effect.map(real.report, (all) => all.find((one) => one.name === name) ?? missing(name))

  const kill = (name: string, way: Way) => {
    const killed = switches.get(name) ?? missing(name)
    switch (way) {
      case "fail":
        return Deferred.fail(killed, new Error("killed by the test"))
      case "die":
        return Deferred.die(killed, new Error("killed by the test"))
      case "interrupt":
        return Deferred.interrupt(killed)
    }
  }

  /** Lets the time of the test pass until the actor has been restarted this often, and runs. */
  const runsAgain = Effect.fnUntraced(function* (name: string, restarts: number) {
    while (true) {
      const status = yield* statusOf(name)
      if (status.state === "running" && status.restarts >= restarts) return status
      yield* TestClock.adjust("100 millis")
    }
  })

  return {
    layer: Layer.succeed(Supervisor, supervisor),
    supervisor,
    statusOf,
    kill,
    runsAgain,
    /** Kills it and waits until it runs again. */
    crash: Effect.fnUntraced(function* (name: string, way: Way) {
      const { restarts } = yield* statusOf(name)
      yield* kill(name, way)
      return yield* runsAgain(name, restarts + 1)
    })
  }
})

const missing = (name: string): never => {
  throw new Error(`no actor named ${name} was started`)
}
