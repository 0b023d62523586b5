/**
 * The daemon's metrics, in Effect's registry: `/metrics` renders it for Prometheus, OTLP exports it.
 *
 * What happens is counted where it happens; what merely is (depths, sizes, memory) is sampled when somebody looks, by
 * samplers that the parts register. Series are bounded: labels are configured names and route patterns, never what a
 * caller sent.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { formatUnsafe } from "effect/observability/PrometheusMetrics"

/** Names and values at this moment; labels are part of the sample. */
export interface Sample {
  readonly name: string
  readonly help: string
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

export type Sampler = () => ReadonlyArray<Sample>

export class Metrics extends Context.Service<
  Metrics,
  {
    readonly observeRequest: (route: string, status: number, durationMs: number) => void
    /** Asked whenever somebody looks; stays for the life of the daemon. */
    readonly register: (sampler: Sampler) => Effect.Effect<void>
    readonly sample: Effect.Effect<void>
    /** Prometheus text format 0.0.4. */
    readonly render: Effect.Effect<string>
  }
>()("systemapi/services/metrics/Metrics") {
  static readonly layer = Layer.effect(
    Metrics,
    Effect.gen(function* () {
      const context = yield* Effect.context<never>()
      const samplers: Array<Sampler> = [processSampler]
      const gauges = new Map<string, Metric.Gauge<number>>()
      const requests = new Map<string, Metric.Counter<number>>()
      const durations = new Map<string, Metric.Histogram<number>>()

      const sampleNow = () => {
        for (const sampler of samplers) {
          for (const { help, labels, name, value } of sampler()) {
            const key = `${name} ${JSON.stringify(labels ?? {})}`
            let gauge = gauges.get(key)
            if (gauge === undefined) {
              gauge = Metric.gauge(name, { description: help, ...(labels === undefined ? {} : { attributes: labels }) })
              gauges.set(key, gauge)
            }
            gauge.updateUnsafe(value, context)
          }
        }
      }
      const remember = <A>(map: Map<string, A>, key: string, make: () => A): A => {
        const known = map.get(key)
        if (known !== undefined) return known
        const made = make()
        map.set(key, made)
        return made
      }

      return Metrics.of({
        observeRequest: (route, status, durationMs) => {
          remember(requests, `${route} ${status}`, () =>
            Metric.counter("systemapi_http_requests_total", {
              description: "Requests answered, by route and status",
              attributes: { route, status: String(status) },
              incremental: true
            })
          ).updateUnsafe(1, context)
          remember(durations, route, () =>
            Metric.histogram("systemapi_http_request_seconds", {
              description: "Time from the request's headers to the answer's",
              attributes: { route },
              boundaries: durationBuckets
            })
          ).updateUnsafe(durationMs / 1000, context)
        },
        register: (sampler) => Effect.sync(() => void samplers.push(sampler)),
        sample: Effect.sync(sampleNow),
        render: Effect.sync(() => {
          sampleNow()
          return formatUnsafe(context)
        })
      })
    })
  )
}

/** From a health check to an action of minutes. */
const durationBuckets = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60]

const processSampler: Sampler = () => {
  const memory = process.memoryUsage()
  const cpu = process.cpuUsage()
  return [
    { name: "process_resident_memory_bytes", help: "Resident memory", value: memory.rss },
    { name: "process_heap_used_bytes", help: "JavaScript heap in use", value: memory.heapUsed },
    { name: "process_cpu_seconds", help: "Processor time used, user and system", value: (cpu.user + cpu.system) / 1e6 },
    { name: "process_uptime_seconds", help: "Since the start of the process", value: process.uptime() }
  ]
}
