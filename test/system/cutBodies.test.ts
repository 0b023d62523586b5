/**
 * Bodies that end before their end, over HTTP/1.1 and HTTP/2: whoever cuts one, what it was for does not happen, and
 * nothing of it stays. HTTP/2 needs it most: to Node the body of a stream that was closed looks whole.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { readdir, readFile } from "node:fs/promises"
import * as Http2 from "node:http2"
import { join } from "node:path"
import { connect, curl, curlRaw, parseAnswer } from "./client.ts"
import { type Daemon, eventually, execute, shell, start, temporaryFolder } from "./support.ts"

const config = (folder: string, secure: boolean) => `[general]
listen_addr = "127.0.0.1:0"
basic_auth_secret_path = "secret.txt"
tls_enabled = ${secure}
tls_create_if_missing = true
tls_cert_hosts = ["localhost"]
tls_cert_path = "cert.pem"
tls_key_path = "key.pem"
[limits]
body_idle_timeout_ms = 500
[actions]
touch = "touch ${folder}/touched"
[file_uploads]
plain = "${folder}/files/plain"
`

const begin = Effect.fnUntraced(function* (secure: boolean) {
  const folder = yield* temporaryFolder
  yield* shell(folder, "mkdir files && printf old > files/plain")
  return yield* start({ folder, config: config(folder, secure) })
})

const filesOf = ({ folder }: Daemon) => Effect.promise(() => readdir(join(folder, "files")))

const begun = (daemon: Daemon) =>
  eventually(
    "a temporary file is there",
    Effect.map(filesOf(daemon), (names) => names.length === 2)
  )

/** The old file, nothing beside it, and the failure in the log. */
const assertUndone = Effect.fnUntraced(function* (daemon: Daemon) {
  yield* eventually(
    "the temporary file is gone",
    Effect.map(filesOf(daemon), (names) => names.length === 1)
  )
  assert.strictEqual(yield* Effect.promise(() => readFile(join(daemon.folder, "files/plain"), "utf8")), "old")
  yield* eventually(
    "the failure is in the log",
    Effect.map(curlRaw("-k", `${daemon.url}/logs`), ({ out }) =>
      out.includes("file upload error (failed to read): plain")
    )
  )
  assert.notInclude((yield* curlRaw("-k", `${daemon.url}/logs`)).out, "file upload success")
})

const head = (path: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf of it`

const session = (daemon: Daemon): Effect.Effect<Http2.ClientHttp2Session, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const opened = Http2.connect(daemon.url, { rejectUnauthorized: false })
      opened.on("error", () => {})
      await once(opened, "connect")
      return opened
    }),
    (opened) => Effect.sync(() => opened.destroy())
  )

/** A request with a part of its body; without a length, which would give the cut away, unless one is asked for. */
const open2 = (opened: Http2.ClientHttp2Session, path: string, length?: string): Http2.ClientHttp2Stream => {
  const stream = opened.request({
    ":method": "POST",
    ":path": path,
    ...(length === undefined ? {} : { "content-length": length })
  })
  stream.on("error", () => {})
  stream.write("half of it")
  return stream
}

const upload = "/api/v1/file-upload/plain"

describe("an upload cut by the death of curl", () => {
  it.live.each([["--http1.1"], ["--http2"]] as const)("over %s", ([version]) =>
    Effect.gen(function* () {
      const daemon = yield* begin(true)
      yield* shell(daemon.folder, "head -c 3000000 /dev/zero > large")
      const args = ["-sk", version, "--limit-rate", "20k", "-X", "POST", "-T", join(daemon.folder, "large")]
      // It would take minutes; the daemon has had pieces of it by then.
      const { signal } = yield* execute("timeout", ["-s", "KILL", "1", "curl", ...args, `${daemon.url}${upload}`])
      assert.strictEqual(signal, "SIGKILL")
      yield* assertUndone(daemon)
    })
  )
})

describe("over HTTP/1.1, an upload cut", () => {
  it.live("by the end of its client", () =>
    Effect.gen(function* () {
      const daemon = yield* begin(false)
      const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
      line.send(head(upload))
      yield* begun(daemon)
      line.socket.destroy()
      yield* assertUndone(daemon)
    })
  )

  it.live("by a reset", () =>
    Effect.gen(function* () {
      const daemon = yield* begin(false)
      const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
      line.send(head(upload))
      yield* begun(daemon)
      line.socket.resetAndDestroy()
      yield* assertUndone(daemon)
    })
  )

  it.live("by a client that closes its sending side and waits", () =>
    Effect.gen(function* () {
      const daemon = yield* begin(false)
      const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
      line.send(head(upload))
      yield* begun(daemon)
      line.socket.end()
      assert.strictEqual(parseAnswer(yield* line.closed).status, 400)
      yield* assertUndone(daemon)
    })
  )

  it.live("by a pause that is too long", () =>
    Effect.gen(function* () {
      const daemon = yield* begin(false)
      const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
      line.send(head(upload))
      const answer = parseAnswer(yield* line.closed)
      assert.strictEqual(answer.status, 408)
      assert.match(answer.body, /^\{"code":408,"message":"The request body did not arrive in time"\}\n?$/u)
      yield* assertUndone(daemon)
    })
  )
})

describe("over HTTP/2, an upload cut", () => {
  it.live("by a reset of the stream", () =>
    Effect.gen(function* () {
      const daemon = yield* begin(true)
      // Node's client may end the body before it resets the stream: only the length tells then that this is no end.
      const stream = open2(yield* session(daemon), upload, "1000000")
      yield* begun(daemon)
      stream.close(Http2.constants.NGHTTP2_CANCEL)
      yield* assertUndone(daemon)
    })
  )

  it.live.each([
    ["by the end of the session", (stream: Http2.ClientHttp2Stream) => stream.session?.destroy()],
    ["by the end of the connection", (stream: Http2.ClientHttp2Stream) => stream.session?.socket.destroy()]
  ] as const)("%s", ([, cut]) =>
    Effect.gen(function* () {
      const daemon = yield* begin(true)
      const stream = open2(yield* session(daemon), upload)
      yield* begun(daemon)
      cut(stream)
      yield* assertUndone(daemon)
    })
  )

  it.live("by a pause that is too long", () =>
    Effect.gen(function* () {
      const daemon = yield* begin(true)
      const stream = open2(yield* session(daemon), upload)
      const status = yield* Effect.promise(async () => {
        const [headers] = await once(stream, "response")
        return Number(Object(headers)[":status"])
      })
      assert.strictEqual(status, 408)
      yield* assertUndone(daemon)
    })
  )

  it.live("and one that is whole arrives whole", () =>
    Effect.gen(function* () {
      const daemon = yield* begin(true)
      yield* shell(daemon.folder, "head -c 3000000 /dev/urandom > large")
      const file = join(daemon.folder, "large")
      for (const args of [
        ["-T", file],
        ["-H", "Content-Length:", "-T", file]
      ]) {
        const { status } = yield* curl("-k", "--http2", "-X", "POST", ...args, `${daemon.url}${upload}`)
        assert.strictEqual(status, 200)
        yield* shell(daemon.folder, "cmp large files/plain && rm files/plain")
      }
      assert.strictEqual(
        (yield* curl("-k", "--http2", "-X", "POST", `${daemon.url}${upload}`)).status,
        200,
        "an empty one too"
      )
    })
  )
})

describe("over HTTP/2, a cut body", () => {
  it.live("sets no password, runs no action and records no event", () =>
    Effect.gen(function* () {
      const daemon = yield* begin(true)
      for (const path of ["/api/v1/set-basic-auth", "/api/v1/actions/touch"]) {
        const opened = yield* session(daemon)
        const stream = opened.request({ ":method": "POST", ":path": path })
        stream.on("error", () => {})
        stream.write(path.endsWith("auth") ? "half of it" : " ")
        // The answer to a ping says that what was sent before it has arrived.
        yield* Effect.callback<void>((resume) => void opened.ping(() => resume(Effect.void)))
        stream.session?.destroy()
        yield* eventually(
          "it is done with it",
          Effect.sync(() => daemon.said().includes(`POST ${path} `))
        )
      }
      assert.strictEqual((yield* curl("-k", `${daemon.url}/livez`)).status, 200, "open, as before")
      assert.strictEqual(yield* shell(daemon.folder, "cat secret.txt; ls -d touched* 2>/dev/null || true"), "")
      assert.strictEqual((yield* curl("-k", `${daemon.url}/logs`)).body, "")
    })
  )
})
