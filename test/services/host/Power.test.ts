/** The end of the machine: on record first, one at a time, and told where it fails. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Executor, type RunError, type RunResult } from "../../../src/services/commands/Executor.ts"
import { SpawnError } from "../../../src/services/commands/Spawner.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { Power } from "../../../src/services/host/Power.ts"
import { ToolFailed, ToolMissing } from "../../../src/services/tools/Tool.ts"
import { mockEventLog } from "../../harness/mocks.ts"
import { configOf } from "../config/support.ts"

const ended = (code: number, stderr = ""): RunResult => {
  const stream = (head: string) => ({ head, tail: "", bytes: head.length, sha256: "", truncated: false })
  return {
    exit: { _tag: "Exited", code },
    timedOut: false,
    durationMs: 1,
    pid: 1,
    startedAt: 0,
    stdout: stream(""),
    stderr: stream(stderr),
    endedEarly: false
  }
}

const make = Effect.fnUntraced(function* (answer: Effect.Effect<RunResult, RunError>) {
  const config = yield* configOf("")
  const done: Array<string> = []
  const context = yield* Layer.build(
    Power.layer.pipe(
      Layer.provide([
        CurrentConfig.layer(config),
        mockEventLog({
          record: (message, options) =>
            Effect.sync(() => void done.push(`${options?.level} ${options?.who}: ${message}`))
        }),
        Layer.mock(Executor, {
          run: ({ argv }) => {
            done.push(argv.join(" "))
            return answer
          }
        })
      ])
    )
  )
  const { off } = yield* Effect.provideContext(Power, context)
  return { off, done }
})

const asked = (who: string) => `warning ${who}: the machine is to be shut down`
const command = "systemctl --no-ask-password --no-wall poweroff"

describe("shutting the machine down", () => {
  it.effect("is on record before it is done", () =>
    Effect.gen(function* () {
      const { done, off } = yield* make(Effect.succeed(ended(0)))
      yield* off("ann")
      assert.deepStrictEqual(done, [asked("ann"), command])
    })
  )

  it.effect("is told where it fails, to who asked and on record", () =>
    Effect.gen(function* () {
      const stderr = "Call to PowerOff failed: Interactive authentication required.\nmore\n"
      const { done, off } = yield* make(Effect.succeed(ended(1, stderr)))
      assert.deepStrictEqual(yield* Effect.flip(off("ann")), new ToolFailed({ command: "systemctl", exit_code: 1 }))
      const why = "exit status 1: Call to PowerOff failed: Interactive authentication required."
      assert.deepStrictEqual(done, [asked("ann"), command, `error ann: the machine was not shut down: ${why}`])
      // It may be tried again.
      yield* Effect.flip(off("bob"))
      assert.strictEqual(done.filter((line) => line === command).length, 2)
    })
  )

  it.effect("names systemctl where there is none", () =>
    Effect.gen(function* () {
      const missing = new SpawnError({ program: "systemctl", reason: "not-found", detail: "ENOENT" })
      const { done, off } = yield* make(Effect.fail(missing))
      assert.deepStrictEqual(yield* Effect.flip(off("ann")), new ToolMissing({ binary: "systemctl" }))
      assert.strictEqual(done.at(-1), "error ann: the machine was not shut down: systemctl is not there")
    })
  )

  it.effect("is answered after two seconds, goes on, is told later, and is asked for once", () =>
    Effect.gen(function* () {
      const gate = Deferred.makeUnsafe<void>()
      const { done, off } = yield* make(Effect.as(Deferred.await(gate), ended(1, "no")))
      const first = yield* Effect.forkChild(off("ann"), { startImmediately: true })
      const second = yield* Effect.forkChild(off("bob"), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(second)
      assert.deepStrictEqual(done, [asked("ann"), command])
      yield* Deferred.succeed(gate, undefined)
      // The fiber that does it is the layer's own.
      yield* TestClock.adjust(0)
      assert.strictEqual(done.at(-1), "error ann: the machine was not shut down: exit status 1: no")
    })
  )
})
