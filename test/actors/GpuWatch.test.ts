import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as EventStore from "../../src/actors/EventStore.ts"
import * as GpuWatch from "../../src/actors/GpuWatch.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { Gpus, type GpuSurvey, type Judgement, type Xid } from "../../src/services/gpus/Gpus.ts"
import { StorageFull } from "../../src/services/storage/EventStorage.ts"
import { ToolTimeout, type ToolError } from "../../src/services/tools/Tool.ts"
import { type FakeStorage, makeFakeStorage } from "../harness/FakeStorage.ts"
import { makeKillable, ways } from "../harness/killable.ts"
import { gpuSeen } from "../services/gpus/readings.ts"
import { configOf } from "../services/gpus/support.ts"

const well: Judgement = { verdict: "ok", reasons: [] }
const lost: Judgement = { verdict: "failed", reasons: [{ code: "lost", message: "the driver has lost it" }] }
const hot: Judgement = { verdict: "degraded", reasons: [{ code: "thermal_slowdown", message: "it is too hot" }] }

const xidOf = (cursor: string, number = 79): Xid => ({
  cursor,
  at: 1_800_000_000_000,
  number,
  pciBusId: "0000:1a:00",
  severity: number === 79 ? "critical" : "application",
  meaning: "fell off",
  text: "pid=1"
})

interface Told {
  readonly gpus?: ReadonlyArray<Judgement>
  readonly driver?: Judgement
  readonly xids?: ReadonlyArray<Xid> | null
}

const surveyOf = ({ driver = well, gpus = [well, well], xids = [] }: Told): GpuSurvey => ({
  verdict: "ok",
  driver,
  driverVersion: "570",
  gpus: gpus.map((judgement, index) => ({
    ...gpuSeen,
    index,
    uuid: `GPU-${index}`,
    pciBusId: `00000000:${(25 + index).toString(16)}:00.0`,
    ...judgement
  })),
  xids,
  xidsError: xids === null ? "may not be read" : null,
  readAt: 0,
  ageMs: 0,
  stale: false,
  error: undefined
})

const begin = Effect.fnUntraced(function* (
  options: { readonly storage?: FakeStorage; readonly toml?: string; readonly isThere?: () => boolean } = {}
) {
  const storage = options.storage ?? makeFakeStorage()
  const killable = yield* makeKillable
  const looked = yield* Queue.unbounded<void>()
  let told: Effect.Effect<GpuSurvey, ToolError> = Effect.succeed(surveyOf({}))
  const { get } = yield* configOf(options.toml)
  const gpus = Layer.mock(Gpus, {
    isThere: Effect.sync(options.isThere ?? (() => true)),
    peekSmi: () => undefined,
    survey: Effect.andThen(
      Queue.offer(looked, undefined),
      Effect.suspend(() => told)
    )
  })
  const scope = yield* Scope.fork(yield* Effect.scope)
  const log = EventStore.layer({ recent: { events: 100, bytes: 1024 * 1024 } }).pipe(Layer.provide(storage.layer))
  const context = yield* Layer.buildWithScope(
    Layer.fresh(
      GpuWatch.layer.pipe(
        Layer.provideMerge(Layer.mergeAll(log, gpus, CurrentConfig.layer(get()))),
        Layer.provide(killable.layer)
      )
    ),
    scope
  )
  const events = Context.get(context, EventLog)
  /** The next look and all that comes of it: it is over when the one behind it begins. */
  const look = Effect.fnUntraced(function* (change: Effect.Effect<GpuSurvey, ToolError>) {
    const before = storage.events.length
    told = change
    for (let n = 0; n < 2; n++) {
      yield* TestClock.adjust("1 minute")
      yield* Queue.take(looked)
    }
    return storage.events.slice(before)
  })
  return {
    ...killable,
    storage,
    events,
    looked,
    look: (change: Told) => look(Effect.succeed(surveyOf(change))),
    fails: (error: ToolError) => look(Effect.fail(error)),
    stop: Scope.close(scope, Exit.void)
  }
})

const shown = (events: FakeStorage["events"]) =>
  events.map(({ level, message, source }) => `${source} ${level} ${message}`)

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

describe("a GPU", () => {
  it.effect("is told of when it is no longer as it was, once", () =>
    Effect.gen(function* () {
      const { look } = yield* begin()
      assert.deepStrictEqual(shown(yield* look({})), [], "all is well")
      const failed = yield* look({ gpus: [well, lost] })
      assert.deepStrictEqual(shown(failed), ["gpu:1 error GPU 1 (NVIDIA H200) failed: the driver has lost it"])
      assert.deepStrictEqual(JSON.parse(failed[0]?.fields ?? ""), {
        event: "gpu",
        gpu: 1,
        uuid: "GPU-1",
        pci_bus_id: "00000000:1a:00.0",
        from: "ok",
        to: "failed",
        reasons: ["lost"]
      })
      assert.deepStrictEqual(shown(yield* look({ gpus: [well, lost] })), [])
      assert.deepStrictEqual(shown(yield* look({ gpus: [hot, hot] })), [
        "gpu:0 warning GPU 0 (NVIDIA H200) is degraded: it is too hot",
        "gpu:1 warning GPU 1 (NVIDIA H200) is degraded: it is too hot"
      ])
      assert.deepStrictEqual(shown(yield* look({ gpus: [well, hot] })), [
        "gpu:0 info GPU 0 (NVIDIA H200) is well again"
      ])
    })
  )
  it.effect("is told of at the next look where the store is full", () =>
    Effect.gen(function* () {
      const { look, storage } = yield* begin()
      storage.beforeStore = Effect.fail(new StorageFull({ reason: "full" }))
      assert.deepStrictEqual(shown(yield* look({ gpus: [lost] })), [])
      storage.beforeStore = Effect.void
      const told = yield* look({ gpus: [lost] })
      // The store tells of itself too.
      assert.deepStrictEqual(
        told.map(({ source }) => source).filter((source) => source !== "daemon"),
        ["gpu:0"]
      )
    }).pipe(quiet)
  )
})

it.effect("GPUs that cannot be asked are told of as a whole", () =>
  Effect.gen(function* () {
    const { fails, look } = yield* begin()
    const error = new ToolTimeout({ command: "nvidia-smi" })
    assert.deepStrictEqual(shown(yield* fails(error)), ["gpu error the GPUs failed: nvidia-smi did not answer in time"])
    assert.deepStrictEqual(shown(yield* fails(error)), [])
    assert.deepStrictEqual(shown(yield* look({})), ["gpu info the GPUs are well again"])
  })
)

describe("an Xid", () => {
  it.effect("is told of once, also over a restart", () =>
    Effect.gen(function* () {
      const first = yield* begin()
      const told = yield* first.look({ xids: [xidOf("a"), xidOf("b", 13)] })
      assert.deepStrictEqual(shown(told), [
        "gpu:1 error GPU 1 has Xid 79 (fell off): pid=1",
        "gpu:1 info GPU 1 has Xid 13 (fell off): pid=1"
      ])
      assert.deepInclude(JSON.parse(told[0]?.fields ?? ""), {
        event: "xid",
        xid: 79,
        gpu: 1,
        at: "2027-01-15T08:00:00.000Z"
      })
      assert.deepStrictEqual(shown(yield* first.look({ xids: [xidOf("a"), xidOf("b", 13)] })), [])
      yield* first.stop
      const { look } = yield* begin({ storage: first.storage })
      assert.deepStrictEqual(shown(yield* look({ xids: [xidOf("b", 13)] })), [])
      assert.strictEqual((yield* look({ xids: [xidOf("b", 13), xidOf("c")] })).length, 1)
      assert.strictEqual((yield* look({ xids: [xidOf("d")] })).length, 1, "what was told is no longer in the journal")
    })
  )
  it.effect("is told of when the kernel's log can be read again", () =>
    Effect.gen(function* () {
      const { look } = yield* begin()
      assert.deepStrictEqual(shown(yield* look({ xids: null })), [])
      assert.strictEqual((yield* look({ xids: [xidOf("a")] })).length, 1)
    }).pipe(quiet)
  )
})

describe("nobody is asked", () => {
  it.effect("where there is no nvidia-smi, which is looked for again", () =>
    Effect.gen(function* () {
      let there = false
      const found = yield* Queue.unbounded<void>()
      const isThere = () => {
        Queue.offerUnsafe(found, undefined)
        return there
      }
      const { looked } = yield* begin({ isThere })
      yield* TestClock.adjust("1 minute")
      yield* Queue.take(found)
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(yield* Queue.size(found), 0)
      there = true
      yield* TestClock.adjust("1 minute")
      yield* Queue.take(looked)
    })
  )
  it.effect("where the interval is 0", () =>
    Effect.gen(function* () {
      const { looked } = yield* begin({ toml: "watch_interval_ms = 0\n" })
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Queue.size(looked), 0)
    })
  )
})

it.effect.each(ways)("killed by %s, it is back, and tells nothing twice", (way) =>
  Effect.gen(function* () {
    const { crash, look } = yield* begin()
    assert.strictEqual((yield* look({ gpus: [lost], xids: [xidOf("a")] })).length, 2)
    assert.strictEqual((yield* crash("GpuWatch", way)).restarts, 1)
    assert.deepStrictEqual(shown(yield* look({ gpus: [lost], xids: [xidOf("a")] })), [])
    assert.strictEqual((yield* look({ gpus: [well], xids: [xidOf("a")] })).length, 1)
  }).pipe(quiet)
)
