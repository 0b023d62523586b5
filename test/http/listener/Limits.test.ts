import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { readdir } from "node:fs/promises"
import { defaultLimits } from "../../../src/http/listener/Limits.ts"
import {
  answersIn,
  bigBytes,
  bodyOf,
  type Client,
  connect,
  curl,
  dial,
  eventually,
  quick,
  serve,
  statusOf
} from "./harness.ts"

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

/** Sends a piece each time the connection has carried the one before, until it ends: a client that never hurries. */
const drip = (client: Client, piece: string) => {
  const next = () => {
    if (!client.socket.destroyed) client.socket.write(piece, () => setTimeout(next, 5))
  }
  next()
}

const openDescriptors = Effect.promise(() => readdir("/proc/self/fd").then((names) => names.length))

describe("header limits", () => {
  it.live("takes a request line and headers of just under 1 MiB, and answers 431 above", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      const room = 1024 * 1024 - get("/?message=").length
      client.send(get(`/?message=${"x".repeat(room)}`))
      yield* client.until((text) => text.endsWith(`ok ${room + "/?message=".length}`))
      client.send(`GET /h HTTP/1.1\r\nHost: x\r\nX-Long: ${"y".repeat(room)}\r\n\r\n`)
      yield* client.until((text) => text.endsWith("ok 2"))
      for (const request of [
        get(`/?message=${"x".repeat(room + 5000)}`),
        get("/").replace("x", "h".repeat(2 * room))
      ]) {
        const large = yield* dial(served)
        large.send(request)
        const answer = yield* large.closed
        assert.strictEqual(answersIn(answer), 1)
        assert.deepStrictEqual(bodyOf(answer), {
          code: 431,
          message: `Request line and headers are larger than ${defaultLimits.headerBytes} bytes`
        })
      }
    })
  )

  it.live("times out headers that come byte by byte, from the connection on and between requests", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, headerMs: 150 } })
      const first = yield* dial(served)
      first.send("GET / HTTP/1.1\r\nHost: x\r\n")
      drip(first, "X-A: 1\r\n")
      const later = yield* dial(served)
      later.send(get("/"))
      yield* later.until((text) => statusOf(text) === 200)
      later.send("GET /later HTTP/1.1\r\nHost: x\r\n")
      drip(later, "X-A: 1\r\n")
      const answers = [yield* first.closed, (yield* later.closed).slice(later.text().lastIndexOf("HTTP/1.1"))]
      for (const answer of answers) {
        assert.deepStrictEqual(bodyOf(answer), { code: 408, message: "The request headers did not arrive in time" })
      }
      assert.strictEqual(served.stats().timedOut.header, 2)
      assert.strictEqual((yield* curl(`${served.url}/x`)).exit, 0)
    })
  )

  it.live("closes a connection that says nothing, without a word", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, headerMs: 100 } })
      const client = yield* dial(served)
      assert.strictEqual(yield* client.closed, "")
    })
  )

  it.live("closes the longest-waiting of unfinished headers when all together are too large", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, headerBytesInAll: 1_000_000 } })
      const first = yield* dial(served)
      const second = yield* dial(served)
      first.send(`GET /${"x".repeat(700_000)}`)
      second.send(`GET /${"x".repeat(700_000)}`)
      assert.strictEqual(yield* first.closed, "")
      second.send(" HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* second.until((text) => statusOf(text) === 200)
    })
  )
})

describe("body limits", () => {
  it.live("answers 408 to a body that stalls, once, and lets the handler go", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, bodyIdleMs: 150 } })
      const client = yield* dial(served)
      client.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
      const answer = yield* client.closed
      assert.strictEqual(answersIn(answer), 1)
      assert.deepStrictEqual(bodyOf(answer), { code: 408, message: "The request body did not arrive in time" })
      assert.strictEqual(served.stats().timedOut.body, 1)
    })
  )

  it.live("gives a body that goes on all the time it takes", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, bodyIdleMs: 500 } })
      const client = yield* dial(served)
      const pieces = 200
      client.send(`POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: ${pieces}\r\n\r\n`)
      let sent = 0
      const next = () => {
        if (sent++ < pieces) client.socket.write("x", () => setTimeout(next, 5))
      }
      next()
      yield* client.until((text) => text.endsWith(`\r\n\r\n${pieces}`))
    })
  )

  it.live("closes a connection whose unwanted body never ends, with the one answer it had", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, headerMs: 50, bodyIdleMs: 150 } })
      const client = yield* dial(served)
      client.send("POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
      yield* client.until((text) => statusOf(text) === 401)
      drip(client, "x")
      assert.strictEqual(answersIn(yield* client.closed), 1)
      const patient = yield* dial(served)
      patient.send("POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab")
      yield* patient.until((text) => statusOf(text) === 401)
      patient.send(`c${get("/next")}`)
      yield* patient.until((text) => text.endsWith("ok 5"))
    })
  )

  it.live("has a deadline for the whole request where one is set", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, requestMs: 150 } })
      const client = yield* dial(served)
      client.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
      drip(client, "x")
      assert.strictEqual(statusOf(yield* client.closed), 408)
      assert.strictEqual(served.stats().timedOut.request, 1)
    })
  )

  it.live("does not blame a client that waits for 100 Continue, nor one whose body nobody reads", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, bodyIdleMs: 60 } })
      const patient = yield* dial(served)
      patient.send("POST /gate HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
      const unread = yield* dial(served)
      unread.send(`POST /gate HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n${"x".repeat(200_000)}`)
      yield* Queue.takeN(served.waiting, 2)
      // A third client stalls for as long as it takes to be refused, and the two are still served.
      const stalled = yield* dial(served)
      stalled.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
      assert.strictEqual(statusOf(yield* stalled.closed), 408)
      yield* served.open
      yield* patient.until((text) => text.endsWith("through the gate"))
      yield* unread.until((text) => text.endsWith("through the gate"))
    })
  )
})

describe("answers", () => {
  it.live("destroys a connection whose client takes nothing of its answer, and serves the others meanwhile", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, writeIdleMs: 200 } })
      const client = yield* dial(served)
      client.socket.pause()
      client.send(get("/big"))
      const other = yield* dial(served)
      other.send(get("/x"))
      yield* other.until((text) => statusOf(text) === 200)
      yield* eventually(() => served.stats().timedOut.write === 1)
      client.socket.resume()
      assert.isBelow((yield* client.closed).length, bigBytes)
    })
  )

  it.live("lets a client that reads slowly read to the end", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, writeIdleMs: 400 } })
      const slow = yield* curl("--limit-rate", "40M", "-o", "/dev/null", "-w", "%{size_download}", `${served.url}/big`)
      assert.deepStrictEqual(slow, { exit: 0, out: String(bigBytes) })
      assert.strictEqual(served.stats().timedOut.write, 0)
    })
  )

  it.live("has a deadline from first to last byte where one is set", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, responseMs: 100 } })
      const client = yield* dial(served)
      client.send(get("/endless"))
      assert.include(yield* client.closed, "data: 1")
      assert.strictEqual(served.stats().timedOut.response, 1)
    })
  )
})

describe("connections", () => {
  it.live("does not wait for ever for a refused client to close", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, lingerMs: 100 } })
      const client = yield* connect({ host: "127.0.0.1", port: served.port, allowHalfOpen: true })
      client.send("nonsense\r\n\r\n")
      yield* client.until((text) => statusOf(text) === 400)
      yield* eventually(() => served.stats().open === 0)
      client.socket.destroy()
    })
  )

  it.live("closes a connection that is idle between requests", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, keepAliveMs: 100 } })
      const client = yield* dial(served)
      client.send(get("/a"))
      assert.strictEqual(answersIn(yield* client.closed), 1)
      assert.strictEqual(served.stats().timedOut.idle, 1)
    })
  )

  it.live("makes room for a new connection by closing the one longest without a request", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, connections: 3 } })
      const silent = yield* dial(served)
      const used = yield* dial(served)
      const working = yield* dial(served)
      working.send(get("/gate"))
      yield* Queue.take(served.waiting)
      silent.send("GET /unfinished")
      used.send(get("/used"))
      yield* used.until((text) => statusOf(text) === 200)
      const fourth = yield* dial(served)
      fourth.send(get("/fourth"))
      yield* fourth.until((text) => statusOf(text) === 200)
      assert.strictEqual(yield* silent.closed, "")
      const fifth = yield* dial(served)
      fifth.send(get("/fifth"))
      yield* fifth.until((text) => statusOf(text) === 200)
      assert.strictEqual(answersIn(yield* used.closed), 1)
      yield* served.open
      yield* working.until((text) => text.endsWith("through the gate"))
      const { accepted, evicted, refused } = served.stats()
      assert.deepStrictEqual({ accepted, evicted, refused }, { accepted: 5, evicted: 2, refused: 0 })
    })
  )

  it.live("answers 503 when every connection is busy", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, connections: 2 } })
      const busy = [yield* dial(served), yield* dial(served)]
      for (const client of busy) client.send(get("/gate"))
      yield* Queue.takeN(served.waiting, 2)
      const refused = yield* dial(served)
      refused.send(get("/x"))
      const answer = yield* refused.closed
      assert.deepStrictEqual(bodyOf(answer), { code: 503, message: "All connections are busy" })
      assert.match(answer, /retry-after: 1\r\n/iu)
      yield* served.open
      for (const client of busy) yield* client.until((text) => text.endsWith("through the gate"))
      assert.strictEqual(served.stats().refused, 1)
    })
  )

  it.live("answers a request beside 2000 silent connections, and gives their descriptors back", () =>
    Effect.gen(function* () {
      const before = yield* openDescriptors
      yield* Effect.scoped(
        Effect.gen(function* () {
          const served = yield* serve({ limits: { ...quick, connections: 500 } })
          const silent = yield* Effect.forEach(
            Array.from({ length: 2000 }, () => served),
            dial,
            { concurrency: 100 }
          )
          const started = performance.now()
          assert.deepStrictEqual(yield* curl(`${served.url}/x`), { exit: 0, out: "ok 2" })
          assert.isBelow(performance.now() - started, 5000)
          const { accepted, evicted, open } = served.stats()
          assert.isAtMost(open, 500)
          assert.strictEqual(accepted - evicted - 500, 0)
          yield* Effect.forEach(silent.slice(0, 1000), (client) => client.closed, { concurrency: "unbounded" })
        })
      )
      // Sockets of both sides close within the scope; the event loop frees the last of them just after.
      while ((yield* openDescriptors) > before + 20) yield* Effect.yieldNow
    })
  )
})
