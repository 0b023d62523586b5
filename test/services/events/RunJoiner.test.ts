import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type EventRun, timeAt } from "../../../src/services/events/Event.ts"
import { RunJoiner } from "../../../src/services/events/RunJoiner.ts"
import { DrawnRuns, runOf, toRun } from "../../harness/events.ts"

const joined = (runs: ReadonlyArray<EventRun>): ReadonlyArray<EventRun> => {
  const joiner = new RunJoiner()
  for (const run of runs) joiner.add(run)
  return joiner.runs
}

const eventsOf = (runs: ReadonlyArray<EventRun>) =>
  runs.flatMap((run) => {
    const { messages, offsets: _, ...shared } = run
    return messages.map((message, i) => ({ ...shared, receivedAt: timeAt(run, i), message }))
  })

const at = (receivedAt: bigint, message: string, shared: Partial<EventRun> = {}) =>
  runOf([message], { receivedAt, ...shared })
const counts = (runs: ReadonlyArray<EventRun>) => runs.map(({ messages }) => messages.length)
const day = 24n * 60n * 60n * 1_000_000_000n

describe("RunJoiner", () => {
  it.effect.prop("holds the same events in the same order, and changes no run it was given", [DrawnRuns], ([drawn]) =>
    Effect.sync(() => {
      const runs = drawn.map(toRun)
      const before = structuredClone(runs)
      assert.deepStrictEqual(eventsOf(joined(runs)), eventsOf(before))
      assert.deepStrictEqual(runs, before)
    })
  )

  it("joins what differs in message and time only, to the nanosecond, whichever way the clock goes", () => {
    const start = 1_795_320_651_650_123_457n
    const runs = joined([at(start, "a"), at(start, "b"), at(start + 1n, "c"), at(start - 3n * day, "d")])
    assert.deepStrictEqual(counts(runs), [4])
    assert.deepStrictEqual(
      eventsOf(runs).map(({ receivedAt }) => receivedAt),
      [start, start, start + 1n, start - 3n * day]
    )
  })

  it("has no offsets where there is one time only", () => {
    assert.isUndefined(joined([at(5n, "a"), at(5n, "b")])[0]?.offsets)
  })

  it("keeps apart what differs otherwise, and times too far from each other to be exact", () => {
    for (const other of [{ source: "else" }, { who: "admin" }, { level: "error" as const }, { fields: "{}" }]) {
      assert.deepStrictEqual(counts(joined([at(1n, "a"), at(1n, "b", other), at(1n, "c")])), [1, 1, 1])
    }
    assert.deepStrictEqual(counts(joined([at(0n, "a"), at(60n * day, "b"), at(60n * day, "c")])), [1, 2])
  })

  it("passes large runs and runs with times of their own on, and leaves out empty ones", () => {
    const large = runOf(Array.from({ length: 64 }, (_, i) => `${i}`))
    const timed = runOf(["a", "b"], { offsets: [0, 9] })
    const runs = joined([runOf([]), at(0n, "x"), large, at(0n, "y"), timed, runOf([]), at(0n, "z")])
    assert.deepStrictEqual(counts(runs), [1, 64, 1, 2, 1])
    assert.strictEqual(runs[1], large)
    assert.strictEqual(runs[3], timed)
  })

  it("ends a joined run at its number of events and at its weight", () => {
    assert.deepStrictEqual(counts(joined(Array.from({ length: 3000 }, () => at(0n, "x")))), [2048, 952])
    assert.deepStrictEqual(counts(joined(Array.from({ length: 6 }, () => at(0n, "x".repeat(100_000))))), [3, 3])
  })
})
