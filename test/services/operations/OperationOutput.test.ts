import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { makeOwnOutput } from "../../../src/services/commands/LiveOutput.ts"
import type { LiveOutput, OutputSegment } from "../../../src/services/commands/OutputLog.ts"
import { emptyOutput, OperationOutput } from "../../../src/services/operations/OperationOutput.ts"

const limits = { headBytes: 64, tailBytes: 64 }

const textOf = (segments: ReadonlyArray<OutputSegment>) => Buffer.concat(segments.map(({ bytes }) => bytes)).toString()

/** Each byte at its place: what is read lies where it says. */
const readAll = Effect.fnUntraced(function* (output: LiveOutput, max: number) {
  let text = ""
  for (let from = 0; ;) {
    const part = yield* output.read(from, max)
    for (const { bytes, offset } of part.segments) {
      assert.strictEqual(offset, Buffer.byteLength(text))
      text += Buffer.from(bytes).toString()
    }
    from = part.next
    if (part.ended) return text
  }
})

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

describe("an operation's output", () => {
  it.effect("is what it says and what its command writes, in order, however it is read", () =>
    Effect.gen(function* () {
      const output = new OperationOutput(limits)
      const command = makeOwnOutput(limits)
      output.say("before")
      output.begin(command.live)
      command.write("stdout", Buffer.from("out "))
      command.write("stderr", Buffer.from("err\n"))
      output.say("meanwhile")
      output.finish(command.end().bytes)
      output.say("after")
      output.end()
      output.say("too late")
      const whole = "before\nout err\nmeanwhile\nafter\n"
      for (const max of [1, 3, 8, 1000]) assert.strictEqual(yield* readAll(output, max), whole)
      const kept = yield* output.snapshot
      assert.strictEqual(textOf(kept.segments), whole)
      assert.deepStrictEqual(
        [kept.bytes, kept.stdoutBytes, kept.stderrBytes, kept.sha256],
        [whole.length, whole.length - 4, 4, sha256(whole)]
      )
      assert.deepStrictEqual(
        kept.segments.map(({ offset }) => offset),
        [0, 7, 11, 15]
      )
    })
  )

  it.effect("waits for its reader's next byte across its parts, and for its end", () =>
    Effect.gen(function* () {
      const output = new OperationOutput(limits)
      const command = makeOwnOutput(limits)
      const reader = yield* Effect.forkChild(readAll(output, 1000))
      const waits = Effect.andThen(
        TestClock.adjust(0),
        Effect.sync(() => assert.isUndefined(reader.pollUnsafe()))
      )
      yield* waits
      output.begin(command.live)
      yield* waits
      command.write("stdout", Buffer.from("one\n"))
      output.finish(command.end().bytes)
      yield* waits
      output.say("two")
      yield* waits
      output.end()
      assert.strictEqual(yield* Fiber.join(reader), "one\ntwo\n")
    })
  )

  it.effect("of a command alone is the command's, hash included", () =>
    Effect.gen(function* () {
      const output = new OperationOutput(limits)
      const command = makeOwnOutput(limits)
      output.begin(command.live)
      command.write("stdout", Buffer.alloc(10_000, "x"))
      const kept = command.end()
      output.finish(kept.bytes)
      output.end()
      assert.deepStrictEqual(yield* output.snapshot, kept)
      assert.isTrue(kept.segments.reduce((sum, { bytes }) => sum + bytes.length, 0) < kept.bytes)
    })
  )

  it.effect("goes on behind what an earlier daemon has kept of it", () =>
    Effect.gen(function* () {
      const earlier = makeOwnOutput(limits)
      earlier.write("stdout", Buffer.from("half a li"))
      const output = new OperationOutput(limits, earlier.end())
      const command = makeOwnOutput(limits)
      output.begin(command.live)
      command.write("stdout", Buffer.from("a line\n"))
      output.finish(command.end().bytes)
      output.end()
      for (const max of [4, 1000]) assert.strictEqual(yield* readAll(output, max), "half a lia line\n")
      assert.strictEqual((yield* output.snapshot).sha256, sha256("half a lia line\n"))
    })
  )

  it.effect("that was never written is empty", () =>
    Effect.gen(function* () {
      const output = new OperationOutput(limits)
      output.end()
      assert.deepStrictEqual(yield* output.snapshot, emptyOutput)
      assert.strictEqual(yield* readAll(output, 10), "")
      assert.strictEqual(emptyOutput.sha256, sha256(""))
    })
  )
})
