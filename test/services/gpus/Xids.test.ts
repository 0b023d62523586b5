import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { type Journal, type JournalEntry, JournalForbidden } from "../../../src/services/journal/Journal.ts"
import { makeXids, parseXid } from "../../../src/services/gpus/Xids.ts"
import { random } from "../../harness/random.ts"
import { configOf } from "./support.ts"

type Page = Journal["Service"]["page"]
type Asked = Parameters<Page>[0]

const entryOf = (cursor: string, message: string, atMs = 0): JournalEntry => ({
  cursor,
  realtimeUs: atMs * 1000,
  priority: 3,
  identifier: "kernel",
  pid: null,
  unit: null,
  hostname: "test",
  message
})

const parsed = (message: string) => parseXid(entryOf("c", message, 1500))

describe("a line of the kernel's log", () => {
  it("is an Xid by what is in it", () => {
    assert.deepStrictEqual(parsed("NVRM: Xid (PCI:0000:CB:00): 79, pid='<unknown>', name=<unknown>, off the bus"), {
      cursor: "c",
      at: 1500,
      number: 79,
      pciBusId: "0000:cb:00",
      severity: "critical",
      meaning: "the GPU fell off the bus: the machine reaches it no more",
      text: "pid='<unknown>', name=<unknown>, off the bus"
    })
    assert.strictEqual(parsed("NVRM: Xid (0000:03:00): 6, PE0001")?.pciBusId, "0000:03:00")
    assert.strictEqual(parsed("NVRM: Xid (PCI:0000:19:00.0): 31")?.text, "")
    assert.strictEqual(parsed("NVRM: Xid (PCI:0000:19:00): 31, a\nb")?.text, "a\nb")
    assert.isNull(parsed("NVRM: Xid (PCI:0000:19:00): 999, x")?.meaning)
    assert.strictEqual(parsed(`NVRM: Xid (PCI:0000:19:00): 31, ${"x".repeat(9999)}`)?.text.length, 500)
  })
  it.each([
    "",
    "NVRM: GPU at PCI:0000:19:00: GPU-0000",
    "NVRM: Xid (PCI:0000:19:00): , none",
    "NVRM: Xid (PCI:zz:19:00): 31",
    "NVRM: Xid (PCI:0000:19:00): 123456789"
  ])("is none: %j", (message) => assert.isUndefined(parsed(message)))
  it("is one or none, whatever it is", () => {
    const draw = random(13)
    const pieces = ["NVRM: Xid (", "PCI:", "0000:", "19:", "00", ".0", "): ", "31", ", ", "x", "\n", "\u0000", "):"]
    let found = 0
    for (let n = 0; n < 20_000; n++) {
      const message = pieces.filter(() => draw() < 0.85).join("")
      const xid = parsed(message)
      if (xid === undefined) continue
      found += 1
      assert.isTrue(Number.isSafeInteger(xid.number))
      assert.match(xid.pciBusId, /^[0-9a-f]+:[0-9a-f]+:[0-9a-f]+$/u)
    }
    assert.isAbove(found, 100)
  })
})

describe("the journal", () => {
  const begin = Effect.gen(function* () {
    const asked: Array<Asked> = []
    let answer: ReturnType<Page> = Effect.succeed({ entries: [], truncated: false })
    const page: Page = (query) =>
      Effect.suspend(() => {
        asked.push(query)
        return answer
      })
    const xids = yield* makeXids({ page }, yield* configOf())
    const read = Effect.map(xids.read, ({ value }) => value.map(({ cursor }) => cursor))
    const has = (...entries: ReadonlyArray<JournalEntry>) => {
      answer = Effect.succeed({ entries, truncated: false })
    }
    const fails = (error: JournalForbidden) => {
      answer = Effect.fail(error)
    }
    return { asked, read, has, fails }
  })
  const xid = (cursor: string) => entryOf(cursor, "NVRM: Xid (PCI:0000:19:00): 31, x")

  it.effect("is searched from the machine's start, then for what has come since, and wholly once an hour", () =>
    Effect.gen(function* () {
      const { asked, has, read } = yield* begin
      const start = 1_800_000_000_000
      yield* TestClock.setTime(start)
      has(xid("a"), entryOf("other", "NVRM: loading"), xid("b"))
      assert.deepStrictEqual(yield* read, ["a", "b"])
      assert.deepInclude(asked[0], { units: [], grep: "NVRM: Xid", lines: 200 })
      assert.isBelow(asked[0]?.since ?? start, start - 60_000)
      yield* TestClock.adjust("1 minute")
      has(xid("b"), xid("c"))
      assert.deepStrictEqual(yield* read, ["a", "b", "c"], "one that was found again is one")
      assert.isAtLeast(asked[1]?.since ?? 0, start - 300_000)
      yield* TestClock.adjust("1 hour")
      has(xid("c"))
      assert.deepStrictEqual(yield* read, ["c"], "what the journal has forgotten is forgotten")
      assert.strictEqual(asked.length, 3)
    })
  )
  it.effect("that may not be read says so", () =>
    Effect.gen(function* () {
      const { fails, read } = yield* begin
      fails(new JournalForbidden())
      assert.strictEqual((yield* Effect.flip(read))._tag, "JournalForbidden")
    })
  )
  it.effect("with many keeps the newest", () =>
    Effect.gen(function* () {
      const { has, read } = yield* begin
      has(...Array.from({ length: 150 }, (_, n) => xid(`a${n}`)))
      yield* read
      yield* TestClock.adjust("1 minute")
      has(...Array.from({ length: 150 }, (_, n) => xid(`b${n}`)))
      const cursors = yield* read
      assert.strictEqual(cursors.length, 200)
      assert.strictEqual(cursors.at(-1), "b149")
    })
  )
})
