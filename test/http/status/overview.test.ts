/** /overview and /health: in time, whatever becomes of the parts, and rendered once for a crowd. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { OverviewAnswer } from "../../../src/http/api/status/Overview.ts"
import { makeOverviewHandlers, type OverviewHandlerServices } from "../../../src/http/status/overviewHandlers.ts"
import type { SmiReading } from "../../../src/services/gpus/Gpus.ts"
import { ToolFailed, ToolMissing, ToolTimeout } from "../../../src/services/tools/Tool.ts"
import type { UnitReading } from "../../../src/services/units/Units.ts"
import { request } from "../edge/support.ts"
import { changeableConfig, overviewEdge, question, running, smiReading, unitsReading } from "./support.ts"

const toml = '[units]\nweb = "web.service"\nbatch = { unit = "batch.service", oneshot_ok = true }\n'

interface Parts {
  readonly units?: Partial<OverviewHandlerServices["units"]>
  readonly gpus?: Partial<OverviewHandlerServices["gpus"]>
  readonly degraded?: () => string | undefined
}

const make = Effect.fnUntraced(function* ({ degraded = () => undefined, gpus, units }: Parts = {}) {
  const { change, config } = yield* changeableConfig(toml)
  const never = Effect.die(new Error("not to be asked"))
  const handlers = makeOverviewHandlers({
    clock: yield* Clock.Clock,
    config,
    units: { read: never, peek: () => undefined, ...units },
    gpus: { smi: () => never, peekSmi: () => undefined, ...gpus },
    instance: { version: "1.2.3", uptimeSeconds: Effect.succeed(17) },
    log: { degraded }
  })
  return { ...(yield* overviewEdge(handlers)), change }
})

const decode = Schema.decodeEffect(Schema.fromJsonString(OverviewAnswer))

const exited = { ...running, active_state: "inactive", sub_state: "dead", main_pid: "0", exit_code: "1" }
const well = unitsReading({ web: running, batch: exited })
const wellGpu = smiReading(0)

describe("GET /overview", () => {
  it.effect("has the contract's members in its order, and is ok when all is well", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 10, 22, 14, 0, 0, 120))
      const { ask } = yield* make({ units: { peek: () => well }, gpus: { peekSmi: () => wellGpu } })
      const { headers, status, text } = yield* ask("/overview")
      assert.deepStrictEqual([status, headers["content-type"]], [200, "application/json"])
      const body: Record<string, unknown> = JSON.parse(text)
      assert.deepStrictEqual(Object.keys(body), ["status", "services", "gpu", "timestamp"])
      assert.strictEqual(body["timestamp"], "2026-11-22T14:00:00.120000+00:00")
      const { gpu, services, status: whole } = yield* decode(text)
      assert.deepStrictEqual(
        [whole, gpu.status, services.map(({ healthy, service }) => [service.id, healthy])],
        [
          "ok",
          "ok",
          [
            ["web", true],
            ["batch", true]
          ]
        ]
      )
      assert.deepStrictEqual(Object.keys(Object(Object(body["services"])[0])).slice(0, 4), [
        "service",
        "status",
        "healthy",
        "error"
      ])
    })
  )

  it.effect("is degraded by any part, and never an error", () =>
    Effect.gen(function* () {
      const failed = unitsReading({ web: { ...running, active_state: "failed", sub_state: "failed" }, batch: exited })
      const timeout = new ToolTimeout({ command: "nvidia-smi" })
      const parts: ReadonlyArray<readonly [string, Parts]> = [
        ["a unit", { units: { read: Effect.succeed(failed) }, gpus: { smi: () => Effect.succeed(wellGpu) } }],
        [
          "a unit that systemctl does not know of",
          {
            units: { read: Effect.succeed(unitsReading({ web: running })) },
            gpus: { smi: () => Effect.succeed(wellGpu) }
          }
        ],
        [
          "no systemctl",
          {
            units: { read: Effect.fail(new ToolMissing({ binary: "systemctl" })) },
            gpus: { smi: () => Effect.succeed(wellGpu) }
          }
        ],
        [
          "units of which nothing new is known",
          {
            units: {
              read: Effect.succeed({
                ...well,
                stale: true,
                error: new ToolFailed({ command: "systemctl", exit_code: 1 })
              })
            },
            gpus: { smi: () => Effect.succeed(wellGpu) }
          }
        ],
        ["the GPUs", { units: { read: Effect.succeed(well) }, gpus: { smi: () => Effect.succeed(smiReading(9)) } }],
        [
          "no nvidia-smi",
          {
            units: { read: Effect.succeed(well) },
            gpus: { smi: () => Effect.fail(new ToolMissing({ binary: "nvidia-smi" })) }
          }
        ],
        [
          "GPUs of which nothing new is known",
          {
            units: { read: Effect.succeed(well) },
            gpus: { smi: () => Effect.succeed({ ...wellGpu, stale: true, error: timeout }) }
          }
        ]
      ]
      for (const [what, part] of parts) {
        const { ask } = yield* make(part)
        const { status, text } = yield* ask("/overview")
        assert.strictEqual(status, 200, what)
        const answer = yield* decode(text)
        assert.strictEqual(answer.status, "degraded", what)
        assert.strictEqual(answer.services.length, 2, what)
        if (what === "no nvidia-smi") {
          assert.deepStrictEqual(
            [answer.gpu.status, answer.gpu.error, answer.gpu.exit_code],
            ["error", { error: "missing_binary", binary: "nvidia-smi" }, null]
          )
        }
        if (what === "no systemctl") {
          for (const { error, healthy, status: state } of answer.services) {
            assert.deepStrictEqual(
              [state, healthy, error],
              [null, false, { error: "missing_binary", binary: "systemctl" }]
            )
          }
        }
      }
    })
  )

  it.effect("answers by its deadline with what is there, when a probe never does", () =>
    Effect.gen(function* () {
      const gpu = question<SmiReading>()
      const { ask } = yield* make({ units: { read: Effect.succeed(well) }, gpus: { smi: () => gpu.ask } })
      const asked = yield* Effect.forkChild(ask("/overview"), { startImmediately: true })
      yield* TestClock.adjust(10_000)
      assert.isUndefined(asked.pollUnsafe())
      yield* TestClock.adjust(100)
      const { gpu: shown, services, status } = yield* decode((yield* Fiber.join(asked)).text)
      assert.deepStrictEqual(
        [status, shown.error, services.map(({ healthy }) => healthy)],
        ["degraded", { error: "timeout", command: "nvidia-smi" }, [true, true]]
      )
    })
  )

  it.effect("asks both parts at once", () =>
    Effect.gen(function* () {
      const units = question<UnitReading>()
      const gpu = question<SmiReading>()
      const { ask } = yield* make({ units: { read: units.ask }, gpus: { smi: () => gpu.ask } })
      const asked = yield* Effect.forkChild(ask("/overview"), { startImmediately: true })
      assert.deepStrictEqual([units.asked(), gpu.asked()], [1, 1])
      yield* Deferred.succeed(gpu.answer, wellGpu)
      yield* Deferred.succeed(units.answer, well)
      assert.strictEqual((yield* decode((yield* Fiber.join(asked)).text)).status, "ok")
    })
  )

  it.effect("is done when it is asked for while both parts are fresh, and rendered once for a crowd", () =>
    Effect.gen(function* () {
      let units = well
      let gpu = wellGpu
      const { app, ask, change } = yield* make({ units: { peek: () => units }, gpus: { peekSmi: () => gpu } })
      assert.isTrue(Exit.isExit(app(request("/overview", {}))), "no fiber is needed")
      const bodyOf = Effect.map(ask("/overview"), ({ response }) => response.body)
      const first = yield* bodyOf
      units = { ...well, ageMs: 50 }
      assert.strictEqual(yield* bodyOf, first, "the same reading")
      yield* TestClock.adjust(101)
      const second = yield* bodyOf
      assert.notStrictEqual(second, first, "ages are told anew")
      gpu = smiReading(9)
      const third = yield* ask("/overview")
      assert.strictEqual((yield* decode(third.text)).status, "degraded", "another reading is shown at once")
      yield* change('[units]\nother = "other.service"\n')
      const fourth = yield* decode((yield* ask("/overview")).text)
      assert.deepStrictEqual(
        fourth.services.map(({ service }) => service.id),
        ["other"],
        "and other units"
      )
    })
  )
})

describe("GET /health", () => {
  it.effect("is ok, and 503 in another word while events cannot be stored", () =>
    Effect.gen(function* () {
      let degraded: string | undefined
      const { ask } = yield* make({ degraded: () => degraded })
      const whole = yield* ask("/health")
      assert.deepStrictEqual(
        [whole.status, whole.text],
        [200, '{"status":"ok","version":"1.2.3","uptime_seconds":17}\n']
      )
      degraded = "no space left on device"
      const { status, text } = yield* ask("/health")
      assert.deepStrictEqual(
        [status, JSON.parse(text)],
        [503, { status: "unhealthy", version: "1.2.3", uptime_seconds: 17 }]
      )
    })
  )

  it.effect("is one of the paths whose errors are told as the original does", () =>
    Effect.gen(function* () {
      const { ask } = yield* make()
      const told = Effect.fnUntraced(function* (url: string, method: string) {
        const { headers, status, text } = yield* ask(url, { method })
        return [status, JSON.parse(text), headers["allow"]]
      })
      assert.deepStrictEqual(yield* told("/health", "POST"), [
        405,
        { detail: "Method Not Allowed" },
        "GET, HEAD, OPTIONS"
      ])
      assert.deepStrictEqual(yield* told("/nowhere", "GET"), [404, { detail: "Not Found" }, undefined])
      assert.deepStrictEqual(yield* told("/v1/users", "GET"), [404, { detail: "Not Found" }, undefined])
    })
  )
})
