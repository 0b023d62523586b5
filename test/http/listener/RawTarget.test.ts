import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { answersIn, curl, dial, makeCertificate, serve, statusOf } from "./harness.ts"

const request = (target: string, headers = "") => Buffer.from(`GET ${target} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`)

describe("a request target with bytes above 0x7f", () => {
  it.live("is taken as curl sends it, on new connections and on those that were used", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const targets = ["/a?message=héllo", "/plain", "/b/€𝄞?x=ü", "/plain", "/c?é=1"]
      const { exit } = yield* curl(...targets.map((target) => `${served.url}${target}`))
      assert.strictEqual(exit, 0)
      // curl encodes a path itself, in lower case, and leaves a query as it was typed.
      assert.deepStrictEqual(
        served.seen.map((target) => decodeURI(target)),
        targets
      )
      assert.strictEqual(served.stats().malformed, 0)
    })
  )

  it.live("is taken over TLS", () =>
    Effect.gen(function* () {
      const served = yield* serve({ certificate: yield* makeCertificate("localhost") })
      const url = `${served.url}/a?message=héllo`
      const { exit } = yield* curl("--http1.1", "-k", url, url)
      assert.strictEqual(exit, 0)
      assert.deepStrictEqual(served.seen, ["/a?message=h%C3%A9llo", "/a?message=h%C3%A9llo"])
    })
  )

  it.live("is taken among other requests of the same packet, each once and in order", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      const targets = ["/1", "/é2?q=é", "/3", "/é4", "/é5", "/6"]
      client.send(Buffer.concat(targets.map((target) => request(target))))
      yield* client.until((text) => answersIn(text) === targets.length)
      assert.deepStrictEqual(
        served.seen,
        targets.map((target) => encodeURI(target))
      )
    })
  )

  it.live("may come before a body, whose bytes are left alone, and its head in pieces", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      const body = Buffer.from("GET /é HTTP/1.1\r\n")
      client.send("POST /count?é HTTP/1.1\r\nHost: x\r\nContent-")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      client.send(Buffer.concat([Buffer.from(`Length: ${body.length}\r\n\r\n`), body]))
      yield* client.until((text) => text.endsWith(`\r\n\r\n${body.length}`))
      client.send(request("/after"))
      yield* client.until((text) => answersIn(text) === 2)
      assert.deepStrictEqual(served.seen, ["/count?%C3%A9", "/after"])
    })
  )

  it.live("changes no limit, and makes nothing else right", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { headerBytes: 8192, headerFields: 20 } })
      const refused = Effect.fnUntraced(function* (bytes: string | Buffer) {
        const client = yield* dial(served)
        client.send(bytes)
        return statusOf(yield* client.closed)
      })
      assert.strictEqual(yield* refused(request("/é", `X: ${"x".repeat(9000)}\r\n`)), 431)
      assert.strictEqual(yield* refused(request(`/${"é".repeat(2000)}`)), 431)
      assert.strictEqual(yield* refused(request("/é", "X: x\r\n".repeat(30))), 431)
      assert.strictEqual(yield* refused(request("/é\u0001")), 400)
      assert.strictEqual(yield* refused("GET /é HTTP/x\r\n\r\n"), 400)
      assert.strictEqual(yield* refused("éGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 400)
      assert.deepStrictEqual(served.seen, [])
    })
  )

  it.live("outlives whatever is around it", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      let seed = 1
      const random = (below: number) => {
        seed = (seed * 48_271) % 2_147_483_647
        return seed % below
      }
      for (let round = 0; round < 300; round++) {
        const bytes = Buffer.concat(Array.from({ length: 1 + random(3) }, () => request(`/${random(9)}?m=é`)))
        for (let n = random(4); n > 0; n--) bytes[random(bytes.length)] = random(256)
        const client = yield* dial(served)
        const cut = random(bytes.length)
        client.send(bytes.subarray(0, cut))
        if (random(2) === 0) yield* Effect.yieldNow
        client.send(bytes.subarray(cut))
        client.socket.end()
        yield* client.closed
      }
      const client = yield* dial(served)
      client.send(request("/alive"))
      assert.strictEqual(statusOf(yield* client.until((text) => answersIn(text) === 1)), 200)
    })
  )
})
