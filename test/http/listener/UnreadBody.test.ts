import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { drainedBytesMax } from "../../../src/http/listener/UnreadBody.ts"
import { answersIn, connect, dial, eventually, quick, serve } from "./harness.ts"

const post = (bytes: number) => `POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`
const next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"

describe("a body that nobody wants", () => {
  it.live("is dropped after the answer, and the connection goes on", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: quick })
      const client = yield* dial(served)
      client.send(post(drainedBytesMax))
      assert.match(yield* client.until((text) => text.endsWith("no")), /401[^]*connection: keep-alive/iu)
      client.send("x".repeat(drainedBytesMax))
      client.send(next)
      yield* client.until((text) => answersIn(text) === 2)
      assert.deepStrictEqual(served.seen, ["/deny", "/next"])
    })
  )

  it.live("and is too large ends the connection, after an answer that says so and arrives", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, lingerMs: 50 } })
      const client = yield* dial(served)
      client.send(post(64 * 1024 * 1024))
      client.send("x".repeat(16 * 1024 * 1024))
      assert.match(yield* client.closed, /^HTTP\/1\.1 401[^]*\r\nconnection: close\r\n\r\nno$/iu)
      yield* eventually(() => served.stats().open === 0)
    })
  )

  it.live("and has no length ends the connection when it has become too large", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: { ...quick, lingerMs: 50 } })
      const client = yield* dial(served)
      client.send("POST /deny HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      yield* client.until((text) => text.endsWith("no"))
      const chunk = `${(64 * 1024).toString(16)}\r\n${"x".repeat(64 * 1024)}\r\n`
      client.send(chunk.repeat(16))
      yield* client.closed
      assert.deepStrictEqual([answersIn(client.text()), served.stats().timedOut.body], [1, 0])
    })
  )

  it.live("is no reset for who sends it on after the last answer", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: quick })
      const client = yield* connect({ host: "127.0.0.1", port: served.port, allowHalfOpen: true })
      client.send(post(drainedBytesMax).replace("Host: x", "Host: x\r\nConnection: close"))
      yield* client.until((text) => text.endsWith("no"))
      yield* eventually(() => client.socket.readableEnded)
      for (let sent = 0; sent < drainedBytesMax; sent += 16_384) {
        yield* Effect.callback<void>(
          (resume) => void client.socket.write(Buffer.alloc(16_384), () => resume(Effect.void))
        )
      }
      client.socket.end()
      yield* client.closed
      assert.isNull(client.socket.errored)
    })
  )
})

describe("what is sent behind a last request", () => {
  it.live("is no reset for who sends it, before the answer or after it", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: quick })
      const client = yield* connect({ host: "127.0.0.1", port: served.port, allowHalfOpen: true })
      client.send(next.replace("Host: x", "Host: x\r\nConnection: close"))
      client.send(`GET /never HTTP/1.1\r\nHost: x\r\nX-Huge: ${"x".repeat(1024 * 1024)}\r\n\r\n`)
      yield* eventually(() => client.socket.readableEnded)
      yield* Effect.callback<void>((resume) => void client.socket.write(next, () => resume(Effect.void)))
      client.socket.end()
      assert.strictEqual(answersIn(yield* client.closed), 1)
      assert.isNull(client.socket.errored)
      assert.deepStrictEqual(served.seen, ["/next"])
    })
  )
})
