import { createServer } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { Disk } from "../../../src/services/files/Disk.ts"
import { Metrics } from "../../../src/services/metrics/Metrics.ts"
import * as Telemetry from "../../../src/services/telemetry/Telemetry.ts"
import { shell } from "../fifo/support.ts"
import { put, temporaryFolder } from "../files/support.ts"

/** A collector, and the bodies of the logs it was sent. */
const collector = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly logs: Array<string>; readonly close: () => void }>((resume) => {
    const logs: Array<string> = []
    const server = createServer((request, response) => {
      const parts: Array<Buffer> = []
      request.on("data", (part: Buffer) => parts.push(part))
      request.on("end", () => {
        if (request.url === "/v1/logs") logs.push(Buffer.concat(parts).toString())
        response.setHeader("content-type", "application/json").end("{}")
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      if (typeof address !== "object" || address === null) throw new Error("the collector has no port")
      const close = () => {
        server.close()
        server.closeAllConnections()
      }
      resume(Effect.succeed({ url: `http://127.0.0.1:${address.port}`, logs, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

/** Runs `work` with the exporter, under a logger that lets everything through as the daemon's does. */
const exporting = Effect.fnUntraced(function* (work: Effect.Effect<void, never, CurrentConfig>) {
  const { logs, url } = yield* collector
  const folder = yield* temporaryFolder
  yield* put(`${folder}/config.toml`, "")
  const { config } = yield* load(`${folder}/config.toml`, {})
  const layer = Telemetry.layer({ url, headersPath: "", serviceName: "test", version: "1" }).pipe(
    Layer.provideMerge(Layer.mergeAll(CurrentConfig.layer(config), Metrics.layer, Disk.layer, Logger.layer([]))),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Trace"))
  )
  yield* Effect.scoped(Effect.provide(work, layer))
  return logs.join("\n")
})

describe("the export of logs", () => {
  it.live("leaves out what the process log leaves out, also after a reload", () =>
    Effect.gen(function* () {
      const sent = yield* exporting(
        Effect.gen(function* () {
          const config = yield* CurrentConfig
          yield* Effect.logDebug("debug before")
          yield* Effect.logInfo("info before")
          const { general, ...rest } = config.get()
          config.set({ ...rest, general: { ...general, log_debug: true } })
          yield* Effect.logDebug("debug after")
          yield* Effect.logTrace("trace after")
        })
      )
      for (const said of ["info before", "debug after"]) assert.include(sent, said)
      for (const unsaid of ["debug before", "trace after"]) assert.notInclude(sent, unsaid)
    })
  )
})

describe("the file of headers", () => {
  const failure = (headersPath: string) =>
    Telemetry.layer({ url: "http://127.0.0.1:1", headersPath, serviceName: "test", version: "1" }).pipe(
      Layer.provide([
        Metrics.layer,
        Disk.layer,
        Layer.succeed(CurrentConfig, { get: () => assert.fail("not asked"), set: () => {} })
      ]),
      Layer.build,
      Effect.scoped,
      Effect.flip,
      Effect.map(({ message }) => message)
    )

  it.live("that cannot be read, or says what is no header, is an error that names it", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/headers`
      const prefix = `telemetry.otlp_headers_path: ${path}: `
      assert.strictEqual(yield* failure(path), `${prefix}cannot be read: no such file or directory`)
      yield* put(path, "# fine\nA: b\nnonsense\n")
      assert.strictEqual(yield* failure(path), `${prefix}line 3: allowed: Name: value`)
      yield* put(path, `A: ${"b".repeat(100_000)}\n`)
      assert.strictEqual(yield* failure(path), `${prefix}cannot be read: is larger than 65536 bytes`)
    })
  )

  it.live("that is a FIFO is refused, not waited for", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/headers`
      yield* shell('mkfifo "$1"', path)
      assert.include(yield* failure(path), "cannot be read: is not a regular file")
    })
  )
})
