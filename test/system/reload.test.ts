/** SIGHUP: what can change changes at once, what is wrong changes nothing, and the event log tells either. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Tls from "node:tls"
import { curl, curlRaw, type Line, listenTo, logsOf, request } from "./client.ts"
import { type Daemon, eventually, shell, start, temporaryFolder, write } from "./support.ts"

const config = (general: string, rest = "") => `[general]\nlisten_addr = "127.0.0.1:0"\n${general}\n${rest}`

/** Gives the daemon another file and waits for the line of the log that says what became of it. */
const reload = Effect.fnUntraced(function* (daemon: Daemon, text: string, told: RegExp) {
  // A wish that is still in hand may find the new file.
  const before = (yield* logsOf(daemon.url)).length
  yield* write(daemon.folder, "config.toml", text)
  yield* daemon.signal("SIGHUP")
  const found = Effect.map(logsOf(daemon.url), (lines) => lines.slice(before).find((line) => told.test(line)))
  yield* eventually(
    `the log tells ${String(told)}`,
    Effect.map(found, (line) => line !== undefined)
  )
  return (yield* found) ?? ""
})

const reloaded = /\] configuration reloaded: /u

describe("SIGHUP", () => {
  it.live("puts new, changed and removed actions and uploads in force", () =>
    Effect.gen(function* () {
      const daemon = yield* start({
        config: config("", '[actions]\nold = "true"\nsame = "exit 1"\n[file_uploads]\nfile = "one.txt"\n')
      })
      const statusOf = (path: string, ...args: ReadonlyArray<string>) =>
        Effect.map(curl(...args, `${daemon.url}/api/v1/${path}`), ({ status }) => status)
      assert.strictEqual(yield* statusOf("actions/old"), 200)
      assert.strictEqual(yield* statusOf("actions/new"), 400)
      const told = yield* reload(
        daemon,
        config("", '[actions]\nnew = "true"\nsame = "exit 0"\n[file_uploads]\nfile = "two.txt"\n'),
        reloaded
      )
      for (const key of ["actions.old", "actions.new", "actions.same", "file_uploads.file"]) assert.include(told, key)
      assert.strictEqual(yield* statusOf("actions/old"), 400)
      assert.strictEqual(yield* statusOf("actions/new"), 200)
      assert.strictEqual(yield* statusOf("actions/same"), 200)
      assert.strictEqual(yield* statusOf("file-upload/file", "-d", "x"), 200)
      assert.strictEqual(yield* shell(daemon.folder, "cat two.txt"), "x")
    })
  )

  it.live("with a wrong file changes nothing, and says what is wrong and where", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config("", '[actions]\nold = "true"\n') })
      const told = yield* reload(daemon, config("log_json = 7", '[actions]\nnew = "true"\n'), /not reloaded/u)
      assert.include(told, "configuration not reloaded, nothing changed: config.toml:3: general.log_json: found 7")
      assert.strictEqual((yield* curl(`${daemon.url}/api/v1/actions/old`)).status, 200)
      assert.strictEqual((yield* curl(`${daemon.url}/api/v1/actions/new`)).status, 400)
      yield* reload(daemon, config("", '[actions]\nnew = "true"\n'), reloaded)
      assert.strictEqual((yield* curl(`${daemon.url}/api/v1/actions/new`)).status, 200)
    })
  )

  it.live("names what waits for a restart", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config("") })
      const told = yield* reload(daemon, config('pipe_file = "other.fifo"'), reloaded)
      assert.match(told, /a restart is needed for .*general\.pipe_file/u)
      const nothing = yield* reload(daemon, config(""), reloaded)
      assert.include(nothing, "nothing changed")
    })
  )

  it.live("changes the process log's level and format", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config("") })
      yield* reload(daemon, config("log_json = true\nlog_debug = true"), reloaded)
      yield* request(`${daemon.url}/livez`)
      const [line = ""] = yield* daemon.says(/^\{.*GET \/livez 200.*\}$/mu)
      const parsed: unknown = JSON.parse(line)
      assert.deepInclude(parsed, { level: "info", message: "GET /livez 200" })
      yield* reload(daemon, config(""), reloaded)
      yield* request(`${daemon.url}/readyz`)
      yield* daemon.says(/Z INFO {2}GET \/readyz 200/u)
    })
  )

  it.live("reads the secret file again, and keeps the old one when it is wrong", () =>
    Effect.gen(function* () {
      const text = config('basic_auth_secret_path = "secret.txt"')
      const daemon = yield* start({ config: text })
      yield* curl("-d", "first", `${daemon.url}/api/v1/set-basic-auth`)
      const statusOf = (password: string) =>
        Effect.map(curl("-u", `admin:${password}`, `${daemon.url}/livez`), ({ status }) => status)
      // printf second | sha256sum: the salt is empty.
      yield* shell(daemon.folder, "printf second | sha256sum | head -c 64 > secret.txt")
      yield* daemon.signal("SIGHUP")
      yield* eventually(
        "the new one counts",
        Effect.map(statusOf("second"), (status) => status === 200)
      )
      assert.strictEqual(yield* statusOf("first"), 401)
      yield* write(daemon.folder, "secret.txt", "junk")
      yield* daemon.signal("SIGHUP")
      yield* daemon.says(/basic auth secret not reloaded/u)
      assert.strictEqual(yield* statusOf("second"), 200)
      assert.notInclude(daemon.said(), "junk")
    })
  )

  it.live("shows a new certificate to new connections, and leaves the open ones alone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const make = (name: string) =>
        shell(
          folder,
          `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=${name} -days 2 \
             -addext subjectAltName=DNS:localhost -keyout key.tmp -out cert.tmp 2>&1 && mv key.tmp key.pem && mv cert.tmp cert.pem`
        )
      yield* make("first")
      const text = config('tls_enabled = true\ntls_cert_path = "cert.pem"\ntls_key_path = "key.pem"')
      const daemon = yield* start({ folder, config: text })
      const open = yield* secureLine(daemon.port)
      assert.strictEqual(subjectOf(open), "first")
      open.line.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* open.line.until((seen) => seen.endsWith('{"status":"ok"}\n'))

      yield* make("second")
      yield* daemon.signal("SIGHUP")
      yield* daemon.says(/TLS certificate cert\.pem replaced/u)
      assert.strictEqual(subjectOf(yield* secureLine(daemon.port)), "second")
      open.line.send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* open.line.until((seen) => seen.endsWith('{"code":404,"message":"Not found"}\n'))

      yield* write(folder, "cert.pem", "no certificate")
      yield* daemon.signal("SIGHUP")
      yield* eventually(
        "the log tells of the wrong one",
        Effect.map(curlRaw("-k", `${daemon.url}/logs`), ({ out }) =>
          out.includes("not reloaded: TLS certificate cert.pem")
        )
      )
      assert.strictEqual(subjectOf(yield* secureLine(daemon.port)), "second")
      assert.strictEqual(yield* Effect.promise(() => readFile(join(folder, "cert.pem"), "utf8")), "no certificate")
    })
  )

  it.live("many times in a row is survived", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config("") })
      for (let i = 0; i < 50; i++) yield* daemon.signal("SIGHUP")
      yield* reload(daemon, config("", '[actions]\nlast = "true"\n'), /changed actions\.last/u)
      assert.strictEqual((yield* curl(`${daemon.url}/readyz`)).status, 200)
    })
  )
})

interface SecureLine {
  readonly line: Line
  readonly certificate: X509Certificate | undefined
}

const secureLine = (port: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Tls.TLSSocket>((resume) => {
        const socket = Tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] })
        socket.once("secureConnect", () => resume(Effect.succeed(socket)))
        socket.once("error", (error) => resume(Effect.die(error)))
      }),
      (socket) => Effect.sync(() => socket.destroy())
    ),
    (socket): SecureLine => ({ line: listenTo(socket), certificate: socket.getPeerX509Certificate() })
  )

const subjectOf = ({ certificate }: SecureLine): string | undefined => certificate?.subject.replace("CN=", "")
