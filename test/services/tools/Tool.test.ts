/** Under the test clock what becomes of questions and places; with real processes, tools in every bad mood. */
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as CommandExecutor from "../../../src/actors/CommandExecutor.ts"
import { Supervisor } from "../../../src/actors/kernel/Supervisor.ts"
import { Executor } from "../../../src/services/commands/Executor.ts"
import * as SpawnerWorker from "../../../src/services/commands/SpawnerWorker.ts"
import { makeProbe } from "../../../src/services/probes/Probe.ts"
import { runTool, runToolWell, toolOfLane, type ToolRun, ToolTimeout } from "../../../src/services/tools/Tool.ts"
import { toolCounts } from "../../../src/services/tools/toolCounts.ts"
import { exited, makeFakeSpawner, makeLeash } from "../commands/support.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const tool = (options: Partial<ToolRun> = {}): ToolRun => ({
  name: "systemctl",
  argv: ["/bin/systemctl", "show"],
  timeout: Duration.seconds(10),
  headBytes: 4096,
  tailBytes: 4096,
  ...options
})

const startFake = Effect.gen(function* () {
  const fake = yield* makeFakeSpawner
  const context = yield* Layer.build(
    Layer.provideMerge(CommandExecutor.layer, Layer.merge(Supervisor.layer, fake.layer))
  )
  yield* Effect.addFinalizer(() => fake.endAll)
  return { executor: Context.get(context, Executor), started: fake.started }
})

describe("asking a tool", () => {
  it.effect("is the tool's own words, exit status and environment", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const asking = yield* Effect.forkChild(runTool(executor)(tool()))
      const command = yield* Queue.take(started)
      assert.deepStrictEqual(command.spec.argv, ["/bin/systemctl", "show"])
      assert.deepStrictEqual([command.spec.env["LC_ALL"], command.spec.env["SYSTEMD_COLORS"]], ["C.UTF-8", "0"])
      assert.isUndefined(command.spec.env["HOME"])
      command.finishOutput("Id=a.service\n")
      command.end(exited(3))
      const { exit, stdout } = yield* Fiber.join(asking)
      assert.deepStrictEqual([exit, stdout.head], [exited(3), "Id=a.service\n"])
    })
  )

  it.effect("fails with its exit status where it has to end well, and with -1 where a signal ended it", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      for (const [status, code] of [
        [exited(4), 4],
        [{ _tag: "Signaled", signal: "SIGSEGV" } as const, -1]
      ] as const) {
        const asking = yield* Effect.forkChild(Effect.flip(runToolWell(executor)(tool())))
        const command = yield* Queue.take(started)
        command.finishOutput("")
        command.disband()
        command.end(status)
        const error = yield* Fiber.join(asking)
        assert.deepInclude(error, { _tag: "ToolFailed", command: "systemctl", exit_code: code })
      }
    })
  )

  it.effect("is answered at the deadline, while the process has its grace", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const killGrace = Duration.seconds(30)
      const asking = yield* Effect.forkChild(Effect.flip(runTool(executor)(tool({ killGrace }))))
      const { signals } = yield* Queue.take(started)
      yield* TestClock.adjust(9999)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(asking))._tag, "ToolTimeout")
      assert.strictEqual(yield* Queue.take(signals), "SIGTERM")
      yield* TestClock.adjust(29_999)
      assert.strictEqual(yield* Queue.size(signals), 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Queue.take(signals), "SIGKILL")
    })
  )

  it.effect("one that not even KILL ends is the only one there is, for an hour and until it ends", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const probe = yield* makeProbe({
        ask: runTool(executor)(tool()),
        freshMs: () => 2000,
        deadlineMs: () => 10_000,
        late: new ToolTimeout({ command: "systemctl" })
      })
      const hung = yield* Effect.andThen(Effect.forkChild(Effect.exit(probe.read)), Queue.take(started))
      for (let second = 0; second < 3600; second += 5) {
        yield* TestClock.adjust("5 seconds")
        if (second < 10) continue
        const error = yield* Effect.flip(probe.read)
        assert.isTrue(error._tag === "ToolTimeout" || error._tag === "ToolFailed")
      }
      assert.strictEqual(yield* Queue.size(started), 0)
      const { lanes } = yield* executor.report
      assert.deepStrictEqual(
        lanes.map(({ name, running }) => [toolOfLane(name), running.length]),
        [["systemctl", 1]]
      )
      hung.finishOutput("")
      hung.disband()
      hung.end(exited(0))
      yield* TestClock.adjust("5 seconds")
      const healed = yield* Effect.forkChild(probe.read)
      const next = yield* Queue.take(started)
      next.finishOutput("well")
      next.end(exited(0))
      const { stale, value } = yield* Fiber.join(healed)
      assert.deepStrictEqual([stale, value.stdout.head], [false, "well"])
    }).pipe(quiet)
  )

  it.effect("tools of other names do not wait for it", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      yield* Effect.forkChild(Effect.exit(runTool(executor)(tool())))
      yield* Queue.take(started)
      yield* Effect.forkChild(runTool(executor)(tool({ name: "nvidia-smi" })))
      yield* Queue.take(started)
      assert.strictEqual((yield* Effect.flip(runTool(executor)(tool())))._tag, "ToolTimeout")
    })
  )

  it.effect("ends the process of a caller that goes away", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const asking = yield* Effect.forkChild(runTool(executor)(tool()))
      const { signals } = yield* Queue.take(started)
      yield* Fiber.interrupt(asking)
      assert.strictEqual(yield* Queue.take(signals), "SIGTERM")
    })
  )

  it.effect("is counted by name: asked, failed, too late", () =>
    Effect.gen(function* () {
      const { executor, started } = yield* startFake
      const missing = tool({ name: "smi", argv: ["/missing"] })
      yield* Effect.flip(runTool(executor)(missing))
      const late = yield* Effect.forkChild(Effect.exit(runTool(executor)(tool())))
      yield* Queue.take(started)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(late)
      assert.deepStrictEqual(Object.fromEntries(toolCounts(executor)), {
        smi: { asked: 1, failed: 1, timedOut: 0 },
        systemctl: { asked: 1, failed: 1, timedOut: 1 }
      })
    })
  )
})

const real = Layer.provideMerge(CommandExecutor.layer, Layer.mergeAll(Supervisor.layer, SpawnerWorker.layerWorker))

/** How late an answer may be at its deadline. On a machine that is busy with other things the clock runs on alone. */
const lateMs = 100
const busyMs = 1500

layer(real, { excludeTestServices: true })("a real tool", (it) => {
  const folder = Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "systemapi-tool-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )

  const sh = (name: string, text: string, options: Partial<ToolRun> = {}) =>
    tool({ name, argv: ["/bin/sh", "-c", text], timeout: Duration.millis(400), ...options })

  /** The least of three times says how late it is by itself. */
  const answeredWithin = Effect.fnUntraced(function* (run: (round: number) => ToolRun) {
    const executor = yield* Executor
    const late: Array<number> = []
    for (let round = 0; round < 3; round++) {
      const asked = run(round)
      const before = performance.now()
      const error = yield* Effect.flip(runTool(executor)(asked))
      assert.strictEqual(error._tag, "ToolTimeout")
      late.push(performance.now() - before - Duration.toMillis(asked.timeout))
    }
    assert.isBelow(Math.min(...late), lateMs)
    assert.isBelow(Math.max(...late), busyMs)
  })

  it.effect("that hangs is answered for at its deadline", () =>
    answeredWithin((round) => sh(`hangs-${round}`, "exec sleep 600"))
  )

  it.effect("that ignores TERM, with a child that holds its pipes, is too, and all of it gets KILL", () =>
    Effect.gen(function* () {
      const leash = yield* makeLeash
      const executor = yield* Executor
      const killGrace = Duration.millis(200)
      const stubborn = `trap '' TERM; exec 9>${leash.path}; sh -c 'trap "" TERM; while :; do sleep 1; done' & while :; do sleep 1; done`
      const asking = yield* Effect.forkChild(Effect.flip(runTool(executor)(sh("stubborn", stubborn, { killGrace }))))
      const { gone } = yield* leash.connected
      assert.strictEqual((yield* Fiber.join(asking))._tag, "ToolTimeout")
      yield* gone
      yield* answeredWithin((round) => sh(`ignores-${round}`, "trap '' TERM; while :; do sleep 1; done", { killGrace }))
    }).pipe(Effect.scoped)
  )

  it.effect("that leaves a child with its pipes in hand is answered for when it has ended", () =>
    Effect.gen(function* () {
      const executor = yield* Executor
      const result = yield* runTool(executor)(
        sh("leaves", "sleep 600 & echo done", { timeout: Duration.seconds(10), killGrace: Duration.millis(100) })
      )
      assert.deepStrictEqual([result.exit, result.stdout.head], [exited(0), "done\n"])
      assert.isBelow(result.durationMs, 5000)
    })
  )

  it.effect("that floods is cut to its bounds, head and tail", () =>
    Effect.gen(function* () {
      const executor = yield* Executor
      const flood = "i=0; while [ $i -lt 200000 ]; do echo line-$i; i=$((i+1)); done"
      const { stdout } = yield* runTool(executor)(
        sh("floods", flood, { timeout: Duration.seconds(30), headBytes: 100, tailBytes: 100 })
      )
      assert.isTrue(stdout.truncated)
      assert.isAtMost(Buffer.byteLength(stdout.head), 100)
      assert.isTrue(stdout.head.startsWith("line-0\n") && stdout.tail.endsWith("line-199999\n"))
    })
  )

  it.effect("that is not there, or cannot be run, is missing", () =>
    Effect.gen(function* () {
      const executor = yield* Executor
      const path = join(yield* folder, "tool")
      const missing = tool({ name: "none", argv: [path] })
      const error = yield* Effect.flip(runTool(executor)(missing))
      assert.deepInclude(error, { _tag: "ToolMissing", binary: "none" })
      yield* Effect.promise(() => writeFile(path, "#!/bin/sh\n", { mode: 0o644 }))
      assert.strictEqual((yield* Effect.flip(runTool(executor)(missing)))._tag, "ToolMissing")
      yield* Effect.promise(() => chmod(path, 0o755))
      assert.deepStrictEqual((yield* runTool(executor)(missing)).exit, exited(0))
    }).pipe(Effect.scoped)
  )

  it.effect("is started once, however many ask a probe of it", () =>
    Effect.gen(function* () {
      const executor = yield* Executor
      const path = join(yield* folder, "count")
      const ask = runToolWell(executor)(
        sh("counted", `echo x >> ${path}; exec sleep 600`, { timeout: Duration.millis(300) })
      )
      const late = new ToolTimeout({ command: "counted" })
      const probe = yield* makeProbe({ ask, freshMs: () => 0, deadlineMs: () => 300, late })
      const errors = yield* Effect.forEach(Array.from({ length: 32 }), () => Effect.flip(probe.read), {
        concurrency: "unbounded"
      })
      assert.isTrue(errors.every(({ _tag }) => _tag === "ToolTimeout"))
      assert.strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), "x\n")
    }).pipe(Effect.scoped)
  )
})
