/** Export to a collector, as configured: a real HTTP server takes what the built daemon sends. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer, type IncomingHttpHeaders } from "node:http"
import { execute, start, temporaryFolder, write } from "./support.ts"

interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const collector = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly received: Array<Received>; readonly close: () => void }>(
    (resume) => {
      const received: Array<Received> = []
      const server = createServer((request, response) => {
        const parts: Array<Buffer> = []
        request.on("data", (part: Buffer) => parts.push(part))
        request.on("end", () => {
          received.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(parts).toString() })
          response.setHeader("content-type", "application/json").end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        if (typeof address !== "object" || address === null) throw new Error("the collector has no port")
        resume(Effect.succeed({ url: `http://127.0.0.1:${address.port}`, received, close: () => server.close() }))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

it.live("a collector gets logs, metrics and traces, with the headers of the file", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const { received, url } = yield* collector
      const folder = yield* temporaryFolder
      yield* write(folder, "headers", "# for the collector\nAuthorization: Bearer very-secret\n")
      const daemon = yield* start({
        folder,
        config: `
          [general]
          listen_addr = "127.0.0.1:0"
          pipe_file = ""
          [actions]
          hello = "echo hello"
          [telemetry]
          otlp_url = "${url}"
          otlp_headers_path = "headers"
          service_name = "a-guest"
        `
      })
      yield* execute("curl", ["-s", `${daemon.url}/api/v1/actions/hello`])
      // What waits for the next interval is sent at the stop.
      assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
      for (const kind of ["logs", "metrics", "traces"]) {
        const sent = received.filter(({ path }) => path === `/v1/${kind}`)
        assert.isAbove(sent.length, 0, kind)
        assert.isTrue(sent.every(({ headers }) => headers.authorization === "Bearer very-secret"))
        assert.isTrue(sent.every(({ body }) => body.includes("a-guest")))
      }
      assert.isTrue(
        received.some(({ body, path }) => path === "/v1/metrics" && body.includes("systemapi_http_requests_total"))
      )
      for (const told of ["Actions.run", "http.response.status_code"]) {
        assert.isTrue(
          received.some(({ body, path }) => path === "/v1/traces" && body.includes(told)),
          told
        )
      }
      assert.notInclude(daemon.said(), "very-secret")
    })
  )
)

it.live("a collector that is not there costs nothing but its data", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const daemon = yield* start({
        config: `
          [general]
          listen_addr = "127.0.0.1:0"
          pipe_file = ""
          [telemetry]
          otlp_url = "http://127.0.0.1:1"
        `
      })
      const answer = yield* execute("curl", ["-s", `${daemon.url}/livez`])
      assert.strictEqual(answer.out, '{"status":"ok"}\n')
      assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
    })
  )
)
