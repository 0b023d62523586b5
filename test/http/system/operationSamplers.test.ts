import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { operationSamples } from "../../../src/http/system/operationSamplers.ts"
import { OperationsUnavailable } from "../../../src/services/operations/Operations.ts"

describe("metrics of operations", () => {
  it.effect("tell how many there are, by status, and what is kept of their output", () =>
    Effect.gen(function* () {
      const counts = { pending: 1, running: 2, completed: 3, failed: 4, cancelled: 5, total: 15, outputBytes: 6 }
      const samples = yield* operationSamples({ counts: Effect.succeed(counts) })
      assert.deepStrictEqual(
        samples.map(({ labels, name, value }) => [name, labels?.["status"], value]),
        [
          ["systemapi_operations", "pending", 1],
          ["systemapi_operations", "running", 2],
          ["systemapi_operations", "completed", 3],
          ["systemapi_operations", "failed", 4],
          ["systemapi_operations", "cancelled", 5],
          ["systemapi_operations_output_bytes", undefined, 6]
        ]
      )
    })
  )

  it.effect("are left out where the store does not answer", () =>
    Effect.gen(function* () {
      const down = Effect.fail(new OperationsUnavailable({ reason: "gone", full: false }))
      assert.deepStrictEqual(yield* operationSamples({ counts: down }), [])
      const hanging = yield* Effect.forkChild(operationSamples({ counts: Effect.never }), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(hanging), [])
    })
  )
})
