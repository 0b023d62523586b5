import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Event, type EventRun, levels, timeAt } from "../../../src/services/events/Event.ts"
import {
  type EventPage,
  type EventQuery,
  pageRowsMax,
  type SeekQuery
} from "../../../src/services/events/EventQuery.ts"
import type { RetainLimits } from "../../../src/services/events/EventLog.ts"
import { EventTable } from "../../../src/services/storage/EventTable.ts"
import { openStore } from "../../../src/services/storage/openStore.ts"
import { toPage, toScanRange, toWire } from "../../../src/services/storage/wire.ts"
import { DrawnQuery, DrawnRuns, queryOf, runOf, toQuery, toRun } from "../../harness/events.ts"
import { naiveRetain, naiveScan, naiveSeek } from "../../harness/FakeStorage.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { faultWhen } from "./faultWhen.ts"

/** A store in a file of its own; `startAt` is the seq the first event gets. */
const openTable = Effect.fnUntraced(function* (startAt = 1) {
  const folder = yield* temporaryFolder
  const db = yield* Effect.acquireRelease(
    Effect.sync(() => openStore(folder)),
    (open) => Effect.sync(() => void (open.isOpen && open.close()))
  )
  db.exec("PRAGMA synchronous = OFF")
  db.prepare("UPDATE log_state SET removed_through = ?").run(startAt - 1)
  return { db, folder, table: new EventTable(db) }
})

const append = (table: EventTable, runs: ReadonlyArray<EventRun>) => table.append(toWire(runs)).range

const scan = (table: EventTable, query: EventQuery): EventPage => toPage(table.scan(toScanRange(query)))

/** Pages until there is nothing left, or the limit is reached. */
const scanAll = (table: EventTable, query: EventQuery): ReadonlyArray<Event> => {
  const events: Array<Event> = []
  let { after, before } = query
  for (;;) {
    const page = scan(table, { ...query, after, before, limit: query.limit - events.length })
    events.push(...page.events)
    if (page.done || events.length >= query.limit) return events
    if (query.order === "oldest-first") after = page.through
    else before = page.through
  }
}

/** What the log holds after these appends, from the first seq on. */
const modelOf = (runs: ReadonlyArray<EventRun>, first = 1): ReadonlyArray<Event> =>
  runs
    .flatMap((run) => {
      const { messages, offsets: _, ...shared } = run
      return messages.map((message, i) => ({ ...shared, receivedAt: timeAt(run, i), message }))
    })
    .map((event, i) => ({ ...event, seq: first + i }))

const count = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

const DrawnLimits = Schema.Struct({ maxCount: count(30), age: count(21), auditCount: count(8), auditAge: count(21) })

const toLimits = ({ age, auditAge, auditCount, maxCount }: typeof DrawnLimits.Type): RetainLimits => ({
  maxCount,
  maxBytes: 0,
  receivedBefore: BigInt(age) * 1_000_000_000n,
  audit: { maxCount: auditCount, receivedBefore: auditAge === 0 ? null : BigInt(auditAge) * 1_000_000_000n }
})

const DrawnSeek = Schema.Struct({ newestFirst: Schema.Boolean, count: count(9), after: count(40), before: count(60) })

const toSeek = ({ after, before, count: wanted, newestFirst }: typeof DrawnSeek.Type): SeekQuery => ({
  after,
  before,
  order: newestFirst ? "newest-first" : "oldest-first",
  count: wanted + 1
})

const none: RetainLimits = { maxCount: 0, maxBytes: 0, receivedBefore: null }

describe("scan", () => {
  it.effect.prop(
    "finds what the naive model finds, in the same order, page by page",
    [DrawnRuns, Schema.Array(DrawnQuery).check(Schema.isMinLength(1), Schema.isMaxLength(8))],
    ([drawnRuns, drawnQueries]) =>
      Effect.gen(function* () {
        const { table } = yield* openTable()
        const runs = drawnRuns.map(toRun)
        append(table, runs)
        const model = modelOf(runs)
        const bounds = { first: 1, last: model.length }
        for (const query of drawnQueries.map(toQuery)) {
          const page = scan(table, query)
          const expected = naiveScan(model, bounds, query)
          assert.deepStrictEqual(page.events, expected.events)
          if (page.done) assert.deepStrictEqual(scanAll(table, query), page.events)
          else assert.strictEqual(page.through, expected.through)
        }
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect("goes on from `through` until everything was looked at, whatever one page may hold", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      const messages = Array.from({ length: 3 * pageRowsMax }, (_, i) => (i % 5000 === 0 ? `rare ${i}` : "common"))
      append(table, [runOf(messages)])
      for (const order of ["oldest-first", "newest-first"] as const) {
        const query = queryOf({ order, filters: { terms: ["RARE"] } })
        const first = scan(table, query)
        assert.isFalse(first.done)
        assert.isBelow(first.events.length, 5)
        const found = scanAll(table, query).map(({ message }) => message)
        const expected = messages.filter((message) => message !== "common")
        assert.deepStrictEqual(order === "oldest-first" ? found : found.toReversed(), expected)
      }
    })
  )

  it.effect("cuts a page at its bytes", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      append(table, [runOf(Array.from({ length: 10 }, (_, i) => `${i}`.repeat(80 * 1024)))])
      const page = scan(table, queryOf())
      assert.strictEqual(page.events.length, 4)
      assert.isFalse(page.done)
      assert.strictEqual(page.through, 4)
      assert.strictEqual(scanAll(table, queryOf()).length, 10)
    })
  )

  it.effect("finds text behind a NUL, and takes wildcards of SQL for what they are", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      const messages = [
        "a\u0000needle",
        "100% sure",
        "100 percent",
        "under_score",
        "underXscore",
        "back\\slash",
        "Straße É"
      ]
      append(table, [runOf(messages)])
      const find = (...terms: ReadonlyArray<string>) =>
        scan(table, queryOf({ filters: { terms } })).events.map(({ message }) => message)
      assert.deepStrictEqual(find("NEEDLE"), ["a\u0000needle"])
      assert.deepStrictEqual(find("\u0000"), ["a\u0000needle"])
      assert.deepStrictEqual(find("100%"), ["100% sure"])
      assert.deepStrictEqual(find("r_s"), ["under_score"])
      assert.deepStrictEqual(find("\\"), ["back\\slash"])
      assert.deepStrictEqual(find("straße", "É"), ["Straße É"])
      assert.deepStrictEqual(find("é"), [])
      assert.deepStrictEqual(find(), messages)
    })
  )

  it.effect("keeps every character of text and fields", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      const messages = [
        "",
        "\u0000",
        "a\u0000b\u0000",
        "\u{10ffff}𝄞é",
        "line\nbreak\r\t",
        "\ufffd",
        "'; DROP TABLE events; --"
      ]
      const run = runOf(messages, { fields: '{"k":"\\u0000 \\ud800"}', who: "o'admin", source: "pipe:ü" })
      append(table, [run])
      assert.deepStrictEqual(scan(table, queryOf()).events, modelOf([run]))
    })
  )

  it.effect("skips blocks by time and misses nothing, though the clock stepped both ways", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      const second = 1_000_000_000n
      const runs = [100, 101, 5000, 102, 3, 103, 104].map((at, i) =>
        runOf(
          Array.from({ length: 4096 }, (_, n) => `${i}:${n}`),
          { receivedAt: BigInt(at) * second }
        )
      )
      append(table, runs)
      const model = modelOf(runs)
      const cases = [
        [3n, 4n],
        [100n, 102n],
        [103n, 6000n],
        [4999n, 5001n],
        [0n, 3n],
        [6000n, 7000n]
      ] as const
      for (const order of ["oldest-first", "newest-first"] as const) {
        for (const [since, until] of cases) {
          const query = queryOf({ order, limit: 100_000, filters: { since: since * second, until: until * second } })
          const expected = naiveScan(model, { first: 1, last: model.length }, query).events
          assert.deepStrictEqual(
            scanAll(table, query).map(({ seq }) => seq),
            expected.map(({ seq }) => seq)
          )
        }
      }
    })
  )

  it.effect("knows the time of every event to the nanosecond, and of every block, however the events came", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable(4000)
      const start = 1_795_320_651_650_123_457n
      const second = 1_000_000_000
      const texts = (count: number) => Array.from({ length: count }, (_, i) => `${i}`)
      const offsets = Array.from({ length: 10_000 }, (_, i) => (i === 7000 ? -40 * 86_400 * second : i * second + 1))
      const runs = [
        runOf(texts(10_000), { receivedAt: start, offsets }),
        ...texts(200).map((text, i) =>
          runOf([text], { receivedAt: start - BigInt(i * second), level: i % 2 === 0 ? "info" : "error" })
        )
      ]
      append(table, runs)
      const model = modelOf(runs, 4000)
      assert.deepStrictEqual(scanAll(table, queryOf({ limit: 20_000 })), model)
      const found = (filters: EventQuery["filters"]) =>
        scanAll(table, queryOf({ limit: 20_000, filters })).map(({ seq }) => seq)
      assert.deepStrictEqual(found({ until: start - BigInt(86_400 * second) }), [11_000])
      assert.deepStrictEqual(found({ since: start + BigInt(9998 * second) + 1n }), [13_998, 13_999])
      assert.deepStrictEqual(
        found({ since: start - BigInt(199 * second), until: start - BigInt(197 * second) }),
        [14_198, 14_199]
      )
    })
  )

  it.effect("looks at no row when no block can hold what is asked for", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      append(table, [runOf(Array.from({ length: 3 * pageRowsMax }, () => "x"))])
      const page = scan(table, queryOf({ filters: { since: 1n } }))
      assert.deepStrictEqual(page, { events: [], through: 3 * pageRowsMax, done: true })
    })
  )

  it.effect("works on beyond 2^31 events", () =>
    Effect.gen(function* () {
      const start = 2 ** 31 - 5000
      const { table } = yield* openTable(start)
      const runs = [1n, 2n, 3n].map((receivedAt) =>
        runOf(
          Array.from({ length: 4096 }, () => "x"),
          { receivedAt }
        )
      )
      for (const run of runs) append(table, [run])
      for (const order of ["oldest-first", "newest-first"] as const) {
        for (const since of [1n, 2n, 3n]) {
          const found = scanAll(table, queryOf({ order, limit: 100_000, filters: { since } }))
          assert.strictEqual(found.length, (4 - Number(since)) * 4096)
        }
      }
      const retained = table.retain({ ...none, receivedBefore: 3n })
      assert.deepStrictEqual(retained.removed, { first: start, last: start + 4999 })
      assert.isTrue(retained.more)
      table.retain({ ...none, receivedBefore: 3n })
      assert.strictEqual(table.state().first, start + 2 * 4096)
      assert.strictEqual(scanAll(table, queryOf({ limit: 100_000, filters: { since: 1n } })).length, 4096)
    })
  )
})

describe("append", () => {
  it.effect("gives seqs without a gap, over a reopened store too", () =>
    Effect.gen(function* () {
      const { db, folder, table } = yield* openTable()
      assert.deepStrictEqual(append(table, [runOf(["a", "b"]), runOf(["c"])]), { first: 1, last: 3 })
      assert.deepStrictEqual(append(table, [runOf(["d"])]), { first: 4, last: 4 })
      assert.deepStrictEqual(append(table, []), { first: 5, last: 4 })
      db.close()
      const again = openStore(folder)
      const reopened = new EventTable(again)
      assert.deepStrictEqual(append(reopened, [runOf(["e"])]), { first: 5, last: 5 })
      assert.deepStrictEqual(
        scan(reopened, queryOf()).events.map(({ message }) => message),
        ["a", "b", "c", "d", "e"]
      )
      again.close()
    })
  )

  it.effect("stores all of a transaction or nothing, and heals when there is room again", () =>
    Effect.gen(function* () {
      const { db, table } = yield* openTable()
      append(table, [runOf(["before"])])
      const pages = Number(db.prepare("PRAGMA page_count").get()?.["page_count"])
      db.exec(`PRAGMA max_page_count = ${pages + 2}`)
      const big = runOf(["x".repeat(100_000)])
      const fault = faultWhen(() => append(table, [runOf(["small"]), big]))
      assert.deepStrictEqual(fault, { kind: "full", reason: "no space left on device" })
      assert.strictEqual(table.state().last, 1)
      assert.strictEqual(scan(table, queryOf()).events.length, 1)
      db.exec("PRAGMA max_page_count = 100000")
      assert.deepStrictEqual(append(table, [runOf(["small"]), big]), { first: 2, last: 3 })
    })
  )

  it.effect("on a store that is read-only is refused, and reads go on", () =>
    Effect.gen(function* () {
      const { db, table } = yield* openTable()
      append(table, [runOf(["before"])])
      db.exec("PRAGMA query_only = 1")
      for (const write of [() => append(table, [runOf(["x"])]), () => table.retain({ ...none, maxBytes: 1 })]) {
        assert.deepStrictEqual(faultWhen(write), { kind: "full", reason: "the store is read-only" })
      }
      assert.strictEqual(scan(table, queryOf()).events.length, 1)
      db.exec("PRAGMA query_only = 0")
      assert.deepStrictEqual(append(table, [runOf(["after"])]), { first: 2, last: 2 })
    })
  )
})

describe("fields", () => {
  it.effect("of audit entries are compared as texts, whatever is in them", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      const values = ["a", "ab", 'a"b', "a\\", "%", "é", "", "a\u0000b", 7, null, ["a"]]
      for (const [i, value] of values.entries()) {
        append(table, [runOf([`${i}`], { level: "audit", fields: JSON.stringify({ other: "a", on: value }) })])
      }
      append(table, [runOf(["no fields"], { level: "audit" })])
      const model = scanAll(table, queryOf({ filters: { levels: ["audit"] } }))
      for (const text of ["a", "ab", 'a"', 'a"b', "a\\", "%", "é", "", "7", "other"]) {
        for (const isPrefix of [true, false]) {
          const query = queryOf({ filters: { levels: ["audit"], fields: [{ name: "on", text, isPrefix }] } })
          const expected = naiveScan(model, { first: 1, last: model.length }, query).events
          assert.deepStrictEqual(scanAll(table, query), expected, `${text} ${isPrefix}`)
        }
      }
    })
  )
})

describe("retain", () => {
  it.effect("by count removes the oldest in slices, and remembers how far", () =>
    Effect.gen(function* () {
      const { db, folder, table } = yield* openTable()
      append(table, [runOf(Array.from({ length: 12_000 }, (_, i) => `${i + 1}`))])
      const limits = { ...none, maxCount: 500 }
      const steps = [table.retain(limits), table.retain(limits), table.retain(limits), table.retain(limits)]
      assert.deepStrictEqual(
        steps.map(({ first, more, removed, removedThrough }) => [
          removed?.first,
          removed?.last,
          first,
          removedThrough,
          more
        ]),
        [
          [1, 5000, 5001, 5000, true],
          [5001, 10_000, 10_001, 10_000, true],
          [10_001, 11_500, 11_501, 11_500, false],
          [undefined, undefined, 11_501, 11_500, false]
        ]
      )
      assert.strictEqual(scan(table, queryOf({ limit: 1 })).events[0]?.message, "11501")
      db.close()
      const again = openStore(folder)
      const { first, last, removedThrough } = new EventTable(again).state()
      assert.deepStrictEqual([first, last, removedThrough], [11_501, 12_000, 11_500])
      again.close()
    })
  )

  it.effect("that removed everything leaves the seqs going on after a reopen", () =>
    Effect.gen(function* () {
      const { db, folder, table } = yield* openTable()
      append(table, [runOf(["a", "b", "c"])])
      table.retain({ ...none, receivedBefore: 1n })
      assert.deepStrictEqual(
        { ...table.state(), bytes: 0 },
        { tag: "state", first: 4, last: 3, removedThrough: 3, hidden: 0, bytes: 0 }
      )
      db.close()
      const again = openStore(folder)
      const reopened = new EventTable(again)
      assert.deepStrictEqual(
        { ...reopened.state(), bytes: 0 },
        { tag: "state", first: 4, last: 3, removedThrough: 3, hidden: 0, bytes: 0 }
      )
      assert.deepStrictEqual(append(reopened, [runOf(["d"])]), { first: 4, last: 4 })
      again.close()
    })
  )

  it.effect("by age keeps the first event that is young enough and all after it, whatever their clocks said", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      for (const receivedAt of [1n, 2n, 9n, 3n, 10n]) append(table, [runOf(["x"], { receivedAt })])
      assert.isNull(table.retain({ ...none, receivedBefore: 1n }).removed)
      assert.deepStrictEqual(table.retain({ ...none, receivedBefore: 4n }).removed, { first: 1, last: 2 })
      assert.isNull(table.retain({ ...none, receivedBefore: 4n }).removed)
      assert.deepStrictEqual(table.retain({ ...none, receivedBefore: 10n }).removed, { first: 3, last: 4 })
      assert.deepStrictEqual(table.retain({ ...none, receivedBefore: 11n }).removed, { first: 5, last: 5 })
    })
  )

  it.effect("by bytes removes about what is over, not a slice of thousands", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      for (let i = 0; i < 64; i++) append(table, [runOf(["x".repeat(64 * 1024)])])
      const limits = { ...none, maxBytes: 2 * 1024 * 1024 }
      for (let more = true; more;) ({ more } = table.retain(limits))
      const { bytes, first, last } = table.state()
      assert.isAtMost(bytes, limits.maxBytes)
      assert.isAtLeast(last - first + 1, 28)
    })
  )

  it.effect.prop(
    "by count and age together removes the same as the naive model, of audit entries too, and counts what is shown",
    [
      DrawnRuns,
      Schema.Array(DrawnLimits).check(Schema.isMinLength(1), Schema.isMaxLength(4)),
      Schema.Array(DrawnSeek).check(Schema.isMaxLength(6))
    ],
    ([drawn, drawnLimits, seeks]) =>
      Effect.gen(function* () {
        const { db, folder, table } = yield* openTable()
        const runs = drawn.map(toRun)
        for (const run of runs) append(table, [run])
        const last = modelOf(runs).length
        let model = modelOf(runs)
        let removedThrough = 0
        for (const limits of drawnLimits.map(toLimits)) {
          const { auditRemoved, removed } = table.retain(limits)
          const expected = naiveRetain(model, last, 0, limits, Number.POSITIVE_INFINITY)
          model = model.filter(({ seq }) => !expected.gone.has(seq))
          removedThrough = expected.through ?? removedThrough
          assert.deepStrictEqual([removed?.last, auditRemoved], [expected.through, expected.auditRemoved])
          assert.deepStrictEqual(scanAll(table, queryOf({ filters: { levels } })), model)
          const shown = model.filter(({ level }) => level !== "audit")
          assert.deepStrictEqual(scanAll(table, queryOf()), shown)
          const state = { last, removedThrough, hidden: last - removedThrough - shown.length }
          assert.deepInclude(table.state(), state)
          for (const query of seeks.map(toSeek)) {
            const { found, through } = table.seek(query)
            const naive = naiveSeek(model, query)
            assert.strictEqual(found, naive.found)
            if (naive.found === query.count) assert.strictEqual(through, naive.through)
          }
          const reader = openStore(folder)
          assert.deepInclude(new EventTable(reader).state(), state)
          reader.close()
        }
        db.close()
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect("keeps audit entries, however many other events there are, and the others, however many of those", () =>
    Effect.gen(function* () {
      const { table } = yield* openTable()
      for (let i = 0; i < 20; i++) {
        append(table, [runOf(["asked"], { level: "audit" }), runOf(Array.from({ length: 1000 }, () => "line"))])
      }
      const limits = { ...none, maxCount: 500, audit: { maxCount: 15, receivedBefore: null } }
      for (let more = true; more;) ({ more } = table.retain(limits))
      assert.strictEqual(scanAll(table, queryOf({ filters: { levels: ["audit"] } })).length, 15)
      assert.strictEqual(scanAll(table, queryOf()).length, 500)
      append(table, [
        runOf(
          Array.from({ length: 30_000 }, () => "asked"),
          { level: "audit" }
        )
      ])
      for (let more = true; more;) ({ more } = table.retain(limits))
      assert.strictEqual(scanAll(table, queryOf({ filters: { levels: ["audit"] } })).length, 15)
      assert.strictEqual(scanAll(table, queryOf()).length, 500)
    })
  )

  it.effect("never takes the newest event for its age, from which the next is counted", () =>
    Effect.gen(function* () {
      const { db, folder, table } = yield* openTable()
      append(table, [runOf(["a", "b", "c"], { level: "audit" })])
      const limits = { ...none, audit: { maxCount: 0, receivedBefore: 1n } }
      assert.strictEqual(table.retain(limits).auditRemoved, 2)
      db.close()
      const again = openStore(folder)
      assert.deepStrictEqual(append(new EventTable(again), [runOf(["d"])]), { first: 4, last: 4 })
      again.close()
    })
  )
})
