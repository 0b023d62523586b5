import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RecentEvents } from "../../../src/services/events/RecentEvents.ts"
import { RenderedTail } from "../../../src/services/events/RenderedTail.ts"
import { textLine } from "../../../src/services/events/render.ts"
import { runOf } from "../../harness/events.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString())

const make = (maxEvents: number, options: { readonly maxBytes?: number; readonly recentEvents?: number } = {}) => {
  const recent = new RecentEvents({ events: options.recentEvents ?? 10_000, bytes: 100_000_000 }, 0)
  let firstStored = 1
  let rendered = 0
  const tail = new RenderedTail(recent, {
    maxEvents,
    maxBytes: options.maxBytes ?? 100_000_000,
    firstStored: () => firstStored,
    render: (receivedAt, message) => {
      rendered += 1
      return textLine(receivedAt, message)
    }
  })
  const all: Array<string> = []
  return {
    tail,
    recent,
    rendered: () => rendered,
    push: (...messages: ReadonlyArray<string>) => {
      recent.push({ ...runOf(messages), firstSeq: recent.last + 1 })
      all.push(...messages)
    },
    forget: (through: number) => {
      firstStored = Math.max(firstStored, Math.min(through, recent.last) + 1)
      recent.forget(through)
    },
    /** The newest events, rendered from scratch. */
    expected: () =>
      all
        .slice(Math.max(firstStored - 1, all.length - maxEvents))
        .map((message) => textLine(0n, message))
        .join("")
  }
}

describe("RenderedTail", () => {
  const Step = Schema.Union([
    Schema.Struct({
      do: Schema.Literal("push"),
      lengths: Schema.Array(between(0, 9000)).check(Schema.isMinLength(1), Schema.isMaxLength(12))
    }),
    Schema.Struct({ do: Schema.Literal("forget"), seq: between(0, 120) }),
    Schema.Struct({ do: Schema.Literal("look") })
  ])

  it.effect.prop(
    "at any moment is what rendering from scratch gives, and bytes handed out never change",
    [Schema.Array(Step).check(Schema.isMaxLength(40)), between(1, 30)],
    ([steps, maxEvents]) =>
      Effect.sync(() => {
        const { expected, forget, push, tail } = make(maxEvents)
        const handedOut: Array<readonly [Uint8Array, string]> = []
        for (const step of steps) {
          if (step.do === "push") push(...step.lengths.map((length, i) => `${i % 3 === 0 ? "é" : "x"}`.repeat(length)))
          else if (step.do === "forget") forget(step.seq)
          else {
            const bytes = tail.bytes()
            assert.strictEqual(text(bytes), expected())
            if (bytes !== undefined) handedOut.push([bytes, expected()])
          }
        }
        assert.strictEqual(text(tail.bytes()), expected())
        for (const [bytes, was] of handedOut) assert.strictEqual(text(bytes), was)
      }),
    { arbitrary: { runs: 60 } }
  )

  it("renders each event once, however often it is asked for", () => {
    const { push, rendered, tail } = make(100)
    for (let i = 0; i < 50; i++) {
      push(`event ${i}`)
      tail.bytes()
      tail.bytes()
    }
    assert.strictEqual(rendered(), 50)
    assert.strictEqual(tail.last, 50)
  })

  it("does not render what nobody will see", () => {
    const { expected, push, rendered, tail } = make(10)
    tail.bytes()
    push(...Array.from({ length: 5000 }, (_, i) => `${i}`))
    assert.strictEqual(text(tail.bytes()), expected())
    assert.strictEqual(rendered(), 10)
  })

  it("is absent when the newest events are not all in memory, and there again when they are", () => {
    const { expected, push, tail } = make(10, { recentEvents: 5 })
    for (let i = 0; i < 20; i++) push(`${i}`)
    assert.isUndefined(tail.bytes())
    push(...Array.from({ length: 12 }, (_, i) => `run ${i}`))
    assert.strictEqual(text(tail.bytes()), expected())
  })

  it("is absent while its events are larger than its bytes", () => {
    const { expected, push, tail } = make(3, { maxBytes: 200 })
    push("x".repeat(300))
    assert.isUndefined(tail.bytes())
    push("a", "b", "c")
    assert.strictEqual(text(tail.bytes()), expected())
  })

  it("keeps what a slow client holds while thousands of events come", () => {
    const { expected, push, tail } = make(100)
    push("first")
    const held = tail.bytes()
    const was = expected()
    for (let i = 0; i < 3000; i++) {
      push("x".repeat(100))
      tail.bytes()
    }
    assert.strictEqual(text(held), was)
    assert.strictEqual(text(tail.bytes()), expected())
  })
})
