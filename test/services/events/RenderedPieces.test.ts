import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Event } from "../../../src/services/events/Event.ts"
import { RecentEvents } from "../../../src/services/events/RecentEvents.ts"
import { RenderedPieces } from "../../../src/services/events/RenderedPieces.ts"
import { runOf } from "../../harness/events.ts"

const kibibyte = 1024

const setUp = (window = 1_000_000) => {
  const recent = new RecentEvents({ events: window, bytes: 1024 * kibibyte * kibibyte }, 0)
  let rendered = 0
  const pieces = new RenderedPieces(recent, ({ message, seq }: Event) => {
    rendered += 1
    return `${seq}:${message}\n`
  })
  const push = (...messages: ReadonlyArray<string>) => recent.push({ ...runOf(messages), firstSeq: recent.last + 1 })
  const at = (seq: number) => {
    const piece = pieces.after(seq)
    return piece === undefined ? undefined : { text: Buffer.from(piece.bytes).toString(), last: piece.last }
  }
  /** All that comes after a cursor, as a client gets it, and the sizes of the pieces. */
  const drain = (from: number) => {
    const sizes: Array<number> = []
    let text = ""
    let cursor = from
    for (let piece = at(cursor); piece !== undefined; piece = at(cursor)) {
      assert.isAbove(piece.last, cursor)
      cursor = piece.last
      text += piece.text
      sizes.push(Buffer.byteLength(piece.text))
    }
    return { text, sizes, cursor }
  }
  return { recent, pieces, push, at, drain, rendered: () => rendered }
}

describe("RenderedPieces", () => {
  it("gives each follower what comes after its cursor, rendered once", () => {
    const { at, push, rendered } = setUp()
    push("a", "b")
    push("c")
    assert.deepStrictEqual(at(0), { text: "1:a\n2:b\n3:c\n", last: 3 })
    assert.deepStrictEqual(at(0), { text: "1:a\n2:b\n3:c\n", last: 3 })
    assert.deepStrictEqual(at(2), { text: "3:c\n", last: 3 })
    assert.isUndefined(at(3))
    push("d")
    assert.deepStrictEqual(at(3), { text: "4:d\n", last: 4 })
    assert.strictEqual(rendered(), 4)
  })

  it("begins where the first who asks is, and leaves who is before that to the log", () => {
    const { at, push, rendered } = setUp()
    push(...Array.from({ length: 1000 }, (_, i) => `${i + 1}`))
    assert.deepStrictEqual(at(999), { text: "1000:1000\n", last: 1000 })
    assert.strictEqual(rendered(), 1)
    assert.isUndefined(at(998))
    push("new")
    assert.deepStrictEqual(at(999), { text: "1000:1000\n", last: 1000 })
    assert.deepStrictEqual(at(1000), { text: "1001:new\n", last: 1001 })
  })

  it("does not change what a slow client was given", () => {
    const { pieces, push } = setUp()
    push("first")
    const held = pieces.after(0)
    const before = Buffer.from(held?.bytes ?? []).toString()
    for (let i = 0; i < 2000; i++) {
      push("x".repeat(kibibyte))
      pieces.after(i)
      pieces.after(i + 1)
    }
    assert.strictEqual(Buffer.from(held?.bytes ?? []).toString(), before)
    assert.isAtMost(held?.bytes.buffer.byteLength ?? 0, 64 * kibibyte)
  })

  it("renders a block at a time, and keeps a bounded number of them", () => {
    const { at, drain, push, rendered } = setUp()
    const message = "y".repeat(kibibyte)
    push(...Array.from({ length: 20_000 }, () => message))
    at(0)
    assert.isBelow(rendered(), 64)
    const { cursor, sizes } = drain(0)
    assert.strictEqual(cursor, 20_000)
    assert.isTrue(sizes.every((size) => size <= 64 * kibibyte))
    assert.isUndefined(at(0))
    assert.isDefined(at(20_000 - 1000))
  })

  it("takes events larger than a block", () => {
    const { drain, push } = setUp()
    const huge = "ü".repeat(100 * kibibyte)
    push("small", huge, huge, "small")
    assert.strictEqual(drain(0).text, `1:small\n2:${huge}\n3:${huge}\n4:small\n`)
  })

  it("leaves to the log what the window has lost meanwhile", () => {
    const { at, push, recent } = setUp(10)
    push("a")
    at(0)
    for (let i = 0; i < 100; i++) push("b")
    assert.isUndefined(at(1))
    assert.deepStrictEqual(at(recent.last - 1), { text: `${recent.last}:b\n`, last: recent.last })
  })

  it("forgets all when nobody follows", () => {
    const { at, pieces, push, rendered } = setUp()
    push("a", "b")
    at(0)
    pieces.clear()
    assert.isUndefined(at(2))
    push("c")
    assert.deepStrictEqual(at(2), { text: "3:c\n", last: 3 })
    assert.strictEqual(rendered(), 3)
  })

  it.effect.prop(
    "shows every follower the same log, however events and questions interleave",
    [Schema.Array(Schema.Tuple([Schema.Literals([1, 3, 50, 400]), Schema.Literals([0, 10, 700, 70_000])]))],
    ([bursts]) =>
      Effect.sync(() => {
        const { drain, push, recent } = setUp()
        let expected = ""
        let text = ""
        let cursor = 0
        for (const [count, size] of bursts) {
          const messages = Array.from({ length: size > 1000 ? 1 : count }, () => "é".repeat(size))
          for (const [i, message] of messages.entries()) expected += `${recent.last + 1 + i}:${message}\n`
          push(...messages)
          const seen = drain(cursor)
          text += seen.text
          cursor = seen.cursor
        }
        assert.strictEqual(cursor, recent.last)
        assert.isTrue(text === expected)
      })
  )
})
