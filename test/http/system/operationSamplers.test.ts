import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { operationSamples } from "../../../src/http/system/operationSamplers.ts"
import { OperationsUnavailable } from "../../../src/services/operations/Operations.ts"

const endings = () => ({ completed: 5, failed: 6, cancelled: 7 })

const ended = [
  ["systemapi_operations_ended_total", "completed", "counter", 5],
  ["systemapi_operations_ended_total", "failed", "counter", 6],
  ["systemapi_operations_ended_total", "cancelled", "counter", 7]
]

const shown = (samples: Effect.Success<ReturnType<typeof operationSamples>>) =>
  samples.map(({ kind, labels, name, value }) => [name, labels?.["status"], kind, value])

describe("metrics of operations", () => {
  it.effect("tell how many there are and have ended, and what is kept of their output", () =>
    Effect.gen(function* () {
      const counts = Effect.succeed({ pending: 1, running: 2, total: 3, outputBytes: 4 })
      assert.deepStrictEqual(shown(yield* operationSamples({ counts, endings })), [
        ["systemapi_operations_pending", undefined, undefined, 1],
        ["systemapi_operations_running", undefined, undefined, 2],
        ["systemapi_operations_kept", undefined, undefined, 3],
        ["systemapi_operations_output_bytes", undefined, undefined, 4],
        ...ended
      ])
    })
  )

  it.effect("leave out what the store does not answer", () =>
    Effect.gen(function* () {
      const down = Effect.fail(new OperationsUnavailable({ reason: "gone", full: false }))
      assert.deepStrictEqual(shown(yield* operationSamples({ counts: down, endings })), ended)
      const hanging = yield* Effect.forkChild(operationSamples({ counts: Effect.never, endings }), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(shown(yield* Fiber.join(hanging)), ended)
    })
  )
})
