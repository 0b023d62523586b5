import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { makeMemoryOperations } from "../harness/memoryOperations.ts"
import { asking, kindOf, startOperations } from "../harness/operationsUnderTest.ts"
import { exited, script } from "../services/commands/support.ts"

const command = (name: string) => ({
  ...script(name),
  name,
  timeout: Duration.seconds(10),
  outputGrace: Duration.millis(100),
  killGrace: Duration.seconds(2),
  concurrency: 4
})

const runs = kindOf("run", (operation, context) =>
  Effect.map(context.command(command(operation.name), { again: false }), ({ exit, stdout }) => ({
    exit: exit._tag,
    said: stdout.head
  }))
)

describe("an operation", () => {
  it.effect("runs its command in its turn and keeps how it ended", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const { operations, started, told } = yield* startOperations({ memory, kinds: [runs] })
      const { operation } = yield* operations.submit(asking("run", "a"))
      assert.strictEqual(operation.status, "pending")
      const process = yield* started
      assert.strictEqual(process.spec.env["SYSTEMAPI_OPERATION_ID"], operation.id)
      assert.strictEqual((yield* operations.get(operation.id)).status, "running")
      process.finishOutput("hello")
      process.disband()
      process.end(exited(0))
      const ended = yield* operations.wait(operation.id, Duration.seconds(30))
      assert.deepStrictEqual([ended.status, ended.result], ["completed", { exit: "Exited", said: "hello" }])
      assert.deepStrictEqual(told, [`operation ${operation.id} (run a) completed`])
      assert.strictEqual(memory.journals.size, 0)
    })
  )

  it.effect("that waits is run by the next daemon", () =>
    Effect.gen(function* () {
      const memory = makeMemoryOperations()
      const first = yield* startOperations({ memory, kinds: [runs] })
      const one = yield* first.operations.submit(asking("run", "a"))
      const two = yield* first.operations.submit(asking("run", "a"))
      yield* first.started
      assert.strictEqual(first.operations.position(two.operation), 1)
      yield* first.kill
      const second = yield* startOperations({ memory, kinds: [runs] })
      const process = yield* second.started
      assert.strictEqual(process.spec.env["SYSTEMAPI_OPERATION_ID"], two.operation.id)
      const failed = yield* second.operations.wait(one.operation.id, Duration.seconds(30))
      assert.deepStrictEqual([failed.status, failed.error?.code], ["failed", "interrupted_by_restart"])
      process.finishOutput("")
      process.disband()
      process.end(exited(0))
      assert.strictEqual((yield* second.operations.wait(two.operation.id, Duration.seconds(30))).status, "completed")
    })
  )
})
