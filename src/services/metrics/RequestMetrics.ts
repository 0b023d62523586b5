/**
 * Counts answered requests. Effect's own counters look their series up in the registry at each update, which costs more
 * than the rest of a small request's accounting; here a request costs two additions and a bucket, and the registry asks
 * for the counts when somebody looks.
 *
 * Bounds: one entry per route pattern, and one per status a handler of it has answered.
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/** Seconds: from a health check to an action of minutes. */
const boundaries: ReadonlyArray<number> = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60]

interface RouteCounts {
  readonly byStatus: Map<number, { count: number }>
  readonly durations: Durations
}

export class RequestMetrics {
  readonly #routes = new Map<string, RouteCounts>()
  readonly #context: Context.Context<never>

  /** The context says which registry the counts are shown in. */
  constructor(context: Context.Context<never>) {
    this.#context = context
  }

  observe(route: string, status: number, durationMs: number): void {
    const { byStatus, durations } = this.#routes.get(route) ?? this.#addRoute(route)
    const answered = byStatus.get(status) ?? this.#addStatus(route, byStatus, status)
    answered.count += 1
    durations.add(durationMs / 1000)
  }

  #addRoute(route: string): RouteCounts {
    const counts: RouteCounts = { byStatus: new Map(), durations: new Durations() }
    this.#routes.set(route, counts)
    const seconds = Metric.histogram("systemapi_http_request_seconds", {
      description: "Time from the request's headers to the answer's",
      attributes: { route },
      boundaries
    })
    this.#show(seconds, () => counts.durations.state())
    return counts
  }

  #addStatus(route: string, byStatus: RouteCounts["byStatus"], status: number): { count: number } {
    const answered = { count: 0 }
    byStatus.set(status, answered)
    const total = Metric.counter("systemapi_http_requests_total", {
      description: "Requests answered, by route and status",
      attributes: { route, status: String(status) },
      incremental: true
    })
    this.#show(total, () => ({ count: answered.count, incremental: true }))
    return answered
  }

  #show<State>(metric: Metric.Metric<number, State>, get: () => State): void {
    Metric.registerUnsafe(metric, this.#context, { get, update: () => {}, modify: () => {} })
  }
}

/** A histogram: how many took how long. */
class Durations {
  /** One for each boundary, and one for what is above all of them. */
  readonly #buckets = Array.from({ length: boundaries.length + 1 }, () => 0)
  #count = 0
  #sum = 0
  #min = Number.MAX_VALUE
  #max = 0

  add(seconds: number): void {
    let bucket = 0
    for (const boundary of boundaries) {
      if (seconds <= boundary) break
      bucket += 1
    }
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#count += 1
    this.#sum += seconds
    this.#min = Math.min(this.#min, seconds)
    this.#max = Math.max(this.#max, seconds)
  }

  state(): Metric.HistogramState {
    let below = 0
    const buckets = boundaries.map((boundary, i): [number, number] => [boundary, (below += this.#buckets[i] ?? 0)])
    return { buckets, count: this.#count, min: this.#min, max: this.#max, sum: this.#sum }
  }
}
