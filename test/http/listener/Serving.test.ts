import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import { listen } from "../../../src/http/listener/Listener.ts"
import type { App } from "../../../src/http/listener/Serving.ts"
import { answersIn, bodyOf, connect, loopback, statusOf } from "./harness.ts"

const serveApp = Effect.fnUntraced(function* (app: App) {
  const bound = yield* listen({ address: loopback }, app)
  const port = bound.address._tag === "Tcp" ? bound.address.port : 0
  return { ...bound, dial: connect({ host: "127.0.0.1", port }) }
})

const get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"

describe("an application", () => {
  it.live("that throws, dies or is interrupted costs its client the connection and nobody else anything", () =>
    Effect.gen(function* () {
      const faults: ReadonlyArray<readonly [App, number]> = [
        [() => assert.fail("thrown"), 500],
        [() => Effect.die(new Error("died")), 500],
        [() => Effect.andThen(Effect.yieldNow, Effect.die(new Error("died later"))), 500],
        [() => Effect.succeed(HttpServerResponse.text("", { headers: { "x-bad": "a\r\nb" } })), 500],
        [() => Effect.interrupt, 503]
      ]
      for (const [app, status] of faults) {
        const { dial } = yield* serveApp(app)
        const client = yield* dial
        client.send(get)
        const text = yield* client.closed
        assert.strictEqual(statusOf(text), status, text)
        assert.match(text, /\r\nconnection: close\r\n/iu)
        assert.isTrue(answersIn(text) === 1 && Object.keys(bodyOf(text) ?? {}).join(",") === "code,message", text)
      }
    })
  )

  it.live("is asked for the path alone where the target is a whole URL", () =>
    Effect.gen(function* () {
      const { dial } = yield* serveApp(({ url }) => Effect.succeed(HttpServerResponse.text(`<${url}>`)))
      const client = yield* dial
      for (const [target, url] of [
        ["http://other:1/logs?tail=1", "/logs?tail=1"],
        ["HTTP://other", "/"],
        ["/http://a/b", "/http://a/b"],
        ["*", "*"]
      ] as const) {
        client.send(`OPTIONS ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)
        yield* client.until((text) => text.endsWith(`<${url}>`))
      }
    })
  )
})

describe("an answer", () => {
  it.live("that is done is sent with no fiber, and in one write with its head", () =>
    Effect.gen(function* () {
      let fibers = 0
      const { dial } = yield* serveApp(() => {
        if (Fiber.getCurrent() !== undefined) fibers += 1
        return Effect.succeed(HttpServerResponse.text("dönè"))
      })
      const client = yield* dial
      let packets = 0
      client.socket.on("data", () => (packets += 1))
      for (let n = 1; n <= 10; n++) {
        client.send(get)
        yield* client.until((text) => answersIn(text) === n && text.endsWith(Buffer.from("dönè").toString("latin1")))
      }
      assert.deepStrictEqual([fibers, packets], [0, 10])
    })
  )

  it.live("that breaks off within its body is cut, so that nobody takes it for whole", () =>
    Effect.gen(function* () {
      const seen = yield* Deferred.make<void>()
      const broken = Stream.fromEffectDrain(Effect.andThen(Deferred.await(seen), Effect.die(new Error("broken"))))
      const body = Stream.concat(Stream.make(Buffer.from("part")), broken)
      const { dial } = yield* serveApp(() => Effect.succeed(HttpServerResponse.stream(body)))
      const client = yield* dial
      client.send(get)
      yield* client.until((text) => text.includes("part"))
      yield* Deferred.succeed(seen, undefined)
      assert.notInclude(yield* client.closed, "\r\n0\r\n\r\n")
    })
  )

  it.live("has no body where its status has none", () =>
    Effect.gen(function* () {
      const { dial } = yield* serveApp(({ url }) =>
        Effect.succeed(HttpServerResponse.text("text", { status: Number(url.slice(1)) }))
      )
      const client = yield* dial
      for (const status of [204, 205, 304, 200]) {
        client.send(`GET /${status} HTTP/1.1\r\nHost: x\r\n\r\n`)
        yield* client.until((text) => text.includes(`HTTP/1.1 ${status}`))
      }
      const [nothing = "", reset = "", unchanged = "", whole = ""] = client.text().split("HTTP/1.1 ").slice(1)
      for (const empty of [nothing, reset]) assert.notMatch(empty, /content-length|text$/iu)
      for (const head of [nothing, reset, unchanged]) assert.isTrue(head.endsWith("\r\n\r\n"), head)
      assert.match(whole, /content-length: 4\r\n[^]*\r\n\r\ntext$/u)
    })
  )
})
