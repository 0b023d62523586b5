import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Event } from "../../../src/services/events/Event.ts"
import { RecentEvents, type RecentLimits } from "../../../src/services/events/RecentEvents.ts"
import { runOf } from "../../harness/events.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Pushes run by run, numbered from 1; the text of an event is its seq. */
const filled = (limits: RecentLimits, ...runs: ReadonlyArray<number>) => {
  const recent = new RecentEvents(limits, 0)
  for (const count of runs) push(recent, count)
  return recent
}
const push = (recent: RecentEvents, count: number) => {
  const firstSeq = recent.last + 1
  recent.push({ ...runOf(Array.from({ length: count }, (_, i) => `${firstSeq + i}`)), firstSeq })
}
const seqs = (events: ReadonlyArray<Event> | undefined) => events?.map(({ seq }) => seq)
const eventsAfter = (recent: RecentEvents, seq: number, max: number, maxBytes?: number) =>
  recent.page(seq, Number.MAX_SAFE_INTEGER, max, maxBytes)?.events
const allAtHand = (recent: RecentEvents) => seqs(eventsAfter(recent, recent.first - 1, Number.POSITIVE_INFINITY))
const upTo = (first: number, last: number) => Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)

const roomy: RecentLimits = { events: 1000, bytes: 1_000_000 }

describe("RecentEvents", () => {
  it("starts empty, at the head it is given", () => {
    const recent = new RecentEvents(roomy, 41)
    assert.deepStrictEqual([recent.first, recent.last], [42, 41])
    assert.deepStrictEqual(eventsAfter(recent, 41, 10), [])
    assert.isUndefined(eventsAfter(recent, 40, 10))
    push(recent, 1)
    assert.deepStrictEqual(allAtHand(recent), [42])
  })

  it("refuses a run that does not follow", () => {
    const recent = filled(roomy, 3)
    for (const firstSeq of [3, 5]) {
      assert.throws(() => recent.push({ ...runOf(["x"]), firstSeq }), `event ${firstSeq} cannot follow event 3`)
    }
    recent.push({ ...runOf([]), firstSeq: 99 })
    assert.strictEqual(recent.last, 3)
  })

  it("keeps at least as many events as asked for, and drops whole runs only", () => {
    const recent = filled({ events: 5, bytes: 1_000_000 }, 4, 4, 4)
    assert.deepStrictEqual(allAtHand(recent), upTo(5, 12))
    push(recent, 5)
    assert.deepStrictEqual(allAtHand(recent), upTo(13, 17))
  })

  it("keeps within its bytes, but always the newest run", () => {
    const recent = new RecentEvents({ events: 1000, bytes: 500 }, 0)
    for (let i = 1; i <= 10; i++) recent.push({ ...runOf(["x".repeat(100)]), firstSeq: i })
    assert.deepStrictEqual(allAtHand(recent), [8, 9, 10])
    recent.push({ ...runOf(["x".repeat(5000)]), firstSeq: 11 })
    assert.deepStrictEqual(allAtHand(recent), [11])
  })

  it("gives no more at a time than weighs the bytes asked for, and one event at least", () => {
    const recent = new RecentEvents(roomy, 0)
    for (let i = 1; i <= 5; i++) recent.push({ ...runOf(["x".repeat(100)]), firstSeq: i })
    assert.deepStrictEqual(seqs(eventsAfter(recent, 0, 10, 250)), [1, 2, 3])
    assert.deepStrictEqual(seqs(eventsAfter(recent, 3, 10, 1)), [4])
  })

  it("goes on after what it could not see", () => {
    const recent = filled(roomy, 3)
    recent.skipTo(2)
    assert.deepStrictEqual(allAtHand(recent), [1, 2, 3])
    recent.skipTo(10)
    assert.deepStrictEqual([recent.first, recent.last], [11, 10])
    push(recent, 2)
    assert.deepStrictEqual(allAtHand(recent), [11, 12])
    assert.isUndefined(eventsAfter(recent, 3, 10))
  })

  const Step = Schema.Union([
    Schema.Struct({ do: Schema.Literal("push"), count: between(1, 7) }),
    Schema.Struct({ do: Schema.Literal("forget"), seq: between(0, 60) })
  ])

  it.effect.prop(
    "always is the gapless stretch the naive model says",
    [Schema.Array(Step).check(Schema.isMaxLength(40)), between(1, 12), between(0, 60), between(1, 20)],
    ([steps, events, after, max]) =>
      Effect.sync(() => {
        const recent = new RecentEvents({ events, bytes: 1_000_000 }, 0)
        let runs: Array<Array<number>> = []
        let head = 0
        for (const step of steps) {
          if (step.do === "push") {
            push(recent, step.count)
            runs.push(upTo(head + 1, head + step.count))
            head += step.count
            while (runs.flat().length - (runs[0]?.length ?? 0) >= events) runs.shift()
          } else {
            recent.forget(step.seq)
            runs = runs.map((run) => run.filter((seq) => seq > step.seq)).filter((run) => run.length > 0)
          }
          const model = runs.flat()
          assert.deepStrictEqual([recent.first, recent.last], [model[0] ?? head + 1, head])
          assert.deepStrictEqual(allAtHand(recent), model)
          const expected = after + 1 < recent.first ? undefined : model.filter((seq) => seq > after).slice(0, max)
          assert.deepStrictEqual(seqs(eventsAfter(recent, after, max)), expected)
        }
      }),
    { arbitrary: { runs: 100 } }
  )

  it("compacts what it dropped, after thousands of runs too", () => {
    const recent = filled({ events: 10, bytes: 1_000_000 }, ...Array.from({ length: 5000 }, () => 1))
    assert.deepStrictEqual(allAtHand(recent), upTo(4991, 5000))
    assert.deepStrictEqual(seqs(eventsAfter(recent, 4998, 10)), [4999, 5000])
  })
})
