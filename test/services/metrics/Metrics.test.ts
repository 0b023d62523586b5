import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Metrics } from "../../../src/services/metrics/Metrics.ts"

const linesWith = (text: string, start: string) => text.split("\n").filter((line) => line.startsWith(start))

describe("Metrics", () => {
  it.effect("counts requests by route and status, and how long they took", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      metrics.observeRequest("/counted/:name", 200, 3)
      metrics.observeRequest("/counted/:name", 200, 700)
      metrics.observeRequest("/counted/:name", 404, 1)
      const text = yield* metrics.render
      assert.deepStrictEqual(linesWith(text, 'systemapi_http_requests_total{route="/counted/:name"'), [
        'systemapi_http_requests_total{route="/counted/:name",status="200"} 2',
        'systemapi_http_requests_total{route="/counted/:name",status="404"} 1'
      ])
      const seconds = linesWith(text, "systemapi_http_request_seconds").filter((line) => line.includes("/counted/"))
      assert.include(seconds.join("\n"), 'le="0.001"} 1')
      assert.include(seconds.join("\n"), 'le="0.005"} 2')
      assert.include(seconds.join("\n"), 'le="2"} 3')
      assert.include(seconds.join("\n"), "_count")
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("asks the samplers whenever somebody looks", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      let depth = 1
      yield* metrics.register(() => [
        { name: "test_depth", help: "How deep", value: depth, labels: { actor: "A" } },
        { name: "test_plain", help: "Without labels", value: depth * 10 }
      ])
      assert.include(yield* metrics.render, 'test_depth{actor="A"} 1')
      depth = 2
      const text = yield* metrics.render
      assert.deepStrictEqual(linesWith(text, "test_depth"), ['test_depth{actor="A"} 2'])
      assert.deepStrictEqual(linesWith(text, "test_plain"), ["test_plain 20"])
      assert.include(text, "# HELP test_depth How deep")
      assert.include(text, "# TYPE process_cpu_seconds_total counter")
      assert.include(text, "# TYPE test_depth gauge")
      assert.match(text, /^process_resident_memory_bytes \d+$/mu)
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("shows what is counted elsewhere as counters: the total, however often somebody looks", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      let lost = 3
      yield* metrics.register(
        Effect.sync(() => [
          { name: "test_lost_total", help: "Lost", kind: "counter", value: lost, labels: { of: "A" } },
          { name: "test_lost_total", help: "Lost", kind: "counter", value: lost * 2, labels: { of: "B" } }
        ])
      )
      yield* metrics.sample
      yield* metrics.sample
      lost = 5
      const text = yield* metrics.render
      assert.deepStrictEqual(linesWith(text, "test_lost_total"), [
        'test_lost_total{of="A"} 5',
        'test_lost_total{of="B"} 10'
      ])
      assert.include(text, "# TYPE test_lost_total counter")
      lost = 1
      assert.include(yield* metrics.render, 'test_lost_total{of="A"} 5')
      lost = 7
      assert.include(yield* metrics.render, 'test_lost_total{of="A"} 7')
      assert.match(text, /^# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total [\d.]+$/mu)
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("shows a count that a part keeps as a counter, which never goes back", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      let lines = 5
      yield* metrics.register(
        Effect.sync(() => [{ name: "test_lines_total", help: "Lines", kind: "counter" as const, value: lines }])
      )
      const shown = Effect.map(metrics.render, (text) => linesWith(text, "test_lines_total").join())
      assert.strictEqual(yield* shown, "test_lines_total 5")
      lines = 12
      assert.strictEqual(yield* shown, "test_lines_total 12")
      lines = 3
      assert.strictEqual(yield* shown, "test_lines_total 12")
    }).pipe(Effect.provide(Metrics.layer))
  )
})
