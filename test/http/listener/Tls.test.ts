import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { once } from "node:events"
import * as Http2 from "node:http2"
import * as Tls from "node:tls"
import { listen } from "../../../src/http/listener/Listener.ts"
import {
  bodyOf,
  connect,
  curl,
  dial,
  eventually,
  follow,
  loopback,
  makeCertificate,
  quick,
  serve,
  type Served,
  statusOf
} from "./harness.ts"

const secureDial = (served: Served, options: Tls.ConnectionOptions = {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const socket = Tls.connect({ host: "127.0.0.1", port: served.port, rejectUnauthorized: false, ...options })
        await once(socket, "secureConnect")
        return socket
      }),
      (socket) => Effect.sync(() => socket.destroy())
    ),
    (socket) => ({ ...follow(socket), tls: socket })
  )

const session = (served: Served, options: Http2.SecureClientSessionOptions = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = Http2.connect(`https://127.0.0.1:${served.port}`, { rejectUnauthorized: false, ...options })
      client.on("error", () => {})
      await once(client, "remoteSettings")
      return client
    }),
    (client) => Effect.sync(() => client.destroy())
  )

interface Answer {
  readonly status: number
  readonly body: string
}

/** One request over HTTP/2; fails with the code the stream was reset with. */
const ask = (
  client: Http2.ClientHttp2Session,
  headers: Http2.OutgoingHttpHeaders,
  body?: string
): Effect.Effect<Answer, number> =>
  Effect.callback((resume) => {
    const stream = client.request(headers, { endStream: body === undefined })
    let status = 0
    const chunks: Array<Buffer> = []
    stream.on("response", (answer) => {
      status = Number(answer[":status"])
    })
    stream.on("data", (chunk: Buffer) => chunks.push(chunk))
    stream.on("error", () => {})
    stream.on("close", () => {
      resume(
        status === 0 || stream.rstCode !== 0
          ? Effect.fail(stream.rstCode ?? 0)
          : Effect.succeed({ status, body: Buffer.concat(chunks).toString() })
      )
    })
    if (body !== undefined) stream.write(body)
    return Effect.sync(() => stream.close(Http2.constants.NGHTTP2_CANCEL))
  })

describe("TLS", () => {
  it.live("speaks HTTP/2 and HTTP/1.1 to curl, and plain HTTP to nobody", () =>
    Effect.gen(function* () {
      const certificate = yield* makeCertificate("localhost")
      const served = yield* serve({ certificate, limits: quick })
      const url = `https://localhost:${served.port}`
      const asks = (...args: ReadonlyArray<string>) =>
        curl("--cacert", certificate.certFile, "-w", " %{http_version}", ...args)
      assert.strictEqual((yield* asks("--http2", `${url}/a`)).out, "ok 2 2")
      assert.strictEqual((yield* asks("--http1.1", `${url}/a`)).out, "ok 2 1.1")
      assert.strictEqual((yield* asks("--http2", "--data-binary", "hello", `${url}/count`)).out, "5 2")
      assert.notStrictEqual((yield* curl(`http://localhost:${served.port}/a`)).exit, 0)
      assert.strictEqual((yield* asks(`${url}/a`)).exit, 0)
      assert.isAtLeast(served.stats().handshakesFailed, 1)
    })
  )

  it.live("refuses TLS 1.1 and takes 1.2", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("localhost") })
      const old = yield* curl("-k", "--tlsv1.0", "--tls-max", "1.1", `${served.url}/a`)
      assert.notStrictEqual(old.exit, 0)
      const client = yield* secureDial(served, { maxVersion: "TLSv1.2" })
      assert.strictEqual(client.tls.getProtocol(), "TLSv1.2")
    })
  )

  it.live("shows a new certificate to new connections and keeps the old ones open", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("before") })
      const before = yield* secureDial(served)
      assert.strictEqual(before.tls.getPeerCertificate().subject.CN, "before")
      const next = yield* makeCertificate("after")
      yield* served.setSecureContext(next)
      const after = yield* secureDial(served)
      assert.strictEqual(after.tls.getPeerCertificate().subject.CN, "after")
      before.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* before.until((text) => statusOf(text) === 200)
      const wrong = yield* Effect.flip(served.setSecureContext({ cert: next.cert, key: "nonsense" }))
      assert.match(wrong.message, /^the certificate cannot be used: /u)
      const still = yield* secureDial(served)
      assert.strictEqual(still.tls.getPeerCertificate().subject.CN, "after")
    })
  )

  it.live("fails to listen with a certificate that is none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        listen({ address: loopback, certificate: { cert: "no", key: "no" } }, () => Effect.never)
      )
      assert.match(error.message, /^cannot listen on 127\.0\.0\.1:0: /u)
    })
  )

  it.live("closes a connection that never finishes its handshake", () =>
    Effect.gen(function* () {
      const served = yield* serve({
        certificate: yield* makeCertificate("localhost"),
        limits: { ...quick, headerMs: 100 }
      })
      const client = yield* dial(served)
      client.send(Buffer.from([0x16, 0x03, 0x01, 0x02]))
      yield* client.closed
      yield* eventually(() => served.stats().open === 0)
    })
  )

  it.live("keeps the limits of HTTP/1 behind TLS", () =>
    Effect.gen(function* () {
      const served = yield* serve({
        certificate: yield* makeCertificate("localhost"),
        limits: { ...quick, headerMs: 1000, bodyIdleMs: 100, writeIdleMs: 200, halfClosedMs: 50 }
      })
      const slow = yield* secureDial(served)
      slow.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
      assert.strictEqual(yield* Queue.take(served.waiting), "/count")
      assert.deepStrictEqual(bodyOf(yield* slow.closed), {
        code: 408,
        message: "The request body did not arrive in time"
      })
      const large = yield* secureDial(served)
      large.send(`GET /${"x".repeat(1_100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)
      assert.strictEqual(statusOf(yield* large.closed), 431)
      const reader = yield* secureDial(served)
      reader.socket.pause()
      reader.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* eventually(() => served.stats().timedOut.write === 1)
      const headers = yield* secureDial(served)
      headers.send("GET /unfinished HTTP/1.1\r\n")
      assert.strictEqual(statusOf(yield* headers.closed), 408)
      const gone = yield* secureDial(served)
      gone.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* Queue.take(served.waiting)
      gone.socket.destroy()
      assert.strictEqual(yield* Queue.take(served.interrupted), "/gate")
    })
  )

  it.live("makes room for a new connection among silent ones, and closes it when all are busy", () =>
    Effect.gen(function* () {
      const served = yield* serve({
        certificate: yield* makeCertificate("localhost"),
        limits: { ...quick, connections: 3 }
      })
      const silent = yield* Effect.all([dial(served), dial(served), dial(served)])
      const busy = yield* Effect.all([secureDial(served), secureDial(served), secureDial(served)])
      for (const client of silent) yield* client.closed
      for (const client of busy) client.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* Queue.takeN(served.waiting, 3)
      const refused = yield* connect({ host: "127.0.0.1", port: served.port })
      assert.strictEqual(yield* refused.closed, "")
      assert.strictEqual(served.stats().refused, 1)
      yield* served.open
      for (const client of busy) yield* client.until((text) => text.endsWith("through the gate"))
    })
  )
})

describe("HTTP/2", () => {
  it.live("runs streams side by side, at most as many as are allowed", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("localhost"), limits: { streams: 8 } })
      const client = yield* session(served)
      assert.strictEqual(client.remoteSettings.maxConcurrentStreams, 8)
      const gates = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 7 }, () => ask(client, { ":path": "/gate" })),
          { concurrency: "unbounded" }
        )
      )
      yield* Queue.takeN(served.waiting, 7)
      assert.deepStrictEqual(yield* ask(client, { ":path": "/beside" }), { status: 200, body: "ok 7" })
      yield* served.open
      assert.strictEqual((yield* Fiber.join(gates)).length, 7)
    })
  )

  it.live("refuses a stream when there are too many over all sessions, and takes it when there is room again", () =>
    Effect.gen(function* () {
      const served = yield* serve({
        certificate: yield* makeCertificate("localhost"),
        limits: { ...quick, streamsInAll: 3 }
      })
      const [first, second] = yield* Effect.all([session(served), session(served)])
      const gates = yield* Effect.forkChild(
        Effect.all([ask(first, { ":path": "/gate" }), ask(first, { ":path": "/gate" })], { concurrency: "unbounded" })
      )
      const cancelled = yield* Effect.forkChild(ask(second, { ":path": "/gate" }))
      yield* Queue.takeN(served.waiting, 3)
      assert.strictEqual(yield* Effect.flip(ask(second, { ":path": "/more" })), Http2.constants.NGHTTP2_REFUSED_STREAM)
      assert.strictEqual(
        yield* Effect.flip(ask(first, { ":method": "CONNECT", ":authority": "x:1" })),
        Http2.constants.NGHTTP2_REFUSED_STREAM
      )
      assert.notInclude(served.seen, "/more")
      assert.deepStrictEqual([served.stats().streams, served.stats().streamsRefused], [3, 2])
      yield* Fiber.interrupt(cancelled)
      assert.strictEqual(yield* Queue.take(served.interrupted), "/gate")
      yield* eventually(() => served.stats().streams === 2)
      assert.strictEqual((yield* ask(second, { ":path": "/room" })).status, 200)
      yield* served.open
      assert.strictEqual((yield* Fiber.join(gates)).length, 2)
      first.destroy()
      yield* eventually(() => served.stats().streams === 0)
    })
  )

  it.live("takes headers beyond the usual 64 KiB, and refuses a stream above the limit without harm to others", () =>
    Effect.gen(function* () {
      const served = yield* serve({
        certificate: yield* makeCertificate("localhost"),
        limits: { headerBytes: 120_000 }
      })
      const client = yield* session(served, { maxSendHeaderBlockLength: 1 << 22 })
      assert.strictEqual(client.remoteSettings.maxHeaderListSize, 120_000)
      const fields = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, "\u00a0".repeat(10_000)]))
      assert.strictEqual((yield* ask(client, { ":path": "/a", ...fields(8) })).status, 200)
      const code = yield* Effect.flip(ask(client, { ":path": "/b", ...fields(13) }))
      assert.notStrictEqual(code, 0)
      assert.strictEqual((yield* ask(client, { ":path": "/c" })).status, 200)
    })
  )

  it.live("answers 408 to a body that stalls and leaves the connection open", () =>
    Effect.gen(function* () {
      const served = yield* serve({
        certificate: yield* makeCertificate("localhost"),
        limits: { ...quick, bodyIdleMs: 100 }
      })
      const client = yield* session(served)
      const answer = yield* ask(client, { ":method": "POST", ":path": "/count" }, "abc")
      assert.strictEqual(answer.status, 408)
      assert.deepStrictEqual(JSON.parse(answer.body), { code: 408, message: "The request body did not arrive in time" })
      assert.strictEqual((yield* ask(client, { ":path": "/c" })).status, 200)
      assert.strictEqual(served.stats().timedOut.body, 1)
    })
  )

  it.live("interrupts the handler of a stream that is cancelled, and of a session that is gone", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("localhost"), limits: quick })
      const client = yield* session(served)
      const stream = client.request({ ":path": "/gate" })
      stream.on("error", () => {})
      yield* Queue.take(served.waiting)
      stream.close(Http2.constants.NGHTTP2_CANCEL)
      assert.strictEqual(yield* Queue.take(served.interrupted), "/gate")
      client.request({ ":path": "/gate" }).on("error", () => {})
      yield* Queue.take(served.waiting)
      client.destroy()
      assert.strictEqual(yield* Queue.take(served.interrupted), "/gate")
    })
  )

  it.live("stops: streams in hand end, idle sessions close, and both within the grace", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("localhost"), limits: quick })
      const idle = yield* session(served)
      const client = yield* session(served)
      const answer = yield* Effect.forkChild(ask(client, { ":path": "/gate" }))
      yield* Queue.take(served.waiting)
      const closed = Effect.promise(() => once(idle, "close"))
      const stop = yield* Effect.forkChild(served.stop("1 minute"))
      yield* closed
      yield* served.open
      assert.deepStrictEqual(yield* Fiber.join(answer), { status: 200, body: "through the gate" })
      yield* Fiber.join(stop)
      assert.strictEqual(served.stats().open, 0)
    })
  )

  it.live("closes sessions that are idle, pings or not, and those whose client takes nothing", () =>
    Effect.gen(function* () {
      const served = yield* serve({
        certificate: yield* makeCertificate("localhost"),
        limits: { ...quick, keepAliveMs: 200, writeIdleMs: 200 }
      })
      const idle = yield* session(served)
      const pings = setInterval(() => idle.destroyed || idle.ping(() => {}), 20)
      yield* Effect.promise(() => once(idle, "close"))
      clearInterval(pings)
      const stuck = yield* session(served)
      const stream = stuck.request({ ":path": "/big" })
      stream.on("error", () => {})
      stream.pause()
      yield* Effect.promise(() => once(stuck, "close"))
      const { timedOut } = served.stats()
      assert.deepStrictEqual([timedOut.idle, timedOut.write], [1, 1])
    })
  )

  it.live("answers an unknown expectation and CONNECT in JSON, and 100-continue with a body", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("localhost") })
      const client = yield* session(served)
      const expectation = yield* ask(client, { ":path": "/x", expect: "wonders" })
      assert.strictEqual(expectation.status, 417)
      assert.strictEqual(JSON.parse(expectation.body).code, 417)
      const tunnel = yield* ask(client, { ":method": "CONNECT", ":authority": "x:1" })
      assert.strictEqual(tunnel.status, 405)
      const upload = yield* curl("-k", "--http2", "-H", "Expect: 100-continue", "-d", "abc", `${served.url}/count`)
      assert.deepStrictEqual(upload, { exit: 0, out: "3" })
    })
  )

  it.live("sends 100 Continue when the body is asked for, and not before a refusal", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("localhost") })
      const client = yield* session(served)
      const upload = (path: string) =>
        Effect.callback<{ readonly status: number; readonly continued: boolean }>((resume) => {
          const stream = client.request({ ":path": path, ":method": "POST", expect: "100-continue" })
          let continued = false
          stream.on("continue", () => {
            continued = true
            stream.end("abc")
          })
          stream.on("response", ({ ":status": status = 0 }) => {
            resume(Effect.succeed({ status, continued }))
            stream.close()
          })
        })
      assert.deepStrictEqual(yield* upload("/count"), { status: 200, continued: true })
      assert.deepStrictEqual(yield* upload("/deny"), { status: 401, continued: false })
    })
  )

  it.live("loses only the session that sends frames of nonsense", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("localhost"), limits: quick })
      const good = yield* session(served)
      const bad = yield* secureDial(served, { ALPNProtocols: ["h2"] })
      bad.send(Buffer.alloc(4096, 0x41))
      yield* bad.closed
      assert.strictEqual((yield* ask(good, { ":path": "/x" })).status, 200)
    })
  )
})
