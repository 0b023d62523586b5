/**
 * The daemon's metrics, in Effect's registry: `/metrics` renders it for Prometheus, OTLP exports it.
 *
 * What happens is counted where it happens; what merely is (depths, sizes, memory) is sampled when somebody looks, by
 * samplers that the parts register; counts that a part keeps by itself are sampled too. Series are bounded: labels are
 * configured names and route patterns, never what a caller sent. A sampler cannot fail.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { formatUnsafe } from "effect/observability/PrometheusMetrics"
import { RequestMetrics } from "./RequestMetrics.ts"

/** Names and values at this moment; labels are part of the sample. */
export interface Sample {
  readonly name: string
  readonly help: string
  /** `counter`: since the start and never less than before; its name ends with `_total`. A gauge where nothing is said. */
  readonly kind?: "counter" | "gauge"
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

export type Sampler = () => ReadonlyArray<Sample>

export class Metrics extends Context.Service<
  Metrics,
  {
    readonly observeRequest: (route: string, status: number, durationMs: number) => void
    /** Asked whenever somebody looks; stays for the life of the daemon. */
    readonly register: (sampler: Sampler | Effect.Effect<ReadonlyArray<Sample>>) => Effect.Effect<void>
    readonly sample: Effect.Effect<void>
    /** Prometheus text format 0.0.4. */
    readonly render: Effect.Effect<string>
  }
>()("systemapi/services/metrics/Metrics") {
  static readonly layer = Layer.effect(
    Metrics,
    Effect.gen(function* () {
      const context = yield* Effect.context<never>()
      const samplers: Array<Effect.Effect<ReadonlyArray<Sample>>> = [Effect.sync(processSampler)]
      const setters = new Map<string, (value: number) => void>()
      const requests = new RequestMetrics(context)

      const setterOf = ({ help, kind, labels, name }: Sample): ((value: number) => void) => {
        const options = { description: help, ...(labels === undefined ? {} : { attributes: labels }) }
        if (kind !== "counter") {
          const gauge = Metric.gauge(name, options)
          return (value) => gauge.updateUnsafe(value, context)
        }
        const counter = Metric.counter(name, { ...options, incremental: true })
        let counted = 0
        return (value) => {
          counter.updateUnsafe(Math.max(0, value - counted), context)
          counted = Math.max(counted, value)
        }
      }
      const sample = Effect.gen(function* () {
        for (const sampler of samplers) {
          for (const one of yield* sampler) {
            const key = `${one.name} ${JSON.stringify(one.labels ?? {})}`
            remember(setters, key, () => setterOf(one))(one.value)
          }
        }
      })
      const remember = <A>(map: Map<string, A>, key: string, make: () => A): A => {
        const known = map.get(key)
        if (known !== undefined) return known
        const made = make()
        map.set(key, made)
        return made
      }

      return Metrics.of({
        observeRequest: (route, status, durationMs) => requests.observe(route, status, durationMs),
        register: (sampler) =>
          Effect.sync(() => void samplers.push(Effect.isEffect(sampler) ? sampler : Effect.sync(sampler))),
        sample,
        render: Effect.map(sample, () => formatUnsafe(context))
      })
    })
  )
}

/** Node reads it from /proc, which takes a descriptor: where none is left, the other metrics say so. */
const memorySamples: Sampler = () => {
  try {
    const { heapUsed, rss } = process.memoryUsage()
    return [
      { name: "process_resident_memory_bytes", help: "Resident memory", value: rss },
      { name: "process_heap_used_bytes", help: "JavaScript heap in use", value: heapUsed }
    ]
  } catch {
    return []
  }
}

const processSampler: Sampler = () => {
  const cpu = process.cpuUsage()
  return [
    ...memorySamples(),
    {
      name: "process_cpu_seconds_total",
      help: "Processor time used, user and system",
      kind: "counter",
      value: (cpu.user + cpu.system) / 1e6
    },
    { name: "process_uptime_seconds", help: "Since the start of the process", value: process.uptime() }
  ]
}
