/**
 * An nvidia-smi that the kernel holds, so that neither TERM nor KILL ends it, for an hour: under the real executor, with
 * the time of the test. There is one process all that time, and nobody waits beyond the deadline.
 */
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import * as CommandExecutor from "../../../src/actors/CommandExecutor.ts"
import { Supervisor } from "../../../src/actors/kernel/Supervisor.ts"
import { Executor } from "../../../src/services/commands/Executor.ts"
import { makeGpus } from "../../../src/services/gpus/makeGpus.ts"
import { exited, makeFakeSpawner } from "../commands/support.ts"
import { configOf } from "./support.ts"

const all = { detail: false, gpu: "all" } as const

const begin = Effect.gen(function* () {
  const spawner = yield* makeFakeSpawner
  const context = yield* Layer.build(
    Layer.fresh(CommandExecutor.layer.pipe(Layer.provide([Supervisor.layer, spawner.layer])))
  )
  const gpus = yield* makeGpus({
    executor: Context.get(context, Executor),
    config: yield* configOf(),
    journal: { page: () => Effect.succeed({ entries: [], truncated: false }) },
    remains: { of: () => Effect.succeed([]), still: () => Effect.succeed([]) }
  })
  yield* Effect.addFinalizer(() => spawner.endAll)
  return { gpus, started: spawner.started }
})

/** What it takes by the time of the test, a second at a time. */
const answered = Effect.fnUntraced(function* <A, E>(question: Effect.Effect<A, E>) {
  const before = yield* Clock.currentTimeMillis
  const asked = yield* Effect.forkChild(Effect.exit(question), { startImmediately: true })
  while (asked.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
  const exit = yield* Fiber.join(asked)
  return { exit, ms: (yield* Clock.currentTimeMillis) - before }
})

it.effect("an nvidia-smi that hangs in the kernel for an hour is the only one, and holds nobody up", () =>
  Effect.gen(function* () {
    const { gpus, started } = yield* begin
    const well = yield* Effect.forkChild(gpus.smi(all), { startImmediately: true })
    const first = yield* Queue.take(started)
    first.finishOutput("well\n")
    first.disband()
    first.end(exited(0))
    assert.strictEqual((yield* Fiber.join(well)).value.stdout, "well\n")
    yield* TestClock.adjust("11 seconds")

    const begins = yield* Effect.forkChild(gpus.smi(all), { startImmediately: true })
    const hung = yield* Queue.take(started)
    yield* TestClock.adjust("10 seconds")
    assert.isTrue((yield* Fiber.join(begins)).stale)
    assert.strictEqual(yield* Queue.take(hung.signals), "SIGTERM")

    for (let minute = 0; minute < 60; minute++) {
      const known = yield* answered(gpus.smi(all))
      assert.isAtMost(known.ms, 10_000)
      assert.strictEqual(known.exit._tag === "Success" ? known.exit.value.value.stdout : "", "well\n")
      for (const question of [Effect.asVoid(gpus.smi({ detail: true, gpu: minute })), Effect.asVoid(gpus.survey)]) {
        const unknown = yield* answered(question)
        assert.isAtMost(unknown.ms, 10_000)
        assert.strictEqual(unknown.exit._tag, "Failure")
      }
      yield* TestClock.adjust("1 minute")
    }
    assert.strictEqual(yield* Queue.size(started), 0, "no second one was started")
    assert.strictEqual(yield* Queue.take(hung.signals), "SIGKILL")

    hung.finishOutput("")
    hung.disband()
    hung.end({ _tag: "Signaled", signal: "SIGKILL" })
    const answersWell = Effect.flatMap(Queue.take(started), (next) =>
      Effect.sync(() => {
        next.finishOutput("well again\n")
        next.disband()
        next.end(exited(0))
      })
    )
    yield* Effect.forkChild(Effect.forever(answersWell))
    // Its end is noted, and the program looked for, in real time: who asks too soon has the last good answer once more.
    let reading = yield* gpus.smi(all)
    while (reading.stale) {
      yield* TestClock.adjust("11 seconds")
      const again = yield* Effect.forkChild(gpus.smi(all), { startImmediately: true })
      for (let turn = 0; turn < 1000 && again.pollUnsafe() === undefined; turn++) yield* Effect.yieldNow
      yield* TestClock.adjust("10 seconds")
      reading = yield* Fiber.join(again)
    }
    assert.strictEqual(reading.value.stdout, "well again\n")
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
)
