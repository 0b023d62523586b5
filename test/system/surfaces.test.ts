/** What the daemon says of itself: metrics, its contract as data and as a page, its parts. */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type Answer, curl, request } from "./client.ts"
import { memory } from "./proc.ts"
import { type Daemon, shell, start } from "./support.ts"

class Served extends Context.Service<Served, Daemon>()("test/system/surfaces/Served") {
  static readonly layer = Layer.effect(
    Served,
    Effect.gen(function* () {
      const daemon = yield* start({
        config: '[general]\nlisten_addr = "127.0.0.1:0"\npprof = true\n[actions]\n"odd \\" \\\\ name" = "true"\n'
      })
      yield* request(`${daemon.url}/api/v1/new_event?message=x`)
      yield* request(`${daemon.url}/api/v1/actions/odd%20%22%20%5C%20name`)
      yield* request(`${daemon.url}/not%22a%0Apath`)
      yield* shell(daemon.folder, "seq 10 > pipe.fifo")
      return daemon
    })
  )
}

interface Metric {
  readonly type: string
  readonly help: string
  readonly samples: Array<{
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly value: number
  }>
}

const unescapeLabel = (text: string): string => text.replaceAll(/\\(.)/gu, (_, c: string) => (c === "n" ? "\n" : c))

/** Prometheus text format 0.0.4, strictly: HELP, TYPE and samples of one metric stand together. */
const parseMetrics = (text: string): ReadonlyMap<string, Metric> => {
  const metrics = new Map<string, Metric>()
  let help: readonly [string, string] | undefined
  let current: readonly [string, Metric] | undefined
  assert.isTrue(text.endsWith("\n"))
  for (const line of text.split("\n").slice(0, -1)) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/u.exec(line)
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment
      if (kind === "HELP") {
        help = [name, rest]
        continue
      }
      assert.match(rest, /^(?:counter|gauge|histogram|summary|untyped)$/u)
      assert.strictEqual(help?.[0], name, "HELP before TYPE")
      assert.isFalse(metrics.has(name), `${name} is told twice`)
      current = [name, { type: rest, help: help?.[1] ?? "", samples: [] }]
      metrics.set(...current)
      continue
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/u.exec(line)
    if (sample === null) throw new Error(`not a line of metrics: ${line}`)
    const [, name = "", labelText = "", valueText = ""] = sample
    const labels: Record<string, string> = {}
    const rest = labelText.replaceAll(
      /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gu,
      (_, label: string, value: string) => {
        labels[label] = unescapeLabel(value)
        return ""
      }
    )
    assert.strictEqual(rest, "", line)
    const value = valueText === "+Inf" ? Infinity : Number(valueText)
    assert.isFalse(Number.isNaN(value), line)
    const [owner = "", metric] = current ?? []
    assert.isTrue(
      name === owner || (metric?.type === "histogram" && name.startsWith(`${owner}_`)),
      `${name} under ${owner}`
    )
    metric?.samples.push({ name, labels, value })
  }
  return metrics
}

const decode = <A>(schema: Schema.Decoder<A>, { body }: Answer): A =>
  Schema.decodeSync(Schema.fromJsonString(schema))(body)

layer(Served.layer, { excludeTestServices: true })("the daemon says of itself", (it) => {
  it.effect("metrics that Prometheus can read", () =>
    Effect.gen(function* () {
      const { pid, url } = yield* Served
      const answer = yield* curl(`${url}/metrics`)
      assert.strictEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      const metrics = parseMetrics(answer.body)
      for (const [name, { help, samples, type }] of metrics) {
        assert.isAbove(help.length, 3, `${name} has a help`)
        assert.isAbove(samples.length, 0, name)
        if (type === "histogram") {
          for (const { labels, name: bucket, value } of samples.filter((each) => each.name.endsWith("_count"))) {
            const infinite = samples.find(
              (each) =>
                each.name === bucket.replace("_count", "_bucket") &&
                each.labels["le"] === "+Inf" &&
                Object.entries(labels).every(([key, given]) => each.labels[key] === given)
            )
            assert.strictEqual(infinite?.value, value)
          }
        }
      }
      const requests = metrics.get("systemapi_http_requests_total")
      const counted = (route: string, status: string) =>
        requests?.samples.find(({ labels }) => labels["route"] === route && labels["status"] === status)?.value
      assert.strictEqual(counted("/api/v1/new_event", "200"), 1)
      assert.strictEqual(counted("/api/v1/actions/:action", "200"), 1)
      assert.strictEqual(counted("none", "404"), 1, "callers make no series")
      const [resident] = metrics.get("process_resident_memory_bytes")?.samples ?? []
      const rss = yield* memory(pid, "VmRSS")
      assert.isBelow(Math.abs((resident?.value ?? 0) - rss), rss / 2)
    })
  )

  it.effect("its contract as OpenAPI 3.1, every path of which answers", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const answer = yield* curl(`${url}/openapi.json`)
      assert.strictEqual(answer.headers["content-type"], "application/json")
      const Operation = Schema.Struct({
        operationId: Schema.String,
        summary: Schema.String,
        responses: Schema.Record(Schema.String, Schema.Struct({ description: Schema.String }))
      })
      const Document = Schema.Struct({
        openapi: Schema.String.check(Schema.isPattern(/^3\.1\.\d+$/u)),
        info: Schema.Struct({ title: Schema.String, version: Schema.String }),
        paths: Schema.Record(Schema.String, Schema.Record(Schema.String, Operation)),
        components: Schema.Struct({ securitySchemes: Schema.Struct({ basic: Schema.Unknown }) })
      })
      const { paths } = decode(Document, answer)
      for (const path of [
        "/",
        "/livez",
        "/logs",
        "/api/v1/new_event",
        "/api/v1/actions/{action}",
        "/api/v1/file-upload/{file}",
        "/api/v1/set-basic-auth"
      ]) {
        assert.property(paths, path)
      }
      for (const path of Object.keys(paths)) {
        const { status } = yield* curl("-X", "OPTIONS", `${url}${path.replaceAll(/\{\w+\}/gu, "x")}`)
        assert.strictEqual(status, 204, path)
      }
      const references = [...answer.body.matchAll(/"\$ref": ?"#\/components\/schemas\/([^"]+)"/gu)].map(
        ([, name]) => name
      )
      assert.isAbove(references.length, 5)
      for (const name of references) assert.include(answer.body, `"${name}": {`)
    })
  )

  it.effect("a page that needs nothing from anywhere", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const { body, headers } = yield* curl(`${url}/docs`)
      assert.strictEqual(headers["content-type"], "text/html; charset=utf-8")
      assert.match(headers["content-security-policy"] ?? "", /default-src 'none'/u)
      assert.notMatch(body, /(?:src|href|action)\s*=\s*["']?(?:https?:)?\/\/|@import|url\(|<script|<iframe|<link/iu)
      for (const path of ["/logs", "/api/v1/actions/{action}", "/api/v1/set-basic-auth"]) assert.include(body, path)
      assert.isTrue(body.startsWith("<!doctype html>"))
    })
  )

  it.effect("who and since when it is, and which limits are in force", () =>
    Effect.gen(function* () {
      const { folder, url } = yield* Served
      const Info = Schema.Struct({
        name: Schema.Literal("systemapi"),
        version: Schema.String,
        boot_id: Schema.String,
        started_at: Schema.String,
        uptime_seconds: Schema.Int,
        events: Schema.Struct({
          first_seq: Schema.Int,
          last_seq: Schema.Int,
          removed_through: Schema.Int,
          store_bytes: Schema.Int
        }),
        pipes: Schema.Array(
          Schema.Struct({ source: Schema.String, path: Schema.String, lines: Schema.Int, cut_lines: Schema.Int })
        ),
        listeners: Schema.Array(
          Schema.Struct({ address: Schema.String, tls: Schema.Boolean, connections: Schema.Int })
        ),
        limits: Schema.Record(Schema.String, Schema.Int)
      })
      const info = decode(Info, yield* curl(`${url}/api/v1/info`))
      assert.match(info.boot_id, /^[0-9a-f-]{36}$/u)
      assert.isAtMost(Date.parse(info.started_at), Date.now())
      assert.isAtLeast(info.events.last_seq, 3)
      assert.deepInclude(info.pipes[0], { source: "pipe.fifo", path: "pipe.fifo" })
      assert.deepInclude(info.listeners[0], { address: url.replace("http://", ""), tls: false })
      assert.strictEqual(info.limits["max_connections"], 4096)
      const other = yield* Effect.scoped(
        Effect.flatMap(start({ args: ["--listen-addr", "127.0.0.1:0"] }), (next) => curl(`${next.url}/api/v1/info`))
      )
      assert.notStrictEqual(decode(Info, other).boot_id, info.boot_id, folder)
    })
  )

  it.effect("its parts and how they fare", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const Actors = Schema.Struct({
        actors: Schema.Array(
          Schema.Struct({
            name: Schema.String,
            state: Schema.Literals(["starting", "running", "backing-off", "stopped", "failed"]),
            since: Schema.String,
            restarts: Schema.Int,
            last_failure: Schema.NullOr(Schema.String),
            mailbox: Schema.NullOr(Schema.Struct({ depth: Schema.Int, capacity: Schema.Int, handled: Schema.Int }))
          })
        )
      })
      const { actors } = decode(Actors, yield* curl(`${url}/api/v1/actors`))
      const names = actors.map(({ name }) => name)
      for (const name of ["EventStore", "CommandExecutor", "Retention", "pipe:pipe.fifo"]) assert.include(names, name)
      for (const { last_failure, name, restarts, since, state } of actors) {
        assert.deepStrictEqual([state, restarts, last_failure], ["running", 0, null], name)
        assert.isAtMost(Date.parse(since), Date.now())
      }
      const store = actors.find(({ name }) => name === "EventStore")
      assert.isAtLeast(store?.mailbox?.handled ?? 0, 3)
    })
  )
})
