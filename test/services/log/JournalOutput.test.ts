import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { JournalOutput } from "../../../src/services/log/JournalOutput.ts"
import type { Sent } from "../../../src/services/systemd/Datagrams.ts"
import { eventually } from "../../system/support.ts"

/** A journal that answers as it is told, and keeps what it takes. */
const makeJournal = () => {
  const taken: Array<string> = []
  const journal = {
    answer: ((): Sent => "sent") as (text: string) => Sent,
    taken,
    closed: 0,
    asked: 0,
    send: (message: Uint8Array): Sent => {
      const text = Buffer.from(message).toString()
      journal.asked += 1
      const answer = journal.answer(text)
      if (answer === "sent") taken.push(text)
      return answer
    },
    close: () => void (journal.closed += 1)
  }
  return { journal, output: new JournalOutput(journal, (dropped) => Buffer.from(`dropped ${dropped}`)) }
}

const idle = (output: JournalOutput) => Effect.callback<void>((resume) => output.whenIdle(() => resume(Effect.void)))

describe("lines for the journal", () => {
  it.live("all go, in order, and it is idle when they have", () =>
    Effect.gen(function* () {
      const { journal, output } = makeJournal()
      const lines = Array.from({ length: 1000 }, (_, n) => `line ${n}`)
      for (const line of lines) output.push(Buffer.from(line))
      yield* idle(output)
      assert.deepStrictEqual(journal.taken, lines)
      yield* idle(output)
    })
  )

  it.live.each(["full", "gone"] as const)(
    "wait for a journal that is %s, and are dropped and counted beyond a bound",
    (answer) =>
      Effect.gen(function* () {
        const { journal, output } = makeJournal()
        journal.answer = () => answer
        const mebibyte = Buffer.alloc(1024 * 1024, "x")
        for (let n = 0; n < 6; n++) output.push(mebibyte)
        assert.strictEqual(output.dropped, 2)
        yield* eventually(
          "it was asked",
          Effect.sync(() => journal.asked > 1)
        )
        assert.isFalse(output.refused)
        journal.answer = () => "sent"
        yield* idle(output)
        assert.deepStrictEqual(
          journal.taken.map((text) => (text.length > 100 ? "line" : text)),
          ["line", "line", "line", "line", "dropped 2"]
        )
        assert.strictEqual(output.dropped, 2)
      })
  )

  it.live("that it refuses are lost alone, until it has refused three in a row", () =>
    Effect.gen(function* () {
      const { journal, output } = makeJournal()
      journal.answer = (text) => (text === "bad" ? "failed" : "sent")
      for (const line of ["bad", "bad", "good", "bad", "bad"]) output.push(Buffer.from(line))
      yield* idle(output)
      assert.deepStrictEqual(journal.taken, ["good"])
      assert.strictEqual(output.dropped, 4)
      assert.isFalse(output.refused)
      output.push(Buffer.from("bad"))
      yield* idle(output)
      assert.isTrue(output.refused)
      output.close()
      assert.strictEqual(journal.closed, 1)
    })
  )
})
