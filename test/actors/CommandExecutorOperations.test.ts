/** What the executor does for operations: marks around the start, an early end, a place without a bound, live output. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as CommandExecutor from "../../src/actors/CommandExecutor.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import {
  Executor,
  ExecutorUnavailable,
  type RunRequest,
  type StartedCommand
} from "../../src/services/commands/Executor.ts"
import type { Spawner } from "../../src/services/commands/Spawner.ts"
import * as SpawnerWorker from "../../src/services/commands/SpawnerWorker.ts"
import { exited, makeFakeSpawner, makeLeash, script } from "../services/commands/support.ts"

const request = (name: string, options: Partial<RunRequest> = {}): RunRequest => ({
  ...script(name),
  name,
  timeout: Duration.seconds(10),
  outputGrace: Duration.millis(100),
  killGrace: Duration.seconds(2),
  concurrency: 1,
  queueLength: 0,
  onAbandon: "terminate",
  who: "test",
  ...options
})

const start = Effect.fnUntraced(function* (spawner: Layer.Layer<Spawner>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const layer = Layer.provideMerge(CommandExecutor.layer, Layer.merge(Supervisor.layer, spawner))
  const executor = Context.get(yield* Layer.buildWithScope(layer, scope), Executor)
  return { executor, stop: Scope.close(scope, Exit.void) }
})

const startFake = Effect.gen(function* () {
  const fake = yield* makeFakeSpawner
  const running = yield* start(fake.layer)
  yield* Effect.addFinalizer(() => fake.endAll)
  /** Goes on when the request is admitted. */
  const ask = Effect.fnUntraced(function* (...[name, options]: Parameters<typeof request>) {
    const admitted = yield* Deferred.make<void>()
    const onAdmitted = Effect.asVoid(Deferred.succeed(admitted, undefined))
    const fiber = yield* Effect.forkChild(running.executor.run(request(name, { ...options, onAdmitted })))
    yield* Deferred.await(admitted)
    return fiber
  })
  return { ...running, ask, started: Queue.take(fake.started), startedCount: Queue.size(fake.started) }
})

const startReal = Effect.map(start(SpawnerWorker.layerWorker), ({ executor }) => executor)

describe("a turn", () => {
  it.effect("is marked before the start, and the start before the answer", () =>
    Effect.gen(function* () {
      const { ask, started, startedCount } = yield* startFake
      const told: Array<string> = []
      const turn = yield* Deferred.make<void>()
      const marked = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<StartedCommand>()
      const fiber = yield* ask("a", {
        live: { headBytes: 10, tailBytes: 10 },
        onTurn: Effect.andThen(Deferred.succeed(turn, undefined), Deferred.await(marked)),
        onStarted: (command) =>
          Effect.andThen(
            Deferred.succeed(begun, command),
            Effect.sync(() => void told.push("started"))
          )
      })
      yield* Deferred.await(turn)
      assert.strictEqual(yield* startedCount, 0)
      yield* Deferred.succeed(marked, undefined)
      const command = yield* started
      const { live, pid, startedAt } = yield* Deferred.await(begun)
      assert.deepStrictEqual([pid, startedAt], [101, 0])
      command.write("stdout", "so")
      assert.strictEqual((yield* live?.read(0, 10) ?? Effect.undefined)?.next, 2)
      command.write("stderr", "far")
      command.finishOutput("so")
      command.end(exited(0))
      const result = yield* Fiber.join(fiber)
      assert.deepStrictEqual(told, ["started"])
      assert.deepStrictEqual([result.output?.bytes, result.output?.stderrBytes], [5, 3])
      assert.isFalse(result.endedEarly)
    })
  )

  it.effect("that cannot be marked starts nothing, and the next has it", () =>
    Effect.gen(function* () {
      const { ask, executor, started } = yield* startFake
      const why = "no room to note it"
      const failing = request("a", { onTurn: new ExecutorUnavailable({ name: "a", why }) })
      assert.strictEqual((yield* Effect.flip(executor.run(failing))).message, `a was not run: ${why}`)
      const { totals } = yield* executor.report
      assert.deepStrictEqual([totals.started, totals.failed], [0, 1])
      yield* ask("a", { argv: ["next"] })
      assert.deepStrictEqual((yield* started).spec.argv, ["next"])
    })
  )

  it.effect("is answered when what follows the start is done, which holds up nothing else", () =>
    Effect.gen(function* () {
      const { ask, started } = yield* startFake
      const noted = yield* Deferred.make<void>()
      const fiber = yield* ask("a", { timeout: Duration.seconds(1), onStarted: () => Deferred.await(noted) })
      const command = yield* started
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* Queue.take(command.signals), "SIGTERM")
      command.disband()
      command.finishOutput("")
      command.end({ _tag: "Signaled", signal: "SIGTERM" })
      yield* TestClock.adjust("1 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* Deferred.succeed(noted, undefined)
      assert.isTrue((yield* Fiber.join(fiber)).timedOut)
    })
  )

  it.effect("is not lost over a note that fails", () =>
    Effect.gen(function* () {
      const { ask, started } = yield* startFake
      const fiber = yield* ask("a", { onStarted: () => Effect.die("broken") })
      const command = yield* started
      command.finishOutput("well")
      command.end(exited(0))
      assert.strictEqual((yield* Fiber.join(fiber)).stdout.head, "well")
    })
  )

  it.effect("of the stop starts nothing more", () =>
    Effect.gen(function* () {
      const { ask, executor, startedCount } = yield* startFake
      const turn = yield* Deferred.make<void>()
      const marked = yield* Deferred.make<void>()
      const fiber = yield* ask("a", {
        onTurn: Effect.andThen(Deferred.succeed(turn, undefined), Deferred.await(marked))
      })
      yield* Deferred.await(turn)
      yield* executor.stop
      yield* Deferred.succeed(marked, undefined)
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).message, "a was not run: the daemon is stopping")
      assert.strictEqual(yield* startedCount, 0)
    })
  )
})

describe("an early end", () => {
  it.effect("sends TERM, then KILL, and the answer comes as ever", () =>
    Effect.gen(function* () {
      const { ask, executor, started } = yield* startFake
      const cancel = yield* Deferred.make<void>()
      const fiber = yield* ask("a", { endWhen: Deferred.await(cancel) })
      const command = yield* started
      yield* Deferred.succeed(cancel, undefined)
      assert.strictEqual(yield* Queue.take(command.signals), "SIGTERM")
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(yield* Queue.size(command.signals), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Queue.take(command.signals), "SIGKILL")
      command.finishOutput("so far")
      command.end({ _tag: "Signaled", signal: "SIGKILL" })
      const { endedEarly, exit, stdout, timedOut } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([endedEarly, timedOut, stdout.head], [true, false, "so far"])
      assert.deepStrictEqual(exit, { _tag: "Signaled", signal: "SIGKILL" })
      const { totals } = yield* executor.report
      assert.deepStrictEqual([totals.finished, totals.abandoned, totals.timedOut, totals.failed], [1, 0, 0, 0])
    })
  )

  it.effect("after the timeout changes nothing", () =>
    Effect.gen(function* () {
      const { ask, started } = yield* startFake
      const cancel = yield* Deferred.make<void>()
      const fiber = yield* ask("a", { endWhen: Deferred.await(cancel) })
      const command = yield* started
      yield* TestClock.adjust("10 seconds")
      yield* Deferred.succeed(cancel, undefined)
      command.disband()
      command.finishOutput("")
      command.end({ _tag: "Signaled", signal: "SIGTERM" })
      const { endedEarly, timedOut } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([endedEarly, timedOut], [false, true])
    })
  )

  it.effect("after the answer ends what the command left behind", () =>
    Effect.gen(function* () {
      const { ask, started } = yield* startFake
      const cancel = yield* Deferred.make<void>()
      const fiber = yield* ask("a", { endWhen: Deferred.await(cancel) })
      const command = yield* started
      command.finishOutput("")
      command.end(exited(0))
      assert.isFalse((yield* Fiber.join(fiber)).endedEarly)
      yield* Deferred.succeed(cancel, undefined)
      assert.strictEqual(yield* Queue.take(command.signals), "SIGTERM")
      command.disband()
      yield* TestClock.adjust("50 millis")
      yield* Deferred.await(command.released)
    })
  )

  it.effect("of one that waits lets the next pass", () =>
    Effect.gen(function* () {
      const { ask, executor, started } = yield* startFake
      const two = { queueLength: 2 }
      const cancel = yield* Deferred.make<void>()
      const first = yield* ask("a", two)
      const command = yield* started
      const dropped = yield* ask("a", { ...two, argv: ["dropped"], endWhen: Deferred.await(cancel) })
      yield* ask("a", { ...two, argv: ["next"] })
      yield* Deferred.succeed(cancel, undefined)
      const error = yield* Effect.flip(Fiber.join(dropped))
      assert.strictEqual(error._tag, "RunCancelled")
      assert.strictEqual(error.message, "a was not run: it was cancelled before its start")
      assert.strictEqual((yield* executor.report).lanes[0]?.waiting.length, 1)
      command.finishOutput("")
      command.end(exited(0))
      yield* Fiber.join(first)
      assert.deepStrictEqual((yield* started).spec.argv, ["next"])
      const { totals } = yield* executor.report
      assert.deepStrictEqual([totals.abandoned, totals.failed, totals.started], [1, 0, 2])
    })
  )

  it.effect("of one whose turn has just come starts nothing", () =>
    Effect.gen(function* () {
      const { ask, executor, started, startedCount } = yield* startFake
      const turn = yield* Deferred.make<void>()
      const marked = yield* Deferred.make<void>()
      const cancel = yield* Deferred.make<void>()
      const fiber = yield* ask("a", {
        onTurn: Effect.andThen(Deferred.succeed(turn, undefined), Deferred.await(marked)),
        endWhen: Deferred.await(cancel)
      })
      yield* Deferred.await(turn)
      yield* Deferred.succeed(cancel, undefined)
      yield* Deferred.succeed(marked, undefined)
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "RunCancelled")
      assert.strictEqual(yield* startedCount, 0)
      const { lanes, totals } = yield* executor.report
      assert.deepStrictEqual([totals.abandoned, totals.failed, totals.started, lanes.length], [1, 0, 0, 0])
      yield* ask("a", { argv: ["next"] })
      assert.deepStrictEqual((yield* started).spec.argv, ["next"])
    })
  )

  it.effect("that has come already starts nothing", () =>
    Effect.gen(function* () {
      const { executor, startedCount } = yield* startFake
      const error = yield* Effect.flip(executor.run(request("a", { endWhen: Effect.void })))
      assert.strictEqual(error._tag, "RunCancelled")
      assert.strictEqual(yield* startedCount, 0)
    })
  )

  it.live("leaves nobody of a tree that ignores TERM", () =>
    Effect.gen(function* () {
      const executor = yield* startReal
      const leash = yield* makeLeash
      const cancel = yield* Deferred.make<void>()
      const text = `trap '' TERM; exec 9>${leash.path}; (trap '' TERM; sleep 60 & sleep 60) & sleep 60 & echo up; wait; sleep 60`
      const killGrace = Duration.millis(300)
      const fiber = yield* Effect.forkChild(
        executor.run(
          request("stubborn", {
            ...script(text, { live: { headBytes: 1000, tailBytes: 1000 } }),
            timeout: Duration.minutes(5),
            killGrace,
            endWhen: Deferred.await(cancel)
          })
        )
      )
      const { gone } = yield* leash.connected
      const before = performance.now()
      yield* Deferred.succeed(cancel, undefined)
      const result = yield* Fiber.join(fiber)
      yield* gone
      const took = performance.now() - before
      assert.isBelow(took, Duration.toMillis(killGrace) + 1000)
      assert.isAtLeast(took, Duration.toMillis(killGrace))
      assert.deepStrictEqual(result.exit, { _tag: "Signaled", signal: "SIGKILL" })
      assert.isTrue(result.endedEarly)
      assert.strictEqual(Buffer.from(result.output?.segments[0]?.bytes ?? []).toString(), "up\n")
    })
  )
})

describe("a place without a bound", () => {
  it.effect("is given in a full queue, in order, and changes nothing for others", () =>
    Effect.gen(function* () {
      const { ask, executor, started } = yield* startFake
      const first = yield* ask("a", { queueLength: 1 })
      const command = yield* started
      yield* ask("a", { queueLength: 1, argv: ["2"] })
      yield* ask("a", { unbounded: true, argv: ["3"] })
      yield* ask("a", { unbounded: true, argv: ["4"] })
      const [lane] = (yield* executor.report).lanes
      assert.deepStrictEqual([lane?.waiting.length, lane?.queueLength], [3, 1])
      assert.strictEqual((yield* Effect.flip(executor.run(request("a", { queueLength: 1 }))))._tag, "ActionBusy")
      command.finishOutput("")
      command.end(exited(0))
      yield* Fiber.join(first)
      for (const argv of ["2", "3", "4"]) {
        const next = yield* started
        assert.deepStrictEqual(next.spec.argv, [argv])
        next.finishOutput("")
        next.end(exited(0))
      }
    })
  )
})
