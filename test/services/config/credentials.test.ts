import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"

const secret = "0123456789abcdef0123456789abcdef"

/** A file, and a folder of credentials as systemd makes it. */
const setUp = Effect.fnUntraced(function* (text: string, names: ReadonlyArray<string>) {
  const folder = yield* temporaryFolder
  const directory = join(folder, "credentials")
  const path = join(folder, "config.toml")
  yield* Effect.promise(async () => {
    await writeFile(path, text)
    await mkdir(directory)
    for (const name of names) {
      await writeFile(join(directory, name), secret)
      // What an access control list looks like to those who know none.
      await chmod(join(directory, name), 0o440)
    }
  })
  return { path, directory, env: { CREDENTIALS_DIRECTORY: directory } }
})

const everywhere = `[general]
basic_auth_secret_path = "secret"
basic_auth_bootstrap_token_path = "credential:token"
tls_cert_path = "credential:cert"
tls_key_path = "credential:key"
[auth]
jwt_secret_path = "credential:jwt"
mtls_enabled = true
mtls_ca_cert = "credential:ca"
[telemetry]
otlp_headers_path = "credential:headers"
[server]
tls_cert = "credential:cert"
tls_key = "credential:key"
[[listeners]]
address = "127.0.0.1:0"
tls = true
tls_cert_path = "credential:cert"
tls_key_path = "credential:key"
client_ca_path = "credential:ca"
client_crl_path = "credential:crl"
`

const names = ["token", "cert", "key", "jwt", "ca", "crl", "headers"]

describe("credentials", () => {
  it.live("stand wherever a file of a secret is named", () =>
    Effect.gen(function* () {
      const { directory, env, path } = yield* setUp(everywhere, names)
      const { config, warnings } = yield* load(path, env)
      const at = (name: string) => join(directory, name)
      assert.strictEqual(config.general.basic_auth_bootstrap_token_path, at("token"))
      assert.strictEqual(config.general.tls_cert_path, at("cert"))
      assert.strictEqual(config.general.tls_key_path, at("key"))
      assert.strictEqual(config.auth.mtls_ca_cert, at("ca"))
      assert.strictEqual(config.telemetry.otlp_headers_path, at("headers"))
      assert.strictEqual(config.auth.jwt_secret === undefined ? "" : Redacted.value(config.auth.jwt_secret), secret)
      const [own, server] = config.listeners.map(({ tls }) => tls)
      assert.deepInclude(own, { cert_path: at("cert"), key_path: at("key") })
      assert.deepInclude(own?.clients, { ca_path: at("ca"), crl_path: at("crl") })
      assert.deepInclude(server, { cert_path: at("cert"), key_path: at("key") })
      assert.deepStrictEqual(warnings, [])
    })
  )

  it.live.each([
    [
      "of a daemon that was given others",
      'jwt_secret_path = "credential:jwt"',
      ["ca", "key"],
      'auth.jwt_secret_path: found "credential:jwt", but the service manager has given only ca, key'
    ],
    [
      "of a daemon that was given none",
      'jwt_secret_path = "credential:jwt"',
      [],
      'auth.jwt_secret_path: found "credential:jwt", but the service manager has given none'
    ],
    [
      "whose name is a way out of the folder",
      'jwt_secret_path = "credential:../jwt"',
      ["jwt"],
      'auth.jwt_secret_path: found "credential:../jwt", allowed: credential: and a name of letters, digits, ., _ and -'
    ],
    [
      "that is the folder itself",
      'jwt_secret_path = "credential:.."',
      ["jwt"],
      'auth.jwt_secret_path: found "credential:..", allowed: credential: and a name of letters, digits, ., _ and -'
    ],
    [
      "where the daemon writes",
      'identity_path = "credential:jwt"',
      ["jwt"],
      'auth.identity_path: found "credential:jwt", which is no place for a credential, allowed: a path'
    ]
  ] as const)("%s are refused in words", ([, line, given, expected]) =>
    Effect.gen(function* () {
      const { env, path } = yield* setUp(`[auth]\n${line}\n`, given)
      const error = yield* Effect.flip(load(path, env))
      assert.deepStrictEqual(error.problems, [`${path}:2: ${expected}`])
    })
  )

  it.live("need a service manager, but for a command that may not see them", () =>
    Effect.gen(function* () {
      const { path } = yield* setUp('[auth]\njwt_secret_path = "credential:jwt"\n', [])
      const error = yield* Effect.flip(load(path, {}))
      const found = `${path}:2: auth.jwt_secret_path: `
      assert.deepStrictEqual(error.problems, [
        `${found}found "credential:jwt", but there is no service manager that has given credentials`
      ])
      const { config, warnings } = yield* load(path, {}, {}, "unseen")
      assert.deepStrictEqual(warnings, [
        `${found}"credential:jwt" is for the service alone to see, and was not looked at`
      ])
      assert.isUndefined(config.auth.jwt_secret)
    })
  )

  it.live("leave what is no path as it is written", () =>
    Effect.gen(function* () {
      const { env, path } = yield* setUp('[actions]\na = "credential:jwt"\n', ["jwt"])
      const { config } = yield* load(path, env)
      assert.deepStrictEqual(config.actions.get("a")?.command, { _tag: "Shell", text: "credential:jwt" })
    })
  )
})
