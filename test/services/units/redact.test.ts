import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { redact } from "../../../src/services/units/redact.ts"
import { unitOf } from "./support.ts"

/** Backtracks for longer than anybody waits. */
const slow = "(a+)+b"
const attack = "a".repeat(64)
const withheld = "[withheld: redacting it took too long]"

const redacting = (patterns: ReadonlyArray<string>) => {
  const unit = unitOf({ redact: patterns })
  return (lines: ReadonlyArray<string>) => redact(unit, lines)
}

describe("redacting", () => {
  it.effect("takes every match of every pattern out, and leaves the rest as it is", () =>
    Effect.gen(function* () {
      const lines = yield* redacting([String.raw`password=\S+`, String.raw`\b\d{16}\b`])([
        "login password=hunter2 password=x ok",
        "card 1234567812345678.",
        "nothing to hide",
        ""
      ])
      assert.deepStrictEqual(lines, ["login [redacted] [redacted] ok", "card [redacted].", "nothing to hide", ""])
    })
  )

  it.effect("is nothing where there are no patterns", () =>
    Effect.gen(function* () {
      const lines = ["a", "b"]
      assert.strictEqual(yield* redacting([])(lines), lines)
    })
  )

  it.effect("an empty match hides nothing, and no group of a pattern comes back", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* redacting(["x*"])(["axxb"]), ["a[redacted]b"])
      assert.deepStrictEqual(yield* redacting(["token=(.*)"])(["token=$1 $&"]), ["[redacted]"])
    })
  )

  it.effect("goes through many lines, in turns of the loop", () =>
    Effect.gen(function* () {
      const lines = Array.from({ length: 20_000 }, (_, n) => `line ${n} secret-${n}`)
      const redacted = yield* redacting([String.raw`secret-\d+`])(lines)
      assert.strictEqual(redacted.length, lines.length)
      assert.isTrue(redacted.every((line, n) => line === `line ${n} [redacted]`))
    })
  )

  it.live("withholds a line that makes a pattern backtrack, shows the others, and lets the loop go on", () =>
    Effect.gen(function* () {
      const lines = ["a b aab", attack, "token=1", attack, "aaab"]
      const before = process.threadCpuUsage()
      const redacted = yield* redacting([slow, "token=1"])(lines)
      const { system, user } = process.threadCpuUsage(before)
      assert.deepStrictEqual(redacted, ["a b [redacted]", withheld, "[redacted]", withheld, "[redacted]"])
      assert.isBelow((system + user) / 1000, 1000)
    })
  )

  it.effect("withholds everything of a unit for a while once too much of it was slow", () =>
    Effect.gen(function* () {
      const lines = redacting([slow])
      const attacked = yield* lines([...Array.from({ length: 50 }, () => attack), "innocent"])
      assert.isTrue(attacked.every((line) => line === withheld))
      assert.deepStrictEqual(yield* lines(["innocent"]), [withheld])
      // Another unit's lines are not its own.
      assert.deepStrictEqual(yield* redacting([slow])(["innocent"]), ["innocent"])
      yield* TestClock.adjust("61 seconds")
      assert.deepStrictEqual(yield* lines(["innocent"]), ["innocent"])
    })
  )
})
