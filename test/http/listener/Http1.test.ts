import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { answersIn, bodyOf, connect, curl, dial, eventually, quick, serve, statusOf } from "./harness.ts"

const get = (path: string, ...headers: ReadonlyArray<string>) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers.map((header) => `${header}\r\n`).join("")}\r\n`

describe("HTTP/1 requests", () => {
  it.live("answers curl, keeps the connection, and answers HEAD without a body", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      assert.match(served.url, /^http:\/\/127\.0\.0\.1:\d+$/u)
      const twice = yield* curl("-w", "%{num_connects}\n", `${served.url}/a`, `${served.url}/b`)
      assert.strictEqual(twice.out, "ok 21\nok 20\n")
      const client = yield* dial(served)
      client.send("HEAD /head HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      const head = yield* client.closed
      assert.match(head, /^HTTP\/1\.1 200 OK\r\n[^]*content-length: 4\r\n[^]*\r\n\r\n$/iu)
      assert.strictEqual(served.stats().requests, 3)
    })
  )

  it.live("hands pipelined requests to the handler one by one and answers in order", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      const paths = Array.from({ length: 200 }, (_, n) => `/p${n}`)
      client.send(get("/gate") + paths.map((path) => get(path)).join(""))
      yield* Queue.take(served.waiting)
      assert.deepStrictEqual(served.seen, ["/gate"])
      yield* served.open
      yield* client.until((text) => answersIn(text) === 201)
      assert.deepStrictEqual(served.seen, ["/gate", ...paths])
      assert.isTrue(client.text().includes("through the gate"))
    })
  )

  it.live("ends a connection that pipelines without measure, and no other", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { pipelined: 10 } })
      const other = yield* dial(served)
      const client = yield* dial(served)
      client.send(get("/gate") + get("/more").repeat(11))
      yield* client.closed
      other.send(get("/other"))
      yield* other.until((text) => statusOf(text) === 200)
      assert.deepStrictEqual(served.seen, ["/gate", "/other"])
      assert.strictEqual(served.stats().overrun, 1)
    })
  )

  it.live("counts a chunked and a sized body", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      client.send("POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
      yield* client.until((text) => text.endsWith("\r\n\r\n5"))
      client.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n1234567")
      yield* client.until((text) => text.endsWith("\r\n\r\n7"))
    })
  )

  it.live("sends 100 Continue when the body is asked for, and not before a refusal", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      client.send("POST /count HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
      yield* client.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n")
      client.send("abc")
      yield* client.until((text) => text.endsWith("\r\n\r\n3"))
      client.send("POST /deny HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
      const all = yield* client.closed
      assert.strictEqual(all.split("100 Continue").length, 2)
      assert.match(all, /HTTP\/1\.1 401[^]*connection: close/iu)
    })
  )

  it.live("answers what is no request for a handler in JSON", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, headerFields: 20 } })
      const cases: ReadonlyArray<readonly [string, number, string]> = [
        ["POST /x HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n", 417, "Only the expectation 100-continue is known"],
        ["GET /x HTTP/1.1\r\n\r\n", 400, "Malformed request: the Host header is missing"],
        [get("/x", ...Array.from({ length: 20 }, (_, n) => `h${n}: 1`)), 431, "More than 20 header fields"],
        ["CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405, "This is not a proxy: CONNECT is not possible"],
        ["GET /x HTTP/2.0\r\nHost: x\r\n\r\n", 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here"],
        ["GET /x HTTP/0.9\r\n\r\n", 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here"],
        [
          "POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400,
          "Malformed request: HTTP/1.0 has no Transfer-Encoding"
        ],
        [
          "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
          501,
          "Of transfer codings only chunked is known"
        ]
      ]
      for (const [request, code, message] of cases) {
        const client = yield* dial(served)
        client.send(request)
        const answer = yield* client.closed
        assert.strictEqual(statusOf(answer), code)
        assert.deepStrictEqual(bodyOf(answer), { code, message })
        assert.match(answer, /connection: close/iu)
      }
      assert.deepStrictEqual(served.seen, [])
    })
  )

  it.live("looks at no request behind an answer that is the last", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: quick })
      for (const last of [
        "GET /x HTTP/1.1\r\n\r\n",
        "POST /deny HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
      ]) {
        const client = yield* dial(served)
        client.send(last + get("/behind").repeat(3))
        const answer = yield* client.closed
        assert.strictEqual(answersIn(answer), 1)
        assert.match(answer, /connection: close/iu)
      }
      assert.deepStrictEqual(served.seen, ["/deny"])
    })
  )

  it.live("takes HTTP/1.0 without a Host, and an upgrade as the request it also is", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const old = yield* dial(served)
      old.send("GET /old HTTP/1.0\r\n\r\n")
      assert.strictEqual(statusOf(yield* old.closed), 200)
      const client = yield* dial(served)
      client.send(get("/up", "Connection: Upgrade", "Upgrade: websocket"))
      yield* client.until((text) => text.endsWith("ok 3"))
      client.send(get("/again"))
      yield* client.until((text) => text.endsWith("ok 6"))
    })
  )

  it.live("answers a client that has closed its sending side", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* connect({ host: "127.0.0.1", port: served.port, allowHalfOpen: true })
      client.socket.end(get("/gate"))
      yield* Queue.take(served.waiting)
      yield* served.open
      assert.isTrue((yield* client.closed).endsWith("through the gate"))
    })
  )

  it.live("interrupts the handler when the client goes away", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, halfClosedMs: 50 } })
      const reset = yield* dial(served)
      reset.send(get("/gate"))
      yield* Queue.take(served.waiting)
      reset.socket.resetAndDestroy()
      assert.strictEqual(yield* Queue.take(served.interrupted), "/gate")
      const gone = yield* dial(served)
      gone.send(get("/gate"))
      yield* Queue.take(served.waiting)
      gone.socket.destroy()
      assert.strictEqual(yield* Queue.take(served.interrupted), "/gate")
      assert.strictEqual((yield* curl(`${served.url}/x`)).exit, 0)
    })
  )
})

describe("HTTP/1 that is none", () => {
  const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
  const cases: ReadonlyArray<readonly [name: string, bytes: string, says: string]> = [
    ["a method nobody knows", "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", "Invalid method encountered"],
    ["no request at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "Invalid method encountered"],
    ["a bad version", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", "Invalid HTTP version"],
    ["a target with a control character", "GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n", "Invalid char in url path"],
    ["a space in a header name", "GET / HTTP/1.1\r\nHo st: x\r\n\r\n", "Invalid header token"],
    [
      "two lengths",
      `POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\nabcd${smuggled}`,
      "Duplicate Content-Length"
    ],
    [
      "a length and chunks",
      `POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      "Transfer-Encoding can't be present with Content-Length"
    ],
    [
      "chunks and a length",
      `POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${smuggled}`,
      "Content-Length can't be present with Transfer-Encoding"
    ],
    [
      "an encoding that does not end with chunked",
      `POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n${smuggled}`,
      "Invalid `Transfer-Encoding` header value"
    ],
    [
      "a length that is no number",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
      "Invalid character in Content-Length"
    ],
    ["HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 is spoken over TLS only"]
  ]
  for (const [name, bytes, says] of cases) {
    it.live(`refuses ${name}, once, and closes`, () =>
      Effect.gen(function* () {
        const served = yield* serve({ limits: quick })
        const client = yield* dial(served)
        client.socket.write(Buffer.from(bytes, "latin1"))
        const answer = yield* client.closed
        assert.strictEqual(answersIn(answer), 1)
        assert.deepStrictEqual(bodyOf(answer), { code: 400, message: `Malformed request: ${says}` })
        assert.match(answer, /content-length: \d+\r\n[^]*connection: close/iu)
        assert.notInclude(served.seen, "/smuggled")
        assert.strictEqual(served.stats().malformed, 1)
      })
    )
  }

  it.live("answers the requests before the fault, then the fault", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: quick })
      const client = yield* dial(served)
      client.send(`${get("/gate")}${get("/after")}BREW /pot HTTP/1.1\r\n\r\n`)
      yield* Queue.take(served.waiting)
      yield* served.open
      const all = yield* client.closed
      const codes = [...all.matchAll(/HTTP\/1\.1 (\d{3})/gu)].map((match) => match[1])
      assert.deepStrictEqual(codes, ["200", "200", "400"])
      assert.deepStrictEqual(served.seen, ["/gate", "/after"])
    })
  )

  it.live("answers a fault in a body once, though the handler fails with it", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: quick })
      const client = yield* dial(served)
      client.send("POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      yield* Queue.take(served.waiting)
      client.send("zz\r\nhello\r\n")
      const answer = yield* client.closed
      assert.strictEqual(answersIn(answer), 1)
      assert.deepStrictEqual(bodyOf(answer), {
        code: 400,
        message: "Malformed request: Invalid character in chunk size"
      })
    })
  )

  it.live("outlives whatever is thrown at it", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, headerMs: 100, bodyIdleMs: 100, keepAliveMs: 100 } })
      const whole = "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
      // Every prefix, and every byte of it turned into something else.
      const damaged = Array.from(whole, (_, at) => {
        const bytes = Buffer.from(whole)
        bytes[at] = (at * 37) % 256
        return bytes
      })
      const cut = Array.from(whole, (_, at) => Buffer.from(whole.slice(0, at)))
      yield* Effect.forEach(
        [...damaged, ...cut],
        (bytes) =>
          Effect.scoped(
            Effect.gen(function* () {
              const client = yield* dial(served)
              client.socket.end(bytes)
              const all = yield* client.closed
              assert.match(all, /^$|^HTTP\/1\.1 [245]/u)
            })
          ),
        { concurrency: 20 }
      )
      assert.strictEqual((yield* curl(`${served.url}/x`)).exit, 0)
      yield* eventually(() => served.stats().open === 0)
    })
  )

  it.live("says nothing to a reset and goes on", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      client.send("GET /half")
      client.socket.resetAndDestroy()
      yield* client.closed
      assert.strictEqual((yield* curl(`${served.url}/x`)).exit, 0)
      assert.strictEqual(served.stats().malformed, 0)
    })
  )
})
