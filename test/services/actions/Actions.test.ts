import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as CommandExecutor from "../../../src/actors/CommandExecutor.ts"
import { Supervisor } from "../../../src/actors/kernel/Supervisor.ts"
import { Actions } from "../../../src/services/actions/Actions.ts"
import { Executor } from "../../../src/services/commands/Executor.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { mockEventLog } from "../../harness/mocks.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { exited, makeFakeSpawner } from "../commands/support.ts"

const text = `
[actions.plain]
argv = ["/bin/plain", "-v"]
concurrency = 1
queue_length = 0
[actions.bound]
argv = ["/bin/bound"]
on_client_gone = "terminate"
`

/** Actions over the real executor, whose commands are the test's. */
const start = Effect.fnUntraced(function* (disk: (message: string) => Effect.Effect<void> = () => Effect.void) {
  const path = join(yield* temporaryFolder, "systemapi-config.toml")
  yield* Effect.promise(() => writeFile(path, text))
  const { config } = yield* load(path, {})
  const recorded: Array<string> = []
  const spawner = yield* makeFakeSpawner
  const below = yield* Layer.build(
    Layer.mergeAll(
      CommandExecutor.layer.pipe(Layer.provide([Supervisor.layer, spawner.layer])),
      CurrentConfig.layer(config),
      mockEventLog({
        record: (message) =>
          Effect.andThen(
            Effect.sync(() => void recorded.push(message)),
            disk(message)
          )
      }),
      NodeFileSystem.layer
    )
  )
  // Before the executor waits for what runs.
  yield* Effect.addFinalizer(() => spawner.endAll)
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(Layer.provide(Actions.layer, Layer.succeedContext(below)), scope)
  const actions = Context.get(context, Actions)
  return {
    recorded,
    executor: Context.get(below, Executor),
    started: Queue.take(spawner.started),
    run: (name: string) => actions.run(name, { args: {}, who: "test" }),
    stop: Scope.close(scope, Exit.void)
  }
})

describe("the event log", () => {
  it.effect("is told before and after, in this order", () =>
    Effect.gen(function* () {
      const { recorded, run, started } = yield* start()
      const running = yield* Effect.forkChild(run("plain"))
      const command = yield* started
      assert.deepStrictEqual(recorded, ["executing action: plain = /bin/plain -v"])
      command.finishOutput("")
      command.end(exited(0))
      yield* Fiber.join(running)
      assert.deepStrictEqual(recorded.slice(1), ["executing action success: plain = /bin/plain -v"])
    })
  )

  it.effect("has on disk who started it before the caller is answered, and how it ended soon after", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const { recorded, run, started, stop } = yield* start((message) =>
        Deferred.await(message.startsWith("executing action: ") ? begun : ended)
      )
      const running = yield* Effect.forkChild(run("plain"), { startImmediately: true })
      const command = yield* started
      command.finishOutput("")
      command.disband()
      command.end(exited(0))
      while (recorded.length < 2) yield* Effect.yieldNow
      assert.isUndefined(running.pollUnsafe())
      yield* Deferred.succeed(begun, undefined)
      assert.deepStrictEqual((yield* Fiber.join(running)).exit, exited(0))
      // The stop of the service waits until all is told.
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(stopping.pollUnsafe())
      yield* Deferred.succeed(ended, undefined)
      yield* Fiber.join(stopping)
    })
  )

  it.effect("is not told of what is refused because too many run", () =>
    Effect.gen(function* () {
      const { executor, recorded, run, started } = yield* start()
      yield* Effect.forkChild(run("plain"))
      yield* started
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* Effect.flip(run("plain")))._tag, "ActionBusy")
      assert.deepStrictEqual(recorded, ["executing action: plain = /bin/plain -v"])
      assert.strictEqual((yield* executor.report).totals.refused, 3)
    })
  )

  it.effect("names who ended a run early: its client", () =>
    Effect.gen(function* () {
      const { recorded, run, started } = yield* start()
      const running = yield* Effect.forkChild(run("bound"))
      const command = yield* started
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual(recorded.slice(1), [
        "error executing action: bound - error: the client left before it had ended (stderr: )"
      ])
      assert.strictEqual(yield* Queue.take(command.signals), "SIGTERM")
    })
  )

  it.effect("is told of an end once and to the end, whoever leaves while it is told", () =>
    Effect.gen(function* () {
      const open = yield* Deferred.make<void>()
      const { executor, recorded, run } = yield* start(() => Deferred.await(open))
      yield* executor.stop
      const running = yield* Effect.forkChild(run("bound"), { startImmediately: true })
      while (recorded.length < 2) yield* Effect.yieldNow
      const leaving = yield* Effect.forkChild(Fiber.interrupt(running), { startImmediately: true })
      yield* Deferred.succeed(open, undefined)
      yield* Fiber.join(leaving)
      assert.deepStrictEqual(recorded.slice(1), [
        "error executing action: bound - error: bound was not run: the daemon is stopping (stderr: )"
      ])
    })
  )

  it.effect("or the stop of the daemon", () =>
    Effect.gen(function* () {
      const { recorded, run, started, stop } = yield* start()
      for (const name of ["plain", "bound"]) {
        yield* Effect.forkChild(run(name))
        yield* started
      }
      yield* stop
      const early = (name: string) =>
        `error executing action: ${name} - error: the daemon stopped before it had ended (stderr: )`
      assert.sameMembers(recorded.slice(2), [early("plain"), early("bound")])
    })
  )

  it.effect(
    "is told nothing of a run that comes when the service has stopped, and its caller is not left waiting",
    () =>
      Effect.gen(function* () {
        const { recorded, run, stop } = yield* start()
        yield* stop
        const exit = yield* Effect.exit(run("plain"))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.deepStrictEqual(recorded, [])
      })
  )

  it.effect("is told that the daemon is stopping, of a run that comes too late", () =>
    Effect.gen(function* () {
      const { executor, recorded, run } = yield* start()
      yield* executor.stop
      assert.strictEqual((yield* Effect.flip(run("plain")))._tag, "ExecutorUnavailable")
      assert.deepStrictEqual(recorded, [
        "executing action: plain = /bin/plain -v",
        "error executing action: plain - error: plain was not run: the daemon is stopping (stderr: )"
      ])
    })
  )
})

describe("a caller at the stop of the executor", () => {
  it.effect("gets the result of the command that TERM has ended", () =>
    Effect.gen(function* () {
      const { executor, run, started } = yield* start()
      const running = yield* Effect.forkChild(run("plain"))
      const command = yield* started
      yield* executor.stop
      assert.strictEqual(yield* Queue.take(command.signals), "SIGTERM")
      command.finishOutput("")
      command.disband()
      command.end({ _tag: "Signaled", signal: "SIGTERM" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Fiber.join(running)).exit, { _tag: "Signaled", signal: "SIGTERM" })
    })
  )
})
