/**
 * Export to an OTLP collector, where `telemetry.otlp_url` names one: traces, metrics and logs, in batches, over HTTP.
 * A collector that is slow or gone costs nothing but its own data: the exporter drops what it cannot deliver.
 *
 * Loaded only when it is configured: the exporter and its HTTP client would double what an idle daemon loads.
 */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Otlp from "effect/observability/Otlp"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
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

/** At stop: a collector that does not answer is not waited for. */
const flushDeadline = "2 seconds"

const header = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*(.*?)[ \t]*$/u

/** One `Name: value` a line; empty lines and lines that start with `#` are passed over. Values are never shown. */
const readHeaders = Effect.fn("readHeaders")(function* (
  path: string
): Effect.fn.Return<Record<string, string>, TelemetryHeadersUnusable, FileSystem.FileSystem> {
  if (path === "") return {}
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(path),
    (error) => new TelemetryHeadersUnusable({ path, reason: `cannot be read (${error.reason._tag})` })
  )
  const headers: Record<string, string> = {}
  for (const [index, line] of text.split(/\r?\n/u).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue
    const [, name, value] = header.exec(line) ?? []
    if (name === undefined || value === undefined) {
      return yield* new TelemetryHeadersUnusable({ path, reason: `line ${index + 1}: allowed: Name: value` })
    }
    headers[name] = value
  }
  return headers
})

export const layer = ({ headersPath, serviceName, url, version }: TelemetryOptions) =>
  Layer.unwrap(
    Effect.map(readHeaders(headersPath), (headers) =>
      Layer.effectDiscard(
        Effect.gen(function* () {
          const metrics = yield* Metrics
          yield* Effect.forkScoped(Effect.repeat(metrics.sample, Schedule.spaced(sampleEvery)))
        })
      ).pipe(
        Layer.provideMerge(
          Otlp.layerJson({
            baseUrl: url,
            headers,
            resource: { serviceName, serviceVersion: version },
            loggerMergeWithExisting: true,
            shutdownTimeout: flushDeadline
          }).pipe(Layer.provide(FetchHttpClient.layer))
        )
      )
    )
  )
