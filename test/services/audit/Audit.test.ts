import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as EventStore from "../../../src/actors/EventStore.ts"
import { Supervisor } from "../../../src/actors/kernel/Supervisor.ts"
import { Audit } from "../../../src/services/audit/Audit.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { resolve } from "../../../src/services/config/resolve.ts"
import { EventLog } from "../../../src/services/events/EventLog.ts"
import { StorageFailed, StorageFull, StorageLost } from "../../../src/services/storage/EventStorage.ts"
import { entryOf, refusalOf } from "../../harness/auditEntries.ts"
import { type FakeStorage, makeFakeStorage } from "../../harness/FakeStorage.ts"

const configOf = (required: boolean) => {
  const { config } = resolve({}, {}, {})
  if (config === undefined) throw new Error("the defaults are wrong")
  return { ...config, audit: { ...config.audit, required } }
}

const start = Effect.fnUntraced(function* (
  options: { readonly storage?: FakeStorage; readonly required?: boolean } = {}
) {
  yield* TestClock.setTime(1_700_000_000_000)
  const storage = options.storage ?? makeFakeStorage()
  const scope = yield* Scope.fork(yield* Effect.scope)
  const layer = Audit.layer.pipe(
    Layer.provideMerge(EventStore.layer({ recent: { events: 100, bytes: 1024 * 1024 } })),
    Layer.provide(Supervisor.layer),
    Layer.provide(CurrentConfig.layer(configOf(options.required ?? false))),
    Layer.provide(storage.layer)
  )
  const context = yield* Effect.orDie(Layer.buildWithScope(Layer.fresh(layer), scope))
  const audit = Context.get(context, Audit)
  return {
    storage,
    audit,
    log: Context.get(context, EventLog),
    stop: Scope.close(scope, Exit.void),
    /** What the log has, in the words of its lines. */
    lines: () => storage.events.map(({ message }) => message),
    settle: audit.recorded
  }
})

const fieldsOf = (storage: FakeStorage, index: number): unknown => JSON.parse(storage.events.at(index)?.fields ?? "")

describe("an entry", () => {
  it.effect("becomes one event of level audit, with everything by name and always in the same order", () =>
    Effect.gen(function* () {
      const { audit, settle, storage } = yield* start()
      audit.record(
        entryOf({
          method: "POST",
          path: "/api/v1/actions/restart_web",
          status: 200,
          durationMs: 12.34567,
          justification: "ticket 7",
          credential: "jti-1"
        })
      )
      yield* settle
      const [event] = storage.events
      assert.deepInclude(event, {
        level: "audit",
        source: "daemon",
        who: "admin",
        message: "[audit] admin granted actions:run:restart_web POST /api/v1/actions/restart_web 200"
      })
      assert.strictEqual(
        event?.fields,
        '{"action":"request","outcome":"granted","who":"admin","kind":"user","address":"192.0.2.1",' +
          '"listener":"127.0.0.1:3535","request_id":"id-1","on":"actions:run:restart_web","method":"POST",' +
          '"path":"/api/v1/actions/restart_web","status":200,"duration_ms":12.346,"justification":"ticket 7",' +
          '"credential":"jti-1"}'
      )
    })
  )

  it.effect("of what callers chose is one line, bounded, whatever they chose", () =>
    Effect.gen(function* () {
      const { audit, settle, storage } = yield* start()
      audit.record(refusalOf({ path: `/a\n[audit] admin granted\u001b[2J${"x".repeat(5000)}`, detail: "\ud800" }))
      yield* settle
      const [event] = storage.events
      assert.isTrue([...(event?.message ?? "\n")].every((character) => character >= " "))
      assert.isBelow(event?.message.length ?? Infinity, 2500)
      assert.isBelow(event?.fields?.length ?? Infinity, 2500)
      assert.isTrue(event?.message.isWellFormed())
    })
  )

  it.effect("waits a moment for others to share its commit, unless somebody waits for it", () =>
    Effect.gen(function* () {
      const { audit, lines, settle } = yield* start()
      audit.record(entryOf({ action: "one", on: undefined }))
      yield* TestClock.adjust("9 millis")
      assert.deepStrictEqual(lines(), [])
      yield* settle
      assert.lengthOf(lines(), 1)
      audit.record(entryOf({ action: "two", on: undefined }))
      yield* TestClock.adjust("10 millis")
      yield* Effect.yieldNow
      assert.lengthOf(lines(), 2)
    })
  )

  it.effect("is told after those before it, and tells the time at which it was handed over", () =>
    Effect.gen(function* () {
      const { audit, lines, settle, storage } = yield* start()
      for (let i = 0; i < 600; i++) audit.record(entryOf({ action: `change ${i}`, on: undefined }))
      yield* TestClock.adjust("1 second")
      yield* settle
      assert.deepStrictEqual(
        lines(),
        Array.from({ length: 600 }, (_, i) => `[audit] admin granted change ${i}`)
      )
      assert.isTrue(storage.events.every(({ receivedAt }) => receivedAt === 1_700_000_000_000_000_000n))
      assert.deepStrictEqual(audit.stats(), { recorded: 600, summed: 0, failed: 0 })
    })
  )
})

describe("refusals", () => {
  it.effect("beyond the budget of a network are summed, exactly, by their reason", () =>
    Effect.gen(function* () {
      const { audit, lines, settle, storage } = yield* start()
      for (let i = 0; i < 1020; i++) audit.record(refusalOf())
      for (let i = 0; i < 7; i++) audit.record(refusalOf({ detail: "unknown user" }))
      audit.record(refusalOf({ address: "198.51.100.7" }))
      yield* settle
      assert.strictEqual(lines().length, 21)
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.deepStrictEqual(lines().slice(21), [
        "[audit] anonymous refused 401 1000 times: wrong password",
        "[audit] anonymous refused 401 7 times: unknown user"
      ])
      assert.deepInclude(fieldsOf(storage, 21), {
        count: 1000,
        address: "192.0.2.1",
        first_at: "2023-11-14T22:13:20.000Z",
        last_at: "2023-11-14T22:13:20.000Z"
      })
      assert.strictEqual(audit.stats().summed, 1007)
    })
  )

  it.effect("from everywhere take a bounded number of entries, and none goes uncounted", () =>
    Effect.gen(function* () {
      const { audit, settle, storage } = yield* start()
      for (let i = 0; i < 20_000; i++) {
        audit.record(refusalOf({ address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, detail: `name ${i}` }))
      }
      yield* TestClock.adjust("10 seconds")
      yield* settle
      assert.isBelow(storage.events.length, 500)
      const counted = storage.events.map((_, i) => {
        const fields = fieldsOf(storage, i)
        return typeof fields === "object" && fields !== null && "count" in fields ? Number(fields.count) : 1
      })
      assert.strictEqual(
        counted.reduce((sum, n) => sum + n, 0),
        20_000
      )
    })
  )

  it.effect("do not take the place of grants", () =>
    Effect.gen(function* () {
      const { audit, lines, settle } = yield* start()
      for (let i = 0; i < 5000; i++) audit.record(refusalOf())
      audit.record(entryOf())
      yield* settle
      assert.strictEqual(lines().at(-1), "[audit] admin granted actions:run:restart_web")
    })
  )

  it.effect("that are summed up are told at the stop", () =>
    Effect.gen(function* () {
      const { audit, lines, stop } = yield* start()
      for (let i = 0; i < 25; i++) audit.record(refusalOf())
      yield* stop
      assert.strictEqual(lines().at(-1), "[audit] anonymous refused 401 5 times: wrong password")
    })
  )
})

describe("a store that refuses", () => {
  it.effect("loses nothing that there is room for: it is told in order once the store takes it", () =>
    Effect.gen(function* () {
      const { audit, lines, storage } = yield* start()
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      audit.record(entryOf({ action: "first", on: undefined }))
      audit.record(entryOf({ action: "second", on: undefined }))
      yield* TestClock.adjust("3 seconds")
      assert.match(audit.degraded() ?? "", /no space left on device; 2 wait/u)
      storage.beforeStore = Effect.void
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(lines(), ["[audit] admin granted first", "[audit] admin granted second"])
      assert.isUndefined(audit.degraded())
    })
  )

  it.effect("for too long loses the newest, which is counted, degraded, and told afterwards", () =>
    Effect.gen(function* () {
      const { audit, lines, settle, storage } = yield* start()
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      for (let i = 0; i < 20_000; i++) audit.record(entryOf())
      const lost = audit.stats().failed
      yield* TestClock.adjust("2 seconds")
      const problem = audit.degraded()
      storage.beforeStore = Effect.void
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.isAbove(lost, 1000)
      assert.include(problem, `${lost} entries are lost`)
      assert.strictEqual(storage.events.length, 20_000 - lost + 1)
      assert.include(lines(), `[audit] anonymous failed audit.lost ${lost} times: entries were not recorded`)
      assert.isUndefined(audit.degraded())
      assert.deepStrictEqual(audit.stats(), { recorded: 20_000 - lost, summed: 0, failed: lost })
    })
  )

  for (const [what, wasStored] of [
    ["after it was stored", true],
    ["before it was stored", false]
  ] as const) {
    it.effect(`whose answer is lost ${what} has the entry once`, () =>
      Effect.gen(function* () {
        const { audit, lines, storage } = yield* start()
        const lost = Effect.fail(new StorageLost({ reason: "the storage worker ended" }))
        if (wasStored) storage.afterStore = lost
        else storage.beforeStore = lost
        audit.record(entryOf())
        audit.record(entryOf({ action: "second", on: undefined }))
        yield* TestClock.adjust("100 millis")
        storage.afterStore = Effect.void
        storage.beforeStore = Effect.void
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(lines(), [
          "[audit] admin granted actions:run:restart_web",
          "[audit] admin granted second"
        ])
        assert.deepStrictEqual(audit.stats(), { recorded: 2, summed: 0, failed: 0 })
      })
    )
  }
})

describe("before", () => {
  it.effect("lets what cannot be recorded happen, unless that is required", () =>
    Effect.gen(function* () {
      const { audit, storage } = yield* start()
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "no space left on device" }))
      yield* audit.before(entryOf())
      yield* TestClock.adjust("1 second")
      const problem = audit.degraded()
      storage.beforeStore = Effect.void
      yield* TestClock.adjust("1 second")
      assert.isDefined(problem)
    })
  )

  it.effect("succeeds once the entry is durable, where that is required", () =>
    Effect.gen(function* () {
      const { audit, lines, storage } = yield* start({ required: true })
      const gate = yield* Deferred.make<void>()
      storage.afterStore = Deferred.await(gate)
      const waiting = yield* Effect.forkChild(audit.before(entryOf()), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isUndefined(waiting.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(waiting)
      assert.strictEqual(lines().length, 1)
    })
  )

  for (const [fault, full] of [
    [new StorageFull({ reason: "no space left on device" }), true],
    [new StorageFailed({ reason: "disk I/O error" }), false]
  ] as const) {
    it.effect(`refuses what is not recorded, and does not record it later (${fault.reason})`, () =>
      Effect.gen(function* () {
        const { audit, lines, storage } = yield* start({ required: true })
        storage.beforeStore = Effect.fail(fault)
        const failed = yield* Effect.flip(audit.before(entryOf()))
        assert.deepStrictEqual([failed._tag, failed.full], ["AuditFailed", full])
        assert.include(failed.message, fault.reason)
        storage.beforeStore = Effect.void
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(
          lines().filter((line) => line.startsWith("[audit]")),
          []
        )
      })
    )
  }

  it.effect("gives up on a disk that answers nothing", () =>
    Effect.gen(function* () {
      const { audit, storage } = yield* start({ required: true })
      const gate = yield* Deferred.make<void>()
      storage.beforeStore = Deferred.await(gate)
      const waiting = yield* Effect.forkChild(Effect.flip(audit.before(entryOf())), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      assert.isFalse((yield* Fiber.join(waiting)).full)
      yield* Deferred.succeed(gate, undefined)
    })
  )
})

describe("readers", () => {
  it.effect("of the log are never shown an entry, unless they ask for audit entries", () =>
    Effect.gen(function* () {
      const { audit, log, settle } = yield* start()
      yield* log.record("before")
      audit.record(entryOf())
      yield* settle
      yield* log.record("after")
      const ask = (filters: object) =>
        Effect.map(
          log.query({ after: 0, before: Number.MAX_SAFE_INTEGER, order: "oldest-first", limit: 10, filters }),
          ({ events }) => events.map(({ seq }) => seq)
        )
      assert.deepStrictEqual(yield* ask({}), [1, 3])
      assert.deepStrictEqual(yield* ask({ source: "daemon" }), [1, 3])
      assert.deepStrictEqual(yield* ask({ levels: ["audit"] }), [2])
      assert.deepStrictEqual(yield* ask({ levels: ["audit", "info"] }), [1, 2, 3])
    })
  )

  it.effect("wait a second at most for what a slow disk has not taken", () =>
    Effect.gen(function* () {
      const { audit, settle, storage } = yield* start()
      const gate = yield* Deferred.make<void>()
      storage.beforeStore = Deferred.await(gate)
      audit.record(entryOf())
      const waiting = yield* Effect.forkChild(settle, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      yield* Deferred.succeed(gate, undefined)
    })
  )
})
