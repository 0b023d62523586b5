import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { CommandLost, SpawnError } from "../../../src/services/commands/Spawner.ts"
import { ActionBusy } from "../../../src/services/commands/Executor.ts"
import type { ProcessStat } from "../../../src/services/operations/leftovers/procfs.ts"
import type { Remains } from "../../../src/services/gpus/remains.ts"
import { makeSmiRunner, type SmiRequest } from "../../../src/services/gpus/SmiRunner.ts"
import { type Asked, configOf, cut, ended, makeFakeExecutor } from "./support.ts"

const nothingLeft: Remains = { of: () => Effect.succeed([]), still: () => Effect.succeed([]) }

const begin = Effect.fnUntraced(function* (options: { readonly toml?: string; readonly remains?: Remains } = {}) {
  const fake = yield* makeFakeExecutor
  const config = yield* configOf(options.toml)
  const runner = makeSmiRunner({ executor: fake.executor, config, remains: options.remains ?? nothingLeft })
  const ask = (request: Partial<SmiRequest> = {}) =>
    Effect.forkChild(Effect.result(runner.run({ args: [], maxBytes: 1024, urgent: true, ...request })), {
      startImmediately: true
    })
  return { ...fake, ask, runner }
})

const one = (index: number): Partial<SmiRequest> => ({ args: ["-i", String(index)], urgent: false })

describe("a turn", () => {
  it.effect("is one run, and what concerns all GPUs has its turn ahead of what concerns one", () =>
    Effect.gen(function* () {
      const { ask, counted, next } = yield* begin()
      const first = yield* ask(one(0))
      const running = yield* next
      const others = [
        yield* ask(one(1)),
        yield* ask(one(2)),
        yield* ask({ args: ["-q"] }),
        yield* ask({ args: ["-x"] })
      ]
      yield* running.end(Effect.succeed(ended(0, "first\n")))
      const order: Array<ReadonlyArray<string>> = []
      for (const _ of others) {
        const { end, request } = yield* next
        order.push(request.argv.slice(1))
        yield* end(Effect.succeed(ended(0, "")))
      }
      assert.deepStrictEqual(order, [["-q"], ["-x"], ["-i", "1"], ["-i", "2"]])
      assert.strictEqual((yield* Fiber.join(first))._tag, "Success")
      for (const other of others) assert.strictEqual((yield* Fiber.join(other))._tag, "Success")
      assert.deepStrictEqual(counted(), { started: 5, most: 1 })
    })
  )

  it.effect("is waited for no longer than the tool's time limit, and left to the next", () =>
    Effect.gen(function* () {
      const { ask, next } = yield* begin()
      const first = yield* ask()
      const running = yield* next
      yield* TestClock.adjust("4 seconds")
      const impatient = yield* ask(one(1))
      yield* TestClock.adjust("5 seconds")
      const late = yield* ask(one(2))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(impatient))._tag, "Failure")
      yield* running.end(Effect.succeed(ended(0, "")))
      yield* (yield* next).end(Effect.succeed(ended(0, "second\n")))
      assert.strictEqual((yield* Fiber.join(first))._tag, "Success")
      assert.strictEqual((yield* Fiber.join(late))._tag, "Success")
    })
  )

  it.effect("is given on when whoever waited for it goes away", () =>
    Effect.gen(function* () {
      const { ask, counted, next } = yield* begin()
      yield* ask()
      const running = yield* next
      const gone = yield* ask(one(1))
      const waits = yield* ask(one(2))
      yield* Fiber.interrupt(gone)
      yield* running.end(Effect.succeed(ended(0, "")))
      const { end, request } = yield* next
      assert.deepStrictEqual(request.argv.slice(1), ["-i", "2"])
      yield* end(Effect.succeed(ended(0, "")))
      assert.strictEqual((yield* Fiber.join(waits))._tag, "Success")
      assert.strictEqual(counted().started, 2)
    })
  )

  it.effect("that has lasted too long is not waited for at all", () =>
    Effect.gen(function* () {
      const { ask, counted, next } = yield* begin()
      yield* ask()
      yield* next
      yield* TestClock.adjust("11 seconds")
      const result = yield* Fiber.join(yield* ask())
      assert.strictEqual(result._tag === "Failure" ? result.failure._tag : "", "ToolTimeout")
      assert.strictEqual(counted().started, 1)
    })
  )
})

describe("an nvidia-smi that does not end", () => {
  it.effect("gets TERM at the deadline and KILL after its own grace", () =>
    Effect.gen(function* () {
      const { ask, next } = yield* begin({ toml: "kill_grace_ms = 30000\n[status]\ncommand_timeout_seconds = 3\n" })
      yield* ask()
      const { request } = yield* next
      assert.deepInclude(request, { concurrency: 1, queueLength: 0, keepsPlace: true, onAbandon: "terminate" })
      assert.strictEqual(Duration.toMillis(request.timeout), 3000)
      assert.strictEqual(Duration.toMillis(request.killGrace), 30_000)
    })
  )

  it.effect("leaves children behind: nothing is started while they live", () =>
    Effect.gen(function* () {
      const child: ProcessStat = { pid: 4243, group: 4242, state: "D", startTicks: "1" }
      let living: ReadonlyArray<ProcessStat> = [child]
      const remains: Remains = {
        of: (group) => Effect.succeed(group === 4242 ? living : []),
        still: (known) => Effect.succeed(known.filter((each) => living.includes(each)))
      }
      const { ask, counted, next } = yield* begin({ remains })
      const first = yield* ask()
      yield* (yield* next).end(Effect.succeed(ended(0, "", { timedOut: true })))
      assert.strictEqual((yield* Fiber.join(first))._tag, "Failure")
      for (let hours = 0; hours < 3; hours++) {
        yield* TestClock.adjust("1 hour")
        assert.strictEqual((yield* Fiber.join(yield* ask()))._tag, "Failure")
      }
      assert.strictEqual(counted().started, 1)
      living = []
      const again = yield* ask()
      yield* (yield* next).end(Effect.succeed(ended(0, "well\n")))
      assert.strictEqual((yield* Fiber.join(again))._tag, "Success")
      assert.strictEqual(counted().started, 2)
    })
  )
})

describe("what becomes of a run", () => {
  const outcome = Effect.fnUntraced(function* (result: Parameters<Asked["end"]>[0]) {
    const { ask, next } = yield* begin()
    const asked = yield* ask({ args: ["-q"] })
    yield* (yield* next).end(result)
    return yield* Fiber.join(asked)
  })
  it.effect("is an answer, whatever its exit status, and cut to whole lines", () =>
    Effect.gen(function* () {
      const cutOutput = ended(15, "", { stdout: cut("whole\nhal", true), stderr: cut("no end", true) })
      const told = yield* outcome(Effect.succeed(cutOutput))
      assert.deepStrictEqual(told._tag === "Success" ? told.success : undefined, {
        command: ["/bin/sh", "-q"],
        exitCode: 15,
        stdout: "whole\n",
        stderr: "no end",
        stdoutTruncated: true,
        stderrTruncated: true
      })
    })
  )
  it.effect("names the signal that ended it by its number, below zero", () =>
    Effect.gen(function* () {
      const told = yield* outcome(Effect.succeed(ended(0, "", { exit: { _tag: "Signaled", signal: "SIGSEGV" } })))
      assert.strictEqual(told._tag === "Success" ? told.success.exitCode : 0, -11)
    })
  )
  const spawnError = (reason: "not-found" | "no-resources") =>
    new SpawnError({ program: "nvidia-smi", reason, detail: "test" })
  const failures = [
    ["ToolMissing", spawnError("not-found")],
    ["ToolFailed", spawnError("no-resources")],
    ["ToolTimeout", new CommandLost({ program: "nvidia-smi", pid: 1, why: "test" })],
    ["ToolTimeout", new ActionBusy({ name: "nvidia-smi", running: 1, queued: 0, retry_after_seconds: 1 })]
  ] as const
  it.effect.each(failures)("is %s after %s", ([tag, error]) =>
    Effect.gen(function* () {
      const told = yield* outcome(Effect.fail(error))
      assert.strictEqual(told._tag === "Failure" ? told.failure._tag : "", tag)
    })
  )
  it.effect("is a missing tool, without a start, where the program is not there", () =>
    Effect.gen(function* () {
      const fake = yield* makeFakeExecutor
      const { get } = yield* configOf()
      const config = { get: () => ({ ...get(), gpus: { ...get().gpus, command: "no-such-nvidia-smi" } }) }
      const runner = makeSmiRunner({ executor: fake.executor, config, remains: nothingLeft })
      const told = yield* Effect.flip(runner.run({ args: [], maxBytes: 1, urgent: true }))
      assert.strictEqual(told._tag, "ToolMissing")
      assert.strictEqual(fake.counted().started, 0)
    })
  )
})
