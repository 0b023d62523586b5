/**
 * A served application to aim at, and the clients that do: raw sockets that are waited on by what they receive, curl,
 * and HTTP/2 sessions. Everything is scoped.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { execFile } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Certificate } from "../../../src/http/listener/Engines.ts"
import type { Incoming } from "../../../src/http/listener/Incoming.ts"
import type { ListenerLimits } from "../../../src/http/listener/Limits.ts"
import { type BoundListener, listen, stopping } from "../../../src/http/listener/Listener.ts"
import type { ListenAddress } from "../../../src/services/config/ListenAddress.ts"

export const loopback: ListenAddress = { _tag: "Tcp", host: "127.0.0.1", port: 0 }

/** Looked at often, so that the deadlines a test sets can be small; those it does not aim at stay far away. */
export const quick = { checkMs: 20, lingerMs: 5000 } satisfies Partial<ListenerLimits>

export const bigBytes = 64 * 1024 * 1024

export interface Served extends BoundListener {
  readonly port: number
  /** The paths asked for, in the order in which the handler saw them. */
  readonly seen: Array<string>
  /** Paths whose handler was interrupted. */
  readonly interrupted: Queue.Queue<string>
  /** One path per request that reached a gate. */
  readonly waiting: Queue.Queue<string>
  /** Lets every request to `/gate` go on. */
  readonly open: Effect.Effect<void>
}

export const serve = Effect.fnUntraced(function* (
  options: {
    readonly address?: ListenAddress
    readonly certificate?: Certificate
    readonly limits?: Partial<ListenerLimits>
    readonly socketMode?: number
    readonly socketGroup?: number
  } = {}
): Effect.fn.Return<Served, never, Scope.Scope> {
  const gate = yield* Deferred.make<void>()
  const interrupted = yield* Queue.unbounded<string>()
  const waiting = yield* Queue.unbounded<string>()
  const seen: Array<string> = []
  const big = new Uint8Array(bigBytes)

  const app = Effect.fnUntraced(function* (request: Incoming) {
    const path = request.url.split("?")[0] ?? ""
    seen.push(request.url.slice(0, 40))
    switch (path) {
      case "/gate":
        yield* Queue.offer(waiting, path)
        yield* Deferred.await(gate).pipe(
          Effect.onInterrupt(() => Queue.offer(interrupted, path)),
          Effect.interruptible
        )
        return HttpServerResponse.text("through the gate")
      case "/count": {
        yield* Queue.offer(waiting, path)
        const bytes = yield* Effect.interruptible(
          Stream.runFold(
            Stream.orDie(request.body),
            () => 0,
            (sum, chunk) => sum + chunk.length
          )
        )
        return HttpServerResponse.text(String(bytes))
      }
      case "/own":
        return HttpServerResponse.text("mine", {
          headers: { "cache-control": "max-age=60", "content-security-policy": "default-src 'self'" }
        })
      case "/deny":
        return HttpServerResponse.text("no", { status: 401 })
      case "/big":
        return HttpServerResponse.uint8Array(big)
      case "/endless": {
        const stop = yield* stopping
        const ticks = Stream.concat(Stream.make("data: 1\n\n"), Stream.never).pipe(
          Stream.encodeText,
          Stream.interruptWhen(Deferred.await(stop))
        )
        return HttpServerResponse.stream(ticks, { contentType: "text/event-stream" })
      }
      default:
        return HttpServerResponse.text(`ok ${request.url.length}`)
    }
  })
  const bound = yield* Effect.orDie(listen({ address: loopback, ...options }, app))
  const port = bound.address._tag === "Tcp" ? bound.address.port : 0
  return { ...bound, port, seen, interrupted, waiting, open: Effect.asVoid(Deferred.succeed(gate, undefined)) }
})

/** A connection that remembers what it received. */
export interface Client {
  readonly socket: Net.Socket
  readonly send: (text: string | Uint8Array) => void
  readonly text: () => string
  /** Waits until what was received fits; fails when the connection ends before. */
  readonly until: (fits: (text: string) => boolean) => Effect.Effect<string>
  /** Waits for the end of the connection, however it comes, and gives all that was received. */
  readonly closed: Effect.Effect<string>
}

export const follow = (socket: Net.Socket): Client => {
  const chunks: Array<Buffer> = []
  const text = () => Buffer.concat(chunks).toString("latin1")
  socket.on("data", (chunk: Buffer) => chunks.push(chunk))
  socket.on("error", () => {})
  return {
    socket,
    send: (data) => void socket.write(data),
    text,
    until: (fits) =>
      Effect.callback<string>((resume) => {
        const look = () => {
          if (fits(text())) resume(Effect.succeed(text()))
        }
        const ended = () => resume(Effect.die(new Error(`the connection ended after: ${text()}`)))
        socket.on("data", look)
        socket.once("close", ended)
        look()
        if (socket.destroyed) ended()
        return Effect.sync(() => {
          socket.off("data", look)
          socket.off("close", ended)
        })
      }),
    closed: Effect.callback<string>((resume) => {
      if (socket.destroyed) return resume(Effect.succeed(text()))
      socket.once("close", () => resume(Effect.succeed(text())))
    })
  }
}

export const connect = (options: Net.NetConnectOpts): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const socket = Net.connect(options)
        await once(socket, "connect")
        return socket
      }),
      (socket) => Effect.sync(() => socket.destroy())
    ),
    follow
  )

export const dial = (served: Served) => connect({ host: "127.0.0.1", port: served.port })

export interface CurlResult {
  readonly exit: number
  readonly out: string
}

/** curl with its own exit code; a body goes in over stdin. */
export const curl = (...args: ReadonlyArray<string>): Effect.Effect<CurlResult> =>
  Effect.callback((resume) => {
    const child = execFile("curl", ["-sS", "--max-time", "30", ...args], { maxBuffer: 1 << 28 }, (error, out) => {
      const exit = error === null ? 0 : typeof error.code === "number" ? error.code : -1
      resume(Effect.succeed({ exit, out }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "systemapi-listener-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** A self-signed P-256 certificate for localhost, made by openssl. */
export const makeCertificate = Effect.fnUntraced(function* (commonName: string) {
  const folder = yield* temporaryFolder
  const cert = join(folder, "cert.pem")
  const key = join(folder, "key.pem")
  yield* Effect.callback<void>((resume) => {
    execFile(
      "openssl",
      [
        ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -addext".split(" "),
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-subj",
        `/CN=${commonName}`,
        "-keyout",
        key,
        "-out",
        cert
      ],
      (error) => resume(error === null ? Effect.void : Effect.die(error))
    )
  })
  const read = (file: string) => Effect.promise(() => readFile(file, "utf8"))
  return { cert: yield* read(cert), key: yield* read(key), certFile: cert }
})

/** For what the other side of a socket notices in its own time: looks once in every turn of the event loop. */
export const eventually = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.andThen(nextTurn, eventually(holds))))

const nextTurn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

export const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/u.exec(text)?.[1] ?? 0)

/** The JSON at the end of a one-answer connection. */
export const bodyOf = (text: string): unknown => JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4))

export const answersIn = (text: string): number => text.split("HTTP/1.1 ").length - 1
