import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { exposures } from "../../../src/services/config/exposures.ts"
import { format } from "../../../src/services/config/ListenAddress.ts"
import { formatPath } from "../../../src/services/config/Problem.ts"
import type { ApiName } from "../../../src/services/identity/Principal.ts"
import { configOf, loadText, problemsOf, warningsOf } from "./support.ts"

const file = "systemapi-config.toml"

/** The sample of the original Provisioning API's document, but for its secret, which everybody knows. */
const original = `[server]
host = "0.0.0.0"
port = 8083
cors_enabled = true

[auth]
token_expiry_hours = 24
refresh_token_expiry_hours = 168

[provisioning]
cli_path = "/usr/local/bin/provisioning"
timeout_seconds = 300
max_concurrent_operations = 10

[logging]
level = "info"
json_format = false
`

const alone: ReadonlyArray<ApiName> = ["system", "identity", "provisioning"]
const all: ReadonlyArray<ApiName> = [...alone, "status"]
const own: ReadonlyArray<ApiName> = ["identity", "provisioning"]

const shownOf = (text: string, env = {}, flags = {}) =>
  Effect.map(configOf(text, env, flags), ({ listeners }) =>
    listeners.map(({ address, apis, auth, key }) => [key, format(address), apis, auth])
  )

describe("a configuration of the original Provisioning API", () => {
  it.live("is taken without a word, and opens the address it names and no other", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* loadText(original)
      assert.deepStrictEqual(warnings, [])
      assert.deepStrictEqual(yield* shownOf(original), [["server", "0.0.0.0:8083", alone, ["bearer"]]])
      assert.deepStrictEqual(
        [config.provisioning.driver, config.provisioning.cli_path, config.provisioning.max_concurrent_operations],
        ["cli", "/usr/local/bin/provisioning", 10]
      )
      assert.deepStrictEqual(config.logging, { level: "info", json_format: false })
      assert.deepStrictEqual(
        exposures(config, false).map(({ path, text }) => `${formatPath(path)}: ${text}`),
        ["server: 0.0.0.0:8083 takes logins and tokens without TLS: whoever is on the way reads them"]
      )
    })
  )

  it.live("has one line that is refused, with what to do instead", () =>
    Effect.gen(function* () {
      const printed = original.replace("[auth]\n", '[auth]\njwt_secret = "your-secret-key-here"\n')
      assert.deepStrictEqual(yield* problemsOf(printed), [
        `${file}:7: auth.jwt_secret: found a string of 20 characters, which is the example of a manual and known to everybody, allowed: one of your own, as openssl rand -base64 48 makes them, or none: one is made then`
      ])
    })
  )

  it.live("may have TLS and client certificates", () =>
    Effect.gen(function* () {
      const { listeners } = yield* configOf(`
[server]
tls_cert = "/path/to/cert.pem"
tls_key = "/path/to/key.pem"
[auth]
mtls_enabled = true
mtls_ca_cert = "/path/to/ca.pem"
`)
      assert.deepStrictEqual(
        listeners.map(({ auth, tls }) => [auth, tls]),
        [
          [
            ["bearer", "certificate"],
            {
              cert_path: "/path/to/cert.pem",
              key_path: "/path/to/key.pem",
              min_version: "1.2",
              clients: { ca_path: "/path/to/ca.pem", crl_path: undefined, required: false }
            }
          ]
        ]
      )
    })
  )
})

describe("the server's listener", () => {
  it.live("stands beside the addresses that are written, with its own APIs alone", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shownOf('[general]\nlisten_addr = ":1"\n[server]\n'), [
        ["general.listen_addr", ":1", all, ["basic", "bearer"]],
        ["server", "0.0.0.0:8083", own, ["bearer"]]
      ])
      assert.deepStrictEqual(yield* shownOf('[[listeners]]\naddress = ":1"\napis = ["system"]\n[server]\nport = 2\n'), [
        ["listeners[0]", ":1", ["system"], ["basic", "bearer"]],
        ["server", "0.0.0.0:2", own, ["bearer"]]
      ])
      assert.deepStrictEqual(yield* shownOf('[general]\npipe_file = ""\n'), [
        ["general.listen_addr", "127.0.0.1:3535", all, ["basic", "bearer"]]
      ])
    })
  )

  it.live("is where the command line says, else the file, else the environment", () =>
    Effect.gen(function* () {
      const env = { SERVER_HOST: "127.0.0.1", SERVER_PORT: "1" }
      const where = (text: string, flags = {}) =>
        Effect.map(shownOf(text, env, flags), (shown) => shown.map(([, address]) => address))
      assert.deepStrictEqual(yield* where(""), ["127.0.0.1:1"])
      assert.deepStrictEqual(yield* where("[server]\nport = 2\n"), ["127.0.0.1:2"])
      assert.deepStrictEqual(yield* where('[server]\nhost = "::"\nport = 2\n'), ["[::]:2"])
      assert.deepStrictEqual(yield* where('[server]\nhost = "box"\nport = 2\n', { port: "3" }), ["box:3"])
      assert.deepStrictEqual(yield* where("", { host: "[::1]", port: "0" }), ["[::1]:0"])
      assert.deepStrictEqual(yield* shownOf("", { SERVER_HOST: "", SERVER_PORT: "" }), yield* shownOf(""))
    })
  )

  it.live("gives way to --listen-addr, unless the command line asks for both", () =>
    Effect.gen(function* () {
      const flags = { listen_addr: "127.0.0.1:0" }
      const { config, warnings } = yield* loadText("[server]\n", { SERVER_PORT: "1" }, flags)
      assert.deepStrictEqual(
        config.listeners.map(({ key }) => key),
        ["general.listen_addr"]
      )
      assert.deepStrictEqual(warnings, [
        "SERVER_PORT: not used, because --listen-addr is given",
        `${file}:1: server: not used, because --listen-addr is given`
      ])
      assert.deepStrictEqual(
        (yield* shownOf("[server]\n", {}, { ...flags, port: "2" })).map(([, address]) => address),
        ["127.0.0.1:0", "0.0.0.0:2"]
      )
    })
  )

  it.live("has the certificate of [general] where TLS is on, and never less than that", () =>
    Effect.gen(function* () {
      const general = '[general]\ntls_enabled = true\ntls_cert_path = "c"\n'
      const { listeners } = yield* configOf(`${general}tls_key_path = "k"\n[server]\n`)
      assert.deepStrictEqual(
        listeners.map(({ key, tls }) => [key, tls?.cert_path, tls?.key_path]),
        [["server", "c", "k"]]
      )
      const lacking = `${file}:1: general.tls_key_path: found nothing, but TLS is on: needs a path`
      assert.deepStrictEqual(yield* problemsOf(`${general}[server]\n`), [lacking])
      assert.deepStrictEqual(yield* problemsOf(`${general}[server]\n[[listeners]]\naddress = ":1"\n`), [lacking])
    })
  )

  it.live("takes what it is given only where that makes sense", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* problemsOf('[server]\nhost = "a b"\nport = 65_536\ncors_enabled = "yes"\ntls_cert = "c"\n'),
        [
          `${file}:2: server.host: found "a b", allowed: a host name or an address, such as "127.0.0.1"`,
          `${file}:3: server.port: found 65536, allowed: an integer from 0 to 65535`,
          `${file}:4: server.cors_enabled: found "yes", allowed: true or false`
        ]
      )
      assert.deepStrictEqual(yield* problemsOf('[server]\ntls_cert = "c"\n'), [
        `${file}:1: server: has one of tls_cert and tls_key, needs both or neither`
      ])
      assert.deepStrictEqual(yield* problemsOf("", { SERVER_HOST: "/", SERVER_PORT: "tcp://10.0.0.1:80" }), [
        'SERVER_HOST: found "/", allowed: a host name or an address, such as "127.0.0.1"',
        'SERVER_PORT: found "tcp://10.0.0.1:80", allowed: an integer from 0 to 65535'
      ])
      assert.deepStrictEqual(yield* problemsOf("", {}, { host: "", port: "-1" }), [
        '--host: found "", allowed: a host name or an address, such as "127.0.0.1"',
        '--port: found "-1", allowed: an integer from 0 to 65535'
      ])
      assert.deepStrictEqual(yield* problemsOf('[server]\nport = 1\n[[listeners]]\naddress = "0.0.0.0:1"\n'), [
        `${file}:1: server: has the address of listeners[0], allowed: one of its own`
      ])
      assert.deepStrictEqual(yield* problemsOf("[server]\n[auth]\ndevelopment_users = true\n"), [
        `${file}:3: auth.development_users: found true, but server is 0.0.0.0:8083: everybody knows their passwords, allowed: on loopback addresses and UNIX sockets alone`
      ])
    })
  )
})

describe("cors_enabled", () => {
  const cors = '[cors]\norigins = ["https://ops.example"]\n'

  it.live("lets the origins of [cors] ask, and nobody where it is false", () =>
    Effect.gen(function* () {
      const origins = (text: string) => Effect.map(configOf(text), (config) => config.cors.origins)
      assert.deepStrictEqual(yield* origins(cors), ["https://ops.example"])
      assert.deepStrictEqual(yield* origins(`${cors}[server]\ncors_enabled = true\n`), ["https://ops.example"])
      assert.deepStrictEqual(yield* origins("[server]\ncors_enabled = true\n"), [])
      assert.deepStrictEqual(yield* origins(`${cors}[server]\ncors_enabled = false\n`), [])
      assert.deepStrictEqual(yield* warningsOf(`${cors}[server]\ncors_enabled = false\n`), [
        `${file}:2: cors.origins: not used, because server.cors_enabled is false`
      ])
    })
  )
})

describe("--jwt-secret", () => {
  const secret = "0123456789abcdef0123456789abcdef"

  it.live("wins over the file and the environment, and says who reads it", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* loadText(
        '[auth]\njwt_secret_path = "/nowhere"\n',
        { JWT_SECRET: "another secret that is long enough to be one" },
        { jwt_secret: secret }
      )
      assert.strictEqual(config.auth.jwt_secret === undefined ? "" : Redacted.value(config.auth.jwt_secret), secret)
      assert.deepStrictEqual(warnings, [
        "--jwt-secret: whoever may list the processes of this machine can read it; the environment's JWT_SECRET and auth.jwt_secret_path are for its owner alone",
        `${file}:2: auth.jwt_secret_path: not used, because --jwt-secret is given`
      ])
    })
  )

  it.live("is held to the rules of every secret, and shown in no message", () =>
    Effect.gen(function* () {
      const [problem = "", ...rest] = yield* problemsOf("", {}, { jwt_secret: "my-secret" })
      assert.match(problem, /^--jwt-secret: found a string of 9 characters, which is the example of a manual/u)
      assert.notInclude([problem, ...rest].join(), "my-secret")
      const [beside = ""] = yield* problemsOf('[auth]\njwt_algorithm = "EdDSA"\n', {}, { jwt_secret: secret })
      assert.match(beside, /^--jwt-secret: given beside auth\.jwt_algorithm = "EdDSA"/u)
    })
  )
})
