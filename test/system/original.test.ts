/** A configuration of the original starts this daemon unchanged, flags and environment mean what they meant to it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { X509Certificate } from "node:crypto"
import { access, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { curl, curlRaw, logsOf, request, resultOf } from "./client.ts"
import { execute, run, shell, start, temporaryFolder, write } from "./support.ts"

/** The original's own sample with TLS turned on, to the letter. */
const sample = `[general]
listen_addr = "0.0.0.0:3535"
pipe_file = "pipe.fifo"
pprof = true
log_json = false
log_debug = true
log_max_entries = 1000
basic_auth_secret_path = "basic-auth-hash.txt"
basic_auth_secret_salt = "D;%yL9TS:5PalS/d"
# http_read_timeout_ms = 2500
# http_write_timeout_ms = 2500
tls_enabled = true
tls_create_if_missing = true
tls_cert_hosts = ["localhost", ""]
tls_cert_path = "cert.pem"
tls_key_path = "key.pem"
[actions]
echo_test = "echo test"
[file_uploads]
testfile = "/tmp/testfile.txt"
`

/** Several of these run at once on one machine; the flag is the one difference to how the original is started. */
const anyPort = ["--listen-addr", "127.0.0.1:0"]

const modeOf = (folder: string, name: string) =>
  Effect.map(
    Effect.promise(() => stat(join(folder, name))),
    ({ mode }) => mode & 0o7777
  )
const textOf = (folder: string, name: string) => Effect.promise(() => readFile(join(folder, name), "utf8"))

describe("the original's sample configuration", () => {
  it.live("is right, without a warning", () =>
    Effect.gen(function* () {
      const { code, err, out } = yield* run({ args: ["config", "check", "config.toml"], folder: yield* withSample })
      assert.deepStrictEqual([code, out, err], [0, "config.toml: ok\n", ""])
    })
  )

  it.live("serves HTTPS over HTTP/1.1 and HTTP/2 with a certificate of its own making, kept for the next start", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const daemon = yield* start({ folder, config: sample, args: anyPort })
      assert.notMatch(daemon.said(), /warning|WARN|ERROR/u)
      assert.match(daemon.url, /^https:/u)
      for (const [flag, version] of [
        ["--http1.1", "1.1"],
        ["--http2", "2"]
      ] as const) {
        const { out } = yield* curlRaw("-k", flag, "-w", "%{http_version}", `${daemon.url}/livez`)
        assert.strictEqual(out, `{"status":"ok"}\n${version}`)
      }
      assert.deepStrictEqual([yield* modeOf(folder, "cert.pem"), yield* modeOf(folder, "key.pem")], [0o600, 0o600])
      const cert = yield* textOf(folder, "cert.pem")
      const key = yield* textOf(folder, "key.pem")
      const seen = yield* shell(
        folder,
        "openssl x509 -in cert.pem -noout -text && openssl pkey -in key.pem -noout -text"
      )
      assert.include(seen, "NIST CURVE: P-256")
      assert.include(seen, "DNS:localhost")
      assert.strictEqual(new X509Certificate(cert).checkHost("localhost"), "localhost")
      const trusting = ["--cacert", join(folder, "cert.pem"), "--resolve", `localhost:${daemon.port}:127.0.0.1`]
      assert.strictEqual(
        (yield* curlRaw(...trusting, `https://localhost:${daemon.port}/livez`)).out,
        '{"status":"ok"}\n'
      )

      assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
      const again = yield* start({ folder, config: sample, args: anyPort })
      assert.strictEqual((yield* curlRaw("-k", `${again.url}/livez`)).code, 0)
      assert.deepStrictEqual([yield* textOf(folder, "cert.pem"), yield* textOf(folder, "key.pem")], [cert, key])
    })
  )

  it.live("speaks TLS 1.2 at least", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: sample, args: anyPort })
      const handshake = (version: string) =>
        execute(
          "openssl",
          ["s_client", "-connect", `127.0.0.1:${daemon.port}`, version, "-cipher", "ALL:@SECLEVEL=0"],
          {
            stdin: ""
          }
        )
      assert.strictEqual((yield* handshake("-tls1_2")).code, 0)
      assert.notStrictEqual((yield* handshake("-tls1_1")).code, 0)
      assert.strictEqual((yield* curlRaw("-k", `${daemon.url}/livez`)).out, '{"status":"ok"}\n')
    })
  )
})

const withSample = Effect.flatMap(temporaryFolder, (folder) => Effect.as(write(folder, "config.toml", sample), folder))

const isThere = (folder: string, name: string) =>
  Effect.promise(() =>
    access(join(folder, name)).then(
      () => true,
      () => false
    )
  )

describe("flags", () => {
  it.live("win over the file, with one dash or two", () =>
    Effect.gen(function* () {
      const config = '[general]\nlisten_addr = "192.0.2.1:1"\npipe_file = "/nowhere/of-the-file.fifo"\n'
      const two = yield* start({ config, args: [...anyPort, "--pipe-file", "of-the-flag.fifo"] })
      assert.strictEqual((yield* curl(`${two.url}/livez`)).status, 200)
      assert.isTrue(yield* isThere(two.folder, "of-the-flag.fifo"))
      const one = yield* start({ config, args: ["-listen-addr=127.0.0.1:0", "-pipe-file=short.fifo"] })
      assert.strictEqual((yield* curl(`${one.url}/livez`)).status, 200)
      assert.isTrue(yield* isThere(one.folder, "short.fifo"))
    })
  )

  it.live("without a configuration everything has the original's default", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ args: anyPort })
      assert.isTrue(yield* isThere(daemon.folder, "pipe.fifo"))
      assert.isTrue(yield* isThere(daemon.folder, "systemapi-state"))
      assert.strictEqual((yield* curl("-d", "secret", `${daemon.url}/api/v1/set-basic-auth`)).status, 501)
      assert.strictEqual((yield* curl(`${daemon.url}/api/v1/actions/echo_test`)).status, 400)
      assert.strictEqual((yield* curl("-d", "x", `${daemon.url}/api/v1/file-upload/testfile`)).status, 400)
      const { body } = yield* curl(`${daemon.url}/api/v1/info`)
      assert.include(body, '"log_max_entries":1000')
    })
  )
})

const recordThree = (url: string) =>
  Effect.forEach(["one", "two", "three"], (message) => request(`${url}/api/v1/new_event?message=${message}`))

describe("the environment", () => {
  it.live("MAX_EVENTS says how many events are shown, where the file does not", () =>
    Effect.gen(function* () {
      const env = { MAX_EVENTS: "2" }
      const asked = yield* start({ args: anyPort, env })
      yield* recordThree(asked.url)
      assert.deepStrictEqual(yield* logsOf(asked.url), ["two", "three"])
      assert.strictEqual((yield* request(`${asked.url}/api/v1/events?after=0`)).body.split('"seq"').length - 1, 3)
      const config = '[general]\nlisten_addr = "127.0.0.1:0"\nlog_max_entries = 1\n'
      const told = yield* start({ config, env })
      yield* recordThree(told.url)
      assert.deepStrictEqual(yield* logsOf(told.url), ["three"])
    })
  )

  it.live("SHELL_TO_USE runs the actions, where the file does not say otherwise", () =>
    Effect.gen(function* () {
      const which = (general: string) =>
        `[general]\nlisten_addr = "127.0.0.1:0"\n${general}\n[actions]\nwhich = 'echo $(readlink /proc/$$/exe)'\n`
      const shellOf = Effect.fnUntraced(function* (general: string, env: Record<string, string>) {
        const { url } = yield* start({ config: which(general), env })
        return resultOf(yield* curl("-X", "POST", `${url}/api/v1/actions/which`)).stdout.head.trim()
      })
      const here = (path: string) => Effect.map(execute("readlink", ["-f", path]), ({ out }) => out.trim())
      assert.strictEqual(yield* shellOf("", { SHELL_TO_USE: "/bin/bash" }), yield* here("/bin/bash"))
      assert.strictEqual(yield* shellOf('shell = "/bin/sh"', { SHELL_TO_USE: "/bin/bash" }), yield* here("/bin/sh"))
      const missing = yield* start({ config: which(""), env: { SHELL_TO_USE: "/bin/no-such-shell" } })
      const { body, status } = yield* curl(`${missing.url}/api/v1/actions/which`)
      assert.strictEqual(status, 500)
      assert.include(body, "/bin/no-such-shell")
    })
  )

  it.live("STATE_DIRECTORY is where events are kept", () =>
    Effect.gen(function* () {
      const state = yield* temporaryFolder
      const daemon = yield* start({ args: anyPort, env: { STATE_DIRECTORY: `${state}:/nowhere` } })
      assert.isTrue(yield* isThere(state, "store.sqlite"))
      assert.isFalse(yield* isThere(daemon.folder, "systemapi-state"))
    })
  )
})
