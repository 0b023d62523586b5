/** All that is known of the GPUs together, of an nvidia-smi that answers as a test says. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import type { RunResult } from "../../../src/services/commands/Executor.ts"
import { JournalForbidden } from "../../../src/services/journal/Journal.ts"
import { makeGpus } from "../../../src/services/gpus/makeGpus.ts"
import { answering, configOf, ended, makeFakeExecutor } from "./support.ts"

const noXids = { page: () => Effect.succeed({ entries: [], truncated: false }) }

interface Box {
  /** Indexes of the GPUs that are told of. */
  readonly gpus: ReadonlyArray<number>
  readonly cells?: (field: string, gpu: number) => string | undefined
  /** Fields that the driver does not know. */
  readonly unknown?: ReadonlyArray<string>
  readonly remapped?: string
  /** Instead of all that. */
  readonly instead?: RunResult
}

const bus = (gpu: number) => `00000000:${(25 + gpu).toString(16)}:00.0`

const answerOf =
  (box: () => Box) =>
  ([question = ""]: ReadonlyArray<string>): RunResult => {
    const { cells = () => undefined, gpus, instead, remapped, unknown = [] } = box()
    if (instead !== undefined) return instead
    if (question.startsWith("--query-remapped-rows=")) return ended(remapped === undefined ? 1 : 0, remapped ?? "")
    const fields = question.replace("--query-gpu=", "").split(",")
    const refused = fields.find((field) => unknown.includes(field))
    if (refused !== undefined) return ended(2, `Field "${refused}" is not a valid field to query.\n\n`)
    const usual = (field: string, gpu: number): string =>
      ({ index: String(gpu), uuid: `GPU-${gpu}`, "pci.bus_id": bus(gpu), name: "H200", driver_version: "570" })[
        field
      ] ?? "[N/A]"
    const rows = gpus.map((gpu) => fields.map((field) => cells(field, gpu) ?? usual(field, gpu)).join(", "))
    return ended(0, rows.map((row) => `${row}\n`).join(""))
  }

const begin = Effect.fnUntraced(function* (first: Box) {
  let box = first
  const { executor, runs } = answering(answerOf(() => box))
  const gpus = yield* makeGpus({ executor, config: yield* configOf(), journal: noXids })
  /** What is told once the answer before is no longer fresh. */
  const next = (change: Box) =>
    Effect.suspend(() => {
      box = change
      return Effect.andThen(TestClock.adjust("11 seconds"), gpus.survey)
    })
  return { gpus, runs, next }
})

const seen = ({ gpus }: { readonly gpus: ReadonlyArray<{ readonly index: number; readonly seen: string }> }) =>
  gpus.map(({ index, seen: how }) => `${index} ${how}`)

describe("fields that a driver does not know", () => {
  it.effect("are left out or asked by their older names, which is remembered", () =>
    Effect.gen(function* () {
      const unknown = ["temperature.memory", "clocks_event_reasons.hw_thermal_slowdown", "mig.mode.current"]
      const cells = (field: string) => (field === "clocks_throttle_reasons.hw_thermal_slowdown" ? "Active" : undefined)
      const box = { gpus: [0], unknown, cells }
      const { gpus, next, runs } = yield* begin(box)
      const survey = yield* gpus.survey
      assert.strictEqual(survey.gpus[0]?.memoryTemperature, null)
      assert.strictEqual(survey.gpus[0]?.hardwareSlowdown, true)
      assert.strictEqual(runs.length, 5, "three that are refused, one that is answered, one for remapped rows")
      yield* next(box)
      assert.strictEqual(runs.length, 6, "one, and no refused one")
    })
  )
  it.effect("end the question when the driver knows none of them", () =>
    Effect.gen(function* () {
      const { executor, runs } = answering(([question = ""]) => {
        const field = /=([^,]+)/u.exec(question)?.[1] ?? ""
        return ended(2, `Field "${field}" is not a valid field to query.`)
      })
      const gpus = yield* makeGpus({ executor, config: yield* configOf(), journal: noXids })
      const survey = yield* gpus.survey
      assert.strictEqual(survey.verdict, "failed")
      assert.isAtMost(runs.length, 40)
    })
  )
  it.effect("that were not asked for end it as well", () =>
    Effect.gen(function* () {
      const { gpus, runs } = yield* begin({
        gpus: [],
        instead: ended(2, 'Field "color" is not a valid field to query.')
      })
      assert.strictEqual((yield* gpus.survey).driver.reasons[0]?.code, "invalid_argument")
      assert.strictEqual(runs.length, 1)
    })
  )
})

describe("a GPU", () => {
  it.effect("that is no longer told of stays, failed, until it is back", () =>
    Effect.gen(function* () {
      const { gpus, next } = yield* begin({ gpus: [0, 1, 2] })
      assert.strictEqual((yield* gpus.survey).verdict, "ok")
      const without = yield* next({ gpus: [0, 2] })
      assert.deepStrictEqual(seen(without), ["0 now", "1 missing", "2 now"])
      assert.strictEqual(without.verdict, "failed")
      assert.strictEqual(without.gpus[1]?.uuid, "GPU-1")
      const back = yield* next({ gpus: [0, 1, 2] })
      assert.strictEqual(back.verdict, "ok")
    })
  )
  it.effect("that the driver names as lost is told apart from those that cannot be asked for it", () =>
    Effect.gen(function* () {
      const { gpus, next } = yield* begin({ gpus: [0, 1] })
      yield* gpus.survey
      const text = "Unable to determine the device handle for GPU0000:1A:00.0: GPU is lost.  Reboot the system\n"
      const lost = yield* next({ gpus: [], instead: ended(15, text) })
      assert.deepStrictEqual(seen(lost), ["0 unreadable", "1 lost"])
      assert.strictEqual(lost.gpus[0]?.verdict, "degraded")
      assert.strictEqual(lost.driver.reasons[0]?.code, "lost")
      assert.isFalse(lost.stale)
    })
  )
  it.effect("has its remapped rows by its UUID, asked for once in five minutes", () =>
    Effect.gen(function* () {
      const box = { gpus: [0, 1], remapped: "GPU-0, 0, 0, No, No\nGPU-1, 0, 1, Yes, No\ntrouble\n" }
      const { gpus, next, runs } = yield* begin(box)
      const survey = yield* gpus.survey
      assert.deepStrictEqual(survey.gpus[1]?.remapped, { corrected: 0, uncorrected: 1, pending: true, failed: false })
      assert.strictEqual(survey.gpus[1]?.verdict, "degraded")
      yield* next(box)
      assert.strictEqual(runs.length, 3)
      yield* TestClock.adjust("5 minutes")
      yield* next(box)
      assert.strictEqual(runs.length, 5)
    })
  )
  it.effect("that fails to tell something is degraded", () =>
    Effect.gen(function* () {
      const cells = (field: string, gpu: number) =>
        field === "power.draw" && gpu === 1 ? "[Unknown Error]" : undefined
      const survey = yield* (yield* begin({ gpus: [0, 1], cells })).gpus.survey
      assert.deepStrictEqual(
        survey.gpus.map(({ verdict }) => verdict),
        ["ok", "degraded"]
      )
      assert.include(survey.gpus[1]?.reasons[0]?.message, "power.draw: [Unknown Error]")
    })
  )
})

describe("what was said before", () => {
  it.effect("is said again, marked, where there is no answer; other questions are answered at once", () =>
    Effect.gen(function* () {
      const fake = yield* makeFakeExecutor
      const gpus = yield* makeGpus({ executor: fake.executor, config: yield* configOf(), journal: noXids })
      const all = { detail: false, gpu: "all" } as const
      const first = yield* Effect.forkChild(gpus.smi(all), { startImmediately: true })
      yield* (yield* fake.next).end(Effect.succeed(ended(0, "well\n")))
      assert.isFalse((yield* Fiber.join(first)).stale)
      assert.strictEqual(gpus.peekSmi(all)?.value.stdout, "well\n")
      yield* TestClock.adjust("11 seconds")
      assert.isUndefined(gpus.peekSmi(all))
      const second = yield* Effect.forkChild(gpus.smi(all), { startImmediately: true })
      yield* fake.next
      yield* TestClock.adjust("10 seconds")
      const stale = yield* Fiber.join(second)
      assert.deepInclude(stale, { stale: true, ageMs: 21_000 })
      assert.strictEqual(stale.value.stdout, "well\n")
      yield* TestClock.adjust("1 second")
      // From here on nothing waits for time to pass.
      assert.isTrue((yield* gpus.smi(all)).stale)
      assert.strictEqual((yield* Effect.flip(gpus.smi({ detail: true, gpu: 3 })))._tag, "ToolTimeout")
      assert.strictEqual((yield* Effect.flip(gpus.survey))._tag, "ToolTimeout")
      assert.deepStrictEqual(fake.counted(), { started: 2, most: 1 })
    })
  )
  it.effect("is kept of forty questions, whatever is asked, and one nvidia-smi runs for all", () =>
    Effect.gen(function* () {
      const { executor, runs } = answering(() => ended(6, "No devices were found\n"))
      const gpus = yield* makeGpus({ executor, config: yield* configOf(), journal: noXids })
      for (let gpu = 0; gpu < 200; gpu++) yield* gpus.smi({ detail: false, gpu })
      const kept = Array.from({ length: 200 }, (_, gpu) => gpus.peekSmi({ detail: false, gpu })).filter(
        (reading) => reading !== undefined
      )
      assert.strictEqual(kept.length, 40)
      assert.isDefined(gpus.peekSmi({ detail: false, gpu: 199 }))
      assert.strictEqual(runs.length, 200)
      yield* Effect.all(
        Array.from({ length: 500 }, () => gpus.smi({ detail: true, gpu: "all" })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(runs.length, 201)
    })
  )
  it.effect("is kept up to a bound of text", () =>
    Effect.gen(function* () {
      const { executor } = answering(() => ended(0, "x".repeat(1024 * 1024)))
      const gpus = yield* makeGpus({ executor, config: yield* configOf(), journal: noXids })
      for (let gpu = 0; gpu < 30; gpu++) yield* gpus.smi({ detail: true, gpu })
      const kept = Array.from({ length: 30 }, (_, gpu) => gpus.peekSmi({ detail: true, gpu })).filter(
        (reading) => reading !== undefined
      )
      assert.strictEqual(kept.length, 16)
    })
  )
})

it.effect("a kernel's log that may not be read costs the Xids and nothing else", () =>
  Effect.gen(function* () {
    const { executor } = answering(answerOf(() => ({ gpus: [0] })))
    const journal = { page: () => Effect.fail(new JournalForbidden()) }
    const survey = yield* (yield* makeGpus({ executor, config: yield* configOf(), journal })).survey
    assert.strictEqual(survey.verdict, "ok")
    assert.strictEqual(survey.xids, null)
    assert.match(survey.xidsError ?? "", /journal/u)
  })
)
