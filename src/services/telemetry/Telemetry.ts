/**
 * Export to an OTLP collector, where `telemetry.otlp_url` names one: traces, metrics and logs, in batches, over HTTP.
 * A collector that is slow or gone costs nothing but its own data: the exporter drops what it cannot deliver.
 *
 * Loaded only when it is configured: the exporter and its HTTP client would double what an idle daemon loads.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpLogger from "effect/observability/OtlpLogger"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { logSettings } from "../config/resolveLogging.ts"
import { Disk } from "../files/Disk.ts"
import { Metrics } from "../metrics/Metrics.ts"

export interface TelemetryOptions {
  readonly url: string
  /** Empty: none. */
  readonly headersPath: string
  readonly serviceName: string
  readonly version: string
}

export class TelemetryHeadersUnusable extends Schema.TaggedError<TelemetryHeadersUnusable>()(
  "TelemetryHeadersUnusable",
  {
    path: Schema.String,
    reason: Schema.String
  }
) {
  override get message() {
    return `telemetry.otlp_headers_path: ${this.path}: ${this.reason}`
  }
}

/** What merely is (depths, sizes) is sampled before each export. */
const sampleEvery = "10 seconds"

/** A dozen headers with long tokens are a quarter of this; servers take no more in all. */
const headersBytesMax = 64 * 1024

/** At stop: a collector that does not answer is not waited for. */
const flushDeadline = Duration.seconds(2)

const header = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(.*?)[ \t]*$/u

/** One `Name: value` a line; empty lines and lines that start with `#` are passed over. Values are never shown. */
const readHeaders = Effect.fn("readHeaders")(function* (
  path: string
): Effect.fn.Return<Record<string, string>, TelemetryHeadersUnusable, Disk> {
  if (path === "") return {}
  const disk = yield* Disk
  const bytes = yield* Effect.mapError(
    disk.readFile(path, headersBytesMax),
    ({ reason }) => new TelemetryHeadersUnusable({ path, reason: `cannot be read: ${reason}` })
  )
  const headers: Record<string, string> = {}
  for (const [index, line] of Buffer.from(bytes).toString().split(/\r?\n/u).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue
    const [, name, value] = header.exec(line) ?? []
    if (name === undefined || value === undefined) {
      return yield* new TelemetryHeadersUnusable({ path, reason: `line ${index + 1}: allowed: Name: value` })
    }
    headers[name] = value
  }
  return headers
})

/** What the process log leaves out is not exported either; a reload of the level holds for both. */
const logger = (options: Parameters<typeof OtlpLogger.make>[0]) =>
  Effect.gen(function* () {
    const config = yield* CurrentConfig
    const exporter = yield* OtlpLogger.make(options)
    return Logger.make<unknown, void>((entry) => {
      const { level } = logSettings(config.get())
      if (LogLevel.isGreaterThanOrEqualTo(entry.logLevel, level)) exporter.log(entry)
    })
  })

const sampler = Layer.effectDiscard(
  Effect.gen(function* () {
    const metrics = yield* Metrics
    yield* Effect.forkScoped(Effect.repeat(metrics.sample, Schedule.spaced(sampleEvery)))
  })
)

export const layer = ({ headersPath, serviceName, url, version }: TelemetryOptions) =>
  Layer.unwrap(
    Effect.map(readHeaders(headersPath), (headers) => {
      const to = (path: string) => ({
        url: HttpClientRequest.appendUrl(HttpClientRequest.get(url), path).url,
        headers,
        resource: { serviceName, serviceVersion: version },
        shutdownTimeout: flushDeadline
      })
      const exporters = Layer.mergeAll(
        Logger.layer([logger(to("/v1/logs"))], { mergeWithExisting: true }).pipe(
          Layer.provide(OtlpExporter.layerFlusher)
        ),
        OtlpMetrics.layer(to("/v1/metrics")),
        OtlpTracer.layer(to("/v1/traces"))
      ).pipe(Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer]))
      return Layer.provideMerge(sampler, exporters)
    })
  )
