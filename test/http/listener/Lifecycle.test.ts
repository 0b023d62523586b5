import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { chmod, readdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { asBytes, type Refusal } from "../../../src/http/listener/Answers.ts"
import { listen } from "../../../src/http/listener/Listener.ts"
import { LoopClock } from "../../../src/http/listener/LoopClock.ts"
import type { ListenAddress } from "../../../src/services/config/ListenAddress.ts"
import { answersIn, bodyOf, connect, curl, dial, loopback, quick, serve, temporaryFolder } from "./harness.ts"

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

const hello = () => Effect.succeed(HttpServerResponse.text("hello"))

const messageOf = (address: ListenAddress) =>
  Effect.map(Effect.flip(listen({ address }, hello)), (error) => error.message)

/** The mode of a file as another thread sees it first, which looks without a pause from the time this succeeds. */
const watchMode = (path: string) =>
  Effect.promise(async () => {
    const worker = new Worker(
      `const { lstatSync } = require("node:fs")
       const { parentPort } = require("node:worker_threads")
       parentPort.postMessage("looking")
       let seen
       while (seen === undefined) seen = lstatSync(${JSON.stringify(path)}, { throwIfNoEntry: false })
       parentPort.postMessage(seen.mode & 0o777)`,
      { eval: true }
    )
    const message = () => new Promise<unknown>((resolve) => worker.once("message", resolve))
    await message()
    const seen = message()
    return { first: Effect.promise(() => seen) }
  })

describe("addresses", () => {
  it.live("listens on every interface, on IPv6 and on a name", () =>
    Effect.gen(function* () {
      const everywhere = yield* listen({ address: { _tag: "Tcp", host: undefined, port: 0 } }, hello)
      assert.match(everywhere.url, /^http:\/\/localhost:[1-9]\d*$/u)
      const { port } = everywhere.address._tag === "Tcp" ? everywhere.address : { port: 0 }
      assert.strictEqual((yield* curl(`http://127.0.0.1:${port}/`)).out, "hello")
      const named = yield* listen({ address: { _tag: "Tcp", host: "localhost", port: 0 } }, hello)
      assert.strictEqual((yield* curl(`${named.url}/`)).out, "hello")
      const wildcard = yield* listen({ address: { _tag: "Tcp", host: "0.0.0.0", port: 0 } }, hello)
      assert.strictEqual((yield* curl(`${wildcard.url}/`)).out, "hello")
    })
  )

  it.live("says in words why it cannot listen", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      assert.strictEqual(
        yield* messageOf({ _tag: "Tcp", host: "127.0.0.1", port: served.port }),
        `cannot listen on 127.0.0.1:${served.port}: address already in use`
      )
      assert.strictEqual(
        yield* messageOf({ _tag: "Tcp", host: "192.0.2.1", port: 0 }),
        "cannot listen on 192.0.2.1:0: this machine has no such address"
      )
      assert.match(yield* messageOf({ _tag: "Tcp", host: "nowhere.invalid", port: 0 }), /host name/u)
      const folder = yield* temporaryFolder
      assert.strictEqual(
        yield* messageOf({ _tag: "Unix", path: join(folder, "absent/s") }),
        `cannot listen on unix:${folder}/absent/s: the folder does not exist`
      )
      assert.strictEqual(
        (yield* Effect.flip(
          listen({ address: { _tag: "Unix", path: join(folder, "s") }, certificate: { cert: "", key: "" } }, hello)
        )).reason,
        "TLS is not served on a UNIX socket"
      )
    })
  )

  it.live("serves a UNIX socket with its mode, and removes the file when it stops", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "s")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const served = yield* serve({ address: { _tag: "Unix", path }, socketMode: 0o666 })
          assert.strictEqual(served.url, `unix:${path}`)
          assert.strictEqual((yield* Effect.promise(() => stat(path))).mode & 0o777, 0o666)
          assert.strictEqual((yield* curl("--unix-socket", path, "http://x/a")).out, "ok 2")
        })
      )
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => stat(path)))))
    })
  )

  it.live("shows a UNIX socket with its mode and group from the first moment, and nothing else beside it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const umask = process.umask(0)
      yield* Effect.addFinalizer(() => Effect.sync(() => void process.umask(umask)))
      const group = process.getgid?.() ?? 0
      // The other thread does not look at every moment: several times is nearly always once at the wrong one.
      for (const name of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
        const path = join(folder, name)
        const { first } = yield* watchMode(path)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* serve({ address: { _tag: "Unix", path }, socketMode: 0o600, socketGroup: group })
            assert.strictEqual(yield* first, 0o600)
            assert.strictEqual((yield* Effect.promise(() => stat(path))).gid, group)
            assert.deepStrictEqual(yield* Effect.promise(() => readdir(folder)), [name])
          })
        )
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(folder)), [])
      }
    })
  )

  it.live("leaves the socket of the daemon that came after it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const address: ListenAddress = { _tag: "Unix", path: join(folder, "s") }
      const first = yield* Scope.make()
      const served = yield* Scope.provide(serve({ address }), first)
      yield* served.stop(0)
      const next = yield* serve({ address })
      yield* Scope.close(first, Exit.void)
      assert.strictEqual((yield* curl("--unix-socket", address.path, `http://x/a`)).out, "ok 2")
      assert.deepStrictEqual(next.seen, ["/a"])
    })
  )

  it.live("removes the socket of a dead daemon, and leaves that of a live one and other files alone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const address: ListenAddress = { _tag: "Unix", path: join(folder, "s") }
      // A thread that ends takes its handles with it and leaves the file, as a killed process does.
      yield* Effect.promise(async () => {
        const source = `const net = require("node:net"); const fs = require("node:fs")
          const path = ${JSON.stringify(address.path)}
          net.createServer().listen(path + ".tmp", () => { fs.linkSync(path + ".tmp", path); process.exit() })`
        const worker = new Worker(source, { eval: true })
        await new Promise((resolve) => worker.once("exit", resolve))
      })
      assert.isTrue((yield* Effect.promise(() => stat(address.path))).isSocket())
      const served = yield* serve({ address })
      assert.strictEqual(yield* messageOf(address), `cannot listen on ${served.url}: address already in use`)
      assert.strictEqual((yield* curl("--unix-socket", address.path, "http://x/a")).out, "ok 2")
      const file = join(folder, "file")
      yield* Effect.promise(() => writeFile(file, "precious"))
      assert.match(yield* messageOf({ _tag: "Unix", path: file }), /a file that is no socket is in the way$/u)
      yield* Effect.promise(() => chmod(file, 0o600))
    })
  )
})

describe("stop", () => {
  it.live("closes idle connections at once, lets a request end, and takes no new ones", () =>
    Effect.gen(function* () {
      const served = yield* serve({ limits: quick })
      const idle = yield* dial(served)
      idle.send(get("/a"))
      yield* idle.until((text) => answersIn(text) === 1)
      const silent = yield* dial(served)
      const working = yield* dial(served)
      working.send(get("/gate"))
      yield* Queue.take(served.waiting)
      const stop = yield* Effect.forkChild(served.stop("1 minute"))
      yield* idle.closed
      yield* silent.closed
      assert.strictEqual((yield* curl(`${served.url}/x`)).exit, 7)
      yield* served.open
      const answer = yield* working.closed
      assert.match(answer, /connection: close\r\n[^]*through the gate$/iu)
      yield* Fiber.join(stop)
      yield* served.stop("1 minute")
    })
  )

  it.live("serves what had arrived when it began, on connections that were idle until then", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      client.send(get("/a"))
      yield* client.until((text) => answersIn(text) === 1)
      client.send(get("/a"))
      yield* served.stop("1 minute")
      assert.strictEqual(answersIn(yield* client.closed), 2)
    })
  )

  it.live("does not wait for idle clients that never close their side", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* connect({ host: "127.0.0.1", port: served.port, allowHalfOpen: true })
      client.send(get("/a"))
      yield* client.until((text) => answersIn(text) === 1)
      yield* served.stop("1 minute")
      assert.strictEqual(served.stats().open, 0)
    })
  )

  it.live("cuts what is not done within the grace, and interrupts its handler", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      client.send(get("/gate"))
      yield* Queue.take(served.waiting)
      yield* served.stop("50 millis")
      assert.strictEqual(yield* client.closed, "")
      assert.strictEqual(yield* Queue.take(served.interrupted), "/gate")
    })
  )

  it.live("ends endless answers properly", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      client.send(get("/endless"))
      yield* client.until((text) => text.includes("data: 1"))
      yield* served.stop("1 minute")
      assert.isTrue((yield* client.closed).endsWith("0\r\n\r\n"))
    })
  )

  it.live("is over although a handler refuses to be interrupted", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const entered = yield* Queue.unbounded<void>()
      const stubborn = () => Effect.uninterruptible(Effect.andThen(Queue.offer(entered, undefined), Effect.never))
      const bound = yield* listen({ address: loopback }, stubborn).pipe(Scope.provide(scope))
      const client = yield* connect({ host: "127.0.0.1", port: bound.address._tag === "Tcp" ? bound.address.port : 0 })
      client.send(get("/a"))
      yield* Queue.take(entered)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* client.closed, "")
    })
  )
})

describe("LoopClock", () => {
  it.effect.prop(
    "never goes back, never counts more than passed, and counts a long pause as one step",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })))],
    ([pauses]) =>
      Effect.sync(() => {
        const step = 1000
        let time = 5
        const clock = new LoopClock(step, () => time)
        let expected = 0
        for (const pause of pauses) {
          time += pause
          expected += Math.min(pause, step)
          assert.strictEqual(clock.now(), expected)
          assert.strictEqual(clock.tick(), expected)
        }
      })
  )
})

describe("answers as bytes", () => {
  it.effect.prop(
    "hold the message whatever it is, and their true length",
    [Schema.String, Schema.Literals([400, 405, 408, 413, 417, 431, 503])],
    ([message, code]) =>
      Effect.sync(() => {
        const refusal: Refusal = { code, message }
        const bytes = asBytes(refusal)
        const text = bytes.toString("utf8")
        const head = text.slice(0, text.indexOf("\r\n\r\n"))
        assert.match(head, new RegExp(`^HTTP/1\\.1 ${code} [A-Z]`, "u"))
        assert.strictEqual(
          Number(/content-length: (\d+)/u.exec(head)?.[1]),
          bytes.length - Buffer.byteLength(head) - "\r\n\r\n".length
        )
        // A lone surrogate has no UTF-8 form; JSON escapes it, so it arrives as it was.
        assert.deepStrictEqual(bodyOf(text), { code, message })
      })
  )
})
