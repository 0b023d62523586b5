import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Worker } from "node:worker_threads"
import * as CommandExecutor from "../../src/actors/CommandExecutor.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { compile, shellArgv, toEnvironment } from "../../src/services/commands/Arguments.ts"
import { Executor, type RunRequest } from "../../src/services/commands/Executor.ts"
import { Spawner } from "../../src/services/commands/Spawner.ts"
import * as SpawnerWorker from "../../src/services/commands/SpawnerWorker.ts"
import { exited, makeFakeSpawner, makeLeash, script } from "../services/commands/support.ts"

const request = (name: string, options: Partial<RunRequest> = {}): RunRequest => ({
  ...script(name),
  name,
  timeout: Duration.seconds(10),
  outputGrace: Duration.millis(100),
  killGrace: Duration.seconds(2),
  concurrency: 4,
  queueLength: 16,
  onAbandon: "continue",
  who: "test",
  ...options
})

/** An executor over the given spawner that lives until `stop`, or until the test ends. */
const start = Effect.fnUntraced(function* (spawner: Layer.Layer<Spawner>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const layer = Layer.provideMerge(CommandExecutor.layer, Layer.merge(Supervisor.layer, spawner))
  const context = yield* Layer.buildWithScope(layer, scope)
  return {
    executor: Context.get(context, Executor),
    supervisor: Context.get(context, Supervisor),
    stop: Scope.close(scope, Exit.void)
  }
})

const startFake = Effect.gen(function* () {
  const fake = yield* makeFakeSpawner
  const running = yield* start(fake.layer)
  yield* Effect.addFinalizer(() => fake.endAll)
  return { ...running, started: Queue.take(fake.started) }
})

const startReal = Effect.map(start(SpawnerWorker.layerWorker), ({ executor }) => executor)

const runScript = (text: string, options: Partial<RunRequest> = {}) =>
  request("script", { ...script(text), ...options })

describe("the answer", () => {
  it.effect("comes with the end of the command's own process and its output", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const fiber = yield* Effect.forkChild(executor.run(request("a")))
      const command = yield* started
      yield* TestClock.adjust("3 seconds")
      command.end(exited(7))
      command.finishOutput("done")
      const result = yield* Fiber.join(fiber)
      assert.deepStrictEqual(result.exit, exited(7))
      assert.strictEqual(result.stdout.head, "done")
      assert.strictEqual(result.durationMs, 3000)
      assert.strictEqual(result.startedAt, 0)
      assert.isFalse(result.timedOut)
    })
  )

  it.effect("waits for output no longer than its grace when others hold the pipe", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const fiber = yield* Effect.forkChild(executor.run(request("a")))
      const command = yield* started
      command.end(exited(0))
      yield* TestClock.adjust("99 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Deferred.await(command.outputClosed)
      assert.strictEqual((yield* Fiber.join(fiber)).stdout.head, "so far")
    })
  )

  it.effect("is a typed error when the program cannot be started, and the place is free again", () =>
    Effect.gen(function* () {
      const { executor } = yield* startFake
      const missing = request("a", { argv: ["/missing"], concurrency: 1, queueLength: 0 })
      assert.strictEqual((yield* Effect.flip(executor.run(missing)))._tag, "SpawnError")
      assert.strictEqual((yield* Effect.flip(executor.run(missing)))._tag, "SpawnError")
      const { totals, lanes } = yield* executor.report
      assert.deepStrictEqual([totals.failed, totals.started, lanes.length], [2, 0, 0])
    })
  )
})

describe("the deadline", () => {
  it.effect("sends TERM, and an obedient group gets no KILL", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const fiber = yield* Effect.forkChild(executor.run(request("a")))
      const command = yield* started
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Queue.take(command.signals), "SIGTERM")
      command.finishOutput("")
      command.disband()
      command.end({ _tag: "Signaled", signal: "SIGTERM" })
      const result = yield* Fiber.join(fiber)
      assert.isTrue(result.timedOut)
      assert.strictEqual(result.durationMs, 10_000)
      yield* Deferred.await(command.released)
      assert.strictEqual(yield* Queue.size(command.signals), 0)
    })
  )

  it.effect("sends KILL after the grace to a group that ignores TERM", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const fiber = yield* Effect.forkChild(executor.run(request("a")))
      const command = yield* started
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Queue.take(command.signals), "SIGTERM")
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(yield* Queue.size(command.signals), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Queue.take(command.signals), "SIGKILL")
      command.finishOutput("")
      command.end({ _tag: "Signaled", signal: "SIGKILL" })
      assert.isTrue((yield* Fiber.join(fiber)).timedOut)
      assert.strictEqual((yield* executor.report).totals.timedOut, 1)
    })
  )

  it.effect("is counted from the start for what the command leaves behind", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const fiber = yield* Effect.forkChild(executor.run(request("a")))
      const command = yield* started
      yield* TestClock.adjust("4 seconds")
      command.finishOutput("hi")
      command.end(exited(0))
      assert.isFalse((yield* Fiber.join(fiber)).timedOut)
      assert.deepStrictEqual(
        (yield* executor.report).lingering.map(({ name }) => name),
        ["a"]
      )
      yield* TestClock.adjust("5999 millis")
      assert.strictEqual(yield* Queue.size(command.signals), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Queue.take(command.signals), "SIGTERM")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Queue.take(command.signals), "SIGKILL")
      yield* Deferred.await(command.released)
    })
  )

  it.effect("is forgotten with a group that has ended", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const fiber = yield* Effect.forkChild(executor.run(request("a")))
      const command = yield* started
      command.finishOutput("hi")
      command.end(exited(0))
      yield* Fiber.join(fiber)
      command.disband()
      yield* TestClock.adjust("1 seconds")
      yield* Deferred.await(command.released)
      assert.strictEqual((yield* executor.report).lingering.length, 0)
      assert.strictEqual(yield* Queue.size(command.signals), 0)
    })
  )

  it.effect("bounds the wait for a process that not even KILL ends", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const fiber = yield* Effect.forkChild(Effect.flip(executor.run(request("a"))))
      const command = yield* started
      yield* TestClock.adjust("17 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "CommandLost")
      assert.include(error.message, "5 s after KILL")
      yield* Deferred.await(command.released)
      assert.strictEqual((yield* executor.report).lanes.length, 0)
    })
  )

  it.effect("comes early for the longest lingering when too many linger", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const leaveOne = Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(executor.run(request("a")))
        const command = yield* started
        command.finishOutput("")
        command.end(exited(0))
        yield* Fiber.join(fiber)
        return command
      })
      const first = yield* leaveOne
      for (let n = 1; n < CommandExecutor.lingeringMax; n++) yield* leaveOne
      assert.strictEqual(yield* Queue.size(first.signals), 0)
      yield* leaveOne
      assert.strictEqual(yield* Queue.take(first.signals), "SIGTERM")
      assert.strictEqual((yield* executor.report).totals.evicted, 1)
      first.disband()
      yield* TestClock.adjust("50 millis")
      yield* Deferred.await(first.released)
      assert.strictEqual((yield* executor.report).lingering.length, CommandExecutor.lingeringMax)
    })
  )
})

describe("the queue of a name", () => {
  const one = { concurrency: 1, queueLength: 2 }

  it.effect("runs in order, as many at once as may, and refuses when full", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const ask = (why: string) =>
        Effect.forkChild(executor.run(request("a", { ...one, why, argv: [why] })), { startImmediately: true })
      const first = yield* ask("1")
      const command = yield* started
      yield* ask("2")
      yield* ask("3")
      const refused = yield* Effect.flip(executor.run(request("a", one)))
      assert.strictEqual(refused.message, "a is busy: 1 running, 2 waiting; try again in 1 s")
      const [lane] = (yield* executor.report).lanes
      assert.deepStrictEqual(
        lane?.running.map(({ why, pid }) => [why, pid]),
        [["1", 101]]
      )
      assert.deepStrictEqual(
        lane?.waiting.map(({ why, position }) => [why, position]),
        [
          ["2", 1],
          ["3", 2]
        ]
      )
      // Another name has a lane of its own.
      yield* Effect.forkChild(executor.run(request("b", one)))
      assert.strictEqual((yield* started).spec.argv[0], "/bin/sh")

      yield* TestClock.adjust("4 seconds")
      command.finishOutput("")
      command.end(exited(0))
      yield* Fiber.join(first)
      assert.deepStrictEqual((yield* started).spec.argv, ["2"])
      yield* ask("4")
      const later = yield* Effect.flip(executor.run(request("a", one)))
      // Three turns of four seconds each lie before the next free place.
      assert.strictEqual(later._tag === "ActionBusy" && later.retry_after_seconds, 12)
      assert.strictEqual((yield* executor.report).totals.refused, 2)
    })
  )

  it.effect("is left by a caller that is interrupted", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const ask = (argv: string) =>
        Effect.forkChild(executor.run(request("a", { ...one, argv: [argv] })), { startImmediately: true })
      yield* ask("1")
      const command = yield* started
      const second = yield* ask("2")
      yield* ask("3")
      yield* Fiber.interrupt(second)
      yield* ask("4")
      command.finishOutput("")
      command.end(exited(0))
      assert.deepStrictEqual((yield* started).spec.argv, ["3"])
      assert.strictEqual((yield* executor.report).totals.abandoned, 1)
    })
  )

  it.effect("lets a running command go on when its caller is gone, or ends it", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const goesOn = yield* Effect.forkChild(executor.run(request("a", { onAbandon: "continue" })))
      const first = yield* started
      yield* Fiber.interrupt(goesOn)
      const ends = yield* Effect.forkChild(executor.run(request("a", { onAbandon: "terminate" })))
      const second = yield* started
      yield* Fiber.interrupt(ends)
      assert.strictEqual(yield* Queue.take(second.signals), "SIGTERM")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Queue.take(second.signals), "SIGKILL")
      assert.strictEqual(yield* Queue.size(first.signals), 0)
    })
  )
})

describe("faults of the executor itself", () => {
  it.effect("a crash of the actor loses neither who runs nor who waits", () =>
    Effect.gen(function* () {
      const { executor, started, supervisor } = yield* startFake
      const one = { concurrency: 1, queueLength: 5 }
      const first = yield* Effect.forkChild(executor.run(request("a", one)))
      const running = yield* started
      const second = yield* Effect.forkChild(executor.run(request("a", { ...one, argv: ["2"] })), {
        startImmediately: true
      })
      const transitions = yield* supervisor.transitions
      const poison = {
        ...request("a", one),
        get queueLength(): number {
          throw new Error("poison")
        }
      }
      const error = yield* Effect.flip(executor.run(poison))
      assert.strictEqual(error.message, "a was not run: CommandExecutor restarted while it worked on this request")
      assert.strictEqual((yield* PubSub.take(transitions)).state, "backing-off")
      // The first ends while the actor is down.
      running.finishOutput("still here")
      running.end(exited(0))
      assert.strictEqual((yield* Fiber.join(first)).stdout.head, "still here")
      yield* TestClock.adjust("100 millis")
      const next = yield* started
      assert.deepStrictEqual(next.spec.argv, ["2"])
      next.finishOutput("")
      next.end(exited(0))
      assert.deepStrictEqual((yield* Fiber.join(second)).exit, exited(0))
    })
  )

  it.effect("a stop answers everybody: who waits, who runs and who comes", () =>
    Effect.gen(function* () {
      const { executor, started, stop } = yield* startFake
      const one = { concurrency: 1, queueLength: 5, killGrace: Duration.minutes(10) }
      const first = yield* Effect.forkChild(executor.run(request("a", one)))
      const running = yield* started
      const second = yield* Effect.forkChild(Effect.flip(executor.run(request("a", one))), { startImmediately: true })
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      assert.strictEqual((yield* Fiber.join(second)).message, "a was not run: the daemon is stopping")
      assert.strictEqual((yield* Effect.flip(executor.run(request("a"))))._tag, "ExecutorUnavailable")
      assert.strictEqual(yield* Queue.take(running.signals), "SIGTERM")
      // The stop does not wait for the ten minutes of this command.
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Queue.take(running.signals), "SIGKILL")
      running.finishOutput("")
      running.end({ _tag: "Signaled", signal: "SIGKILL" })
      assert.deepStrictEqual((yield* Fiber.join(first)).exit, { _tag: "Signaled", signal: "SIGKILL" })
      yield* Fiber.join(stopping)
      yield* Deferred.await(running.released)
    })
  )
})

describe("real commands", () => {
  it.live("answer at once though they leave a process behind", () =>
    Effect.gen(function* () {
      const executor = yield* startReal
      const result = yield* executor.run(runScript("sleep 60 & echo hi"))
      assert.deepStrictEqual(result.exit, exited(0))
      assert.strictEqual(result.stdout.head, "hi\n")
      assert.isBelow(result.durationMs, 30_000)
      assert.strictEqual((yield* executor.report).lingering.length, 1)
    })
  )

  it.live("that ignore TERM are killed, with all they started", () =>
    Effect.gen(function* () {
      const executor = yield* startReal
      const leash = yield* makeLeash
      const text = `exec 9>${leash.path}; trap '' TERM; sleep 60 & sleep 60 & echo up; wait; sleep 60`
      const limits = { timeout: Duration.seconds(1), killGrace: Duration.millis(50) }
      const fiber = yield* Effect.forkChild(executor.run(runScript(text, limits)))
      const { gone } = yield* leash.connected
      const result = yield* Fiber.join(fiber)
      assert.deepStrictEqual(result.exit, { _tag: "Signaled", signal: "SIGKILL" })
      assert.isTrue(result.timedOut)
      assert.strictEqual(result.stdout.head, "up\n")
      assert.isAtLeast(result.durationMs, 1000)
      yield* gone
    })
  )

  it.live("leave nobody behind past their timeout", () =>
    Effect.gen(function* () {
      const executor = yield* startReal
      const leash = yield* makeLeash
      const text = `exec 9>${leash.path}; sleep 60 & (sleep 60 & sleep 60) & echo hi`
      const fiber = yield* Effect.forkChild(executor.run(runScript(text, { timeout: Duration.millis(1500) })))
      const { gone } = yield* leash.connected
      assert.isFalse((yield* Fiber.join(fiber)).timedOut)
      yield* gone
    })
  )

  it.live("are gone when the executor has stopped", () =>
    Effect.gen(function* () {
      const { executor, stop } = yield* start(SpawnerWorker.layerWorker)
      const leash = yield* makeLeash
      const text = `exec 9>${leash.path}; sleep 60 & sleep 60 & wait`
      const fiber = yield* Effect.forkChild(executor.run(runScript(text)))
      const { gone } = yield* leash.connected
      yield* stop
      assert.deepStrictEqual((yield* Fiber.join(fiber)).exit, { _tag: "Signaled", signal: "SIGTERM" })
      yield* gone
    })
  )

  it.live("are lost with a typed error when the thread that started them dies", () =>
    Effect.gen(function* () {
      const workers: Array<Worker> = []
      const spawned = yield* Deferred.make<void>()
      const spawner = Layer.effect(
        Spawner,
        Effect.map(
          SpawnerWorker.make((worker) => workers.push(worker)),
          ({ spawn }) => ({ spawn: (spec) => Effect.tap(spawn(spec), Deferred.succeed(spawned, undefined)) })
        )
      )
      const { executor } = yield* start(spawner)
      const leash = yield* makeLeash
      const fiber = yield* Effect.forkChild(
        Effect.flip(executor.run(runScript(`exec 9>${leash.path}; sleep 60 & wait`)))
      )
      const { gone } = yield* leash.connected
      yield* Deferred.await(spawned)
      yield* Effect.promise(() => workers[0]?.terminate() ?? Promise.resolve(0))
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "CommandLost")
      yield* gone
      assert.deepStrictEqual((yield* executor.run(runScript("exit 5"))).exit, exited(5))
    })
  )

  it.live("get what a caller gives as data, whatever it looks like", () =>
    Effect.gen(function* () {
      const executor = yield* startReal
      const names = ["a", "b", "c", "d", "e", "f"]
      const attacks = ["; rm -rf /", "$(touch /tmp/pwned)", "`id`", "two\nlines", "--help", "'\"\\ *\t$IFS&&|"]
      const declared = Result.getOrThrow(compile(names.map((name) => ({ name, type: "string" }))))
      const given = Object.fromEntries(names.map((name, n) => [name, attacks[n]]))
      const values = Result.getOrThrow(declared.validate(given))
      const text = `printf '%s\\0' "$0" "$@" "$ARG_A" "$ARG_B" "$ARG_C" "$ARG_D" "$ARG_E" "$ARG_F"`
      const result = yield* executor.run(
        request("attack", { argv: shellArgv("/bin/sh", text, "attack", values), env: toEnvironment(values) })
      )
      assert.deepStrictEqual(result.stdout.head.split("\0"), ["attack", ...attacks, ...attacks, ""])
      assert.strictEqual(result.stderr.head, "")
    })
  )
})
