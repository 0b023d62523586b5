import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { configOf, loadText, problemsOf, warningsOf } from "./support.ts"

const file = "systemapi-config.toml"
const good = "kS3nq0Yc1xv9Z2bQm7Tt5WfL8aRd4Hg6"

/** A file of the secret, with that mode. */
const secretFile = Effect.fnUntraced(function* (text: string, mode: number) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "systemapi-test-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  const path = join(folder, "jwt-secret")
  yield* Effect.promise(() => writeFile(path, text).then(() => chmod(path, mode)))
  return path
})

describe("[auth]", () => {
  it.live("has its defaults, and hours as seconds", () =>
    Effect.gen(function* () {
      const { auth } = yield* configOf('[store]\ndirectory = "/var/lib/systemapi"\n')
      assert.deepStrictEqual(auth, {
        identity_path: "/var/lib/systemapi/identity.sqlite",
        jwt_secret: undefined,
        jwt_secret_path: undefined,
        jwt_algorithm: "HS256",
        jwt_issuer: "systemapi",
        jwt_audience: "systemapi",
        token_expiry_s: 86_400,
        refresh_token_expiry_s: 604_800,
        development_users: false,
        password_min_length: 12,
        justification_required: [],
        approval_required: [],
        approval_ttl_s: 3600,
        mtls_enabled: false,
        mtls_ca_cert: ""
      })
      const quarter = yield* configOf('[auth]\ntoken_expiry_hours = 0.25\nidentity_path = "/srv/identity"\n')
      assert.deepStrictEqual([quarter.auth.token_expiry_s, quarter.auth.identity_path], [900, "/srv/identity"])
    })
  )

  it.live("takes the secret from the file, else from the environment, and shows it nowhere", () =>
    Effect.gen(function* () {
      const other = `other-${good}`
      const inFile = yield* configOf(`[auth]\njwt_secret = "${good}"\n`, { JWT_SECRET: other })
      const inEnvironment = yield* configOf("", { JWT_SECRET: other })
      const secretOf = ({ auth }: typeof inFile) => auth.jwt_secret && Redacted.value(auth.jwt_secret)
      assert.deepStrictEqual([secretOf(inFile), secretOf(inEnvironment)], [good, other])
      assert.isUndefined((yield* configOf("", { JWT_SECRET: "" })).auth.jwt_secret)
      assert.notInclude(JSON.stringify(inFile), good)
    })
  )

  it.live("refuses secrets that are short or printed in manuals, without showing them", () =>
    Effect.gen(function* () {
      for (const printed of [
        "your-secret-key-here",
        "your-secret-here",
        "your-secret-key",
        "my-secret",
        "MY_JWT_SECRET"
      ]) {
        assert.deepStrictEqual(yield* problemsOf(`[auth]\njwt_secret = "${printed}"\n`), [
          `${file}:2: auth.jwt_secret: found a string of ${printed.length} characters, which is the example of a manual and known to everybody, allowed: one of your own, as openssl rand -base64 48 makes them, or none: one is made then`
        ])
      }
      const short = "0123456789abcdef0123456789abcde"
      const text = "found a string of 31 bytes, allowed: at least 32, as openssl rand -base64 48 makes them"
      assert.deepStrictEqual(yield* problemsOf(`[auth]\njwt_secret = "${short}"\n`), [
        `${file}:2: auth.jwt_secret: ${text}`
      ])
      assert.deepStrictEqual(yield* problemsOf("", { JWT_SECRET: short }), [`JWT_SECRET: ${text}`])
      assert.deepStrictEqual(yield* problemsOf(`[auth]\njwt_secret = ["${good}"]\n`), [
        `${file}:2: auth.jwt_secret: found an array of 1, allowed: text of at most 4096 characters`
      ])
    })
  )

  it.live("takes the secret from a file that only its owner may read", () =>
    Effect.gen(function* () {
      const kept = yield* secretFile(`${good}\n`, 0o600)
      const { auth } = yield* configOf(`[auth]\njwt_secret_path = "${kept}"\n`, { JWT_SECRET: `env-${good}` })
      assert.strictEqual(auth.jwt_secret && Redacted.value(auth.jwt_secret), good)
      const open = yield* secretFile(good, 0o640)
      const problem = (found: string) => [`${file}:2: auth.jwt_secret_path: found ${found}`]
      const problemsWith = (path: string) => problemsOf(`[auth]\njwt_secret_path = "${path}"\n`)
      assert.deepStrictEqual(
        yield* problemsWith(open),
        problem(`"${open}", which is open to other users (mode 0640), allowed: mode 0600`)
      )
      assert.deepStrictEqual(yield* problemsWith("/nonexistent"), problem('"/nonexistent", which does not exist'))
      assert.deepStrictEqual(yield* problemsWith("/dev/zero"), problem('"/dev/zero", which is not a regular file'))
      assert.deepStrictEqual(
        yield* problemsWith(yield* secretFile("short", 0o600)),
        problem("a string of 5 bytes, allowed: at least 32, as openssl rand -base64 48 makes them")
      )
      assert.deepStrictEqual(yield* problemsOf(`[auth]\njwt_secret = "${good}"\njwt_secret_path = "${kept}"\n`), [
        `${file}:2: auth.jwt_secret: given beside jwt_secret_path, allowed: one of them`
      ])
    }).pipe(Effect.scoped)
  )

  it.live("has no secret beside keys that are made here", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf(`[auth]\njwt_algorithm = "EdDSA"\njwt_secret = "${good}"\n`), [
        `${file}:3: auth.jwt_secret: given beside jwt_algorithm = "EdDSA", whose keys are made here, allowed: one of them`
      ])
      const { config, warnings } = yield* loadText('[auth]\njwt_algorithm = "EdDSA"\n', { JWT_SECRET: good })
      assert.isUndefined(config.auth.jwt_secret)
      assert.deepStrictEqual(warnings, ['JWT_SECRET: not used, because auth.jwt_algorithm is "EdDSA"'])
    })
  )

  it.live("has bounds, and permissions there are", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf("[auth]\ntoken_expiry_hours = 0\nrefresh_token_expiry_hours = nan\n"), [
        `${file}:2: auth.token_expiry_hours: found 0, allowed: a number from 0.01 to 720`,
        `${file}:3: auth.refresh_token_expiry_hours: found nan, allowed: a number from 0.01 to 8784`
      ])
      assert.deepStrictEqual(
        yield* problemsOf(`[auth]
refresh_token_expiry_hours = 1
justification_required = ["events:read", "event:read", "users*"]
approval_required = ["actions:rn:restart", "secret:set", "*:x", "uploads:wrte", "key:*", "nothing:like it"]
`),
        [
          `${file}:2: auth.refresh_token_expiry_hours: found 1, which is less than token_expiry_hours (24)`,
          `${file}:3: auth.justification_required[1]: found "event:read", which matches no permission there is, did you mean "events:read"?`,
          `${file}:4: auth.approval_required[0]: found "actions:rn:restart", which matches no permission there is, did you mean "actions:run:restart"?`,
          `${file}:4: auth.approval_required[2]: found "*:x", which is no permission`,
          `${file}:4: auth.approval_required[3]: found "uploads:wrte", which matches no permission there is, did you mean "uploads:write:*"?`,
          `${file}:4: auth.approval_required[4]: found "key:*", which matches no permission there is, did you mean "keys:*"?`,
          `${file}:4: auth.approval_required[5]: found "nothing:like it", which is no permission`
        ]
      )
    })
  )

  it.live("lets everybody's passwords in on this machine alone", () =>
    Effect.gen(function* () {
      const on = "[auth]\ndevelopment_users = true\n"
      const listener = (address: string, auth = '["basic", "bearer"]') =>
        `[[listeners]]\naddress = "${address}"\nauth = ${auth}\n`
      for (const address of [
        "127.0.0.1:1",
        "127.9.9.9:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
        "localhost:1",
        "unix:/x"
      ]) {
        yield* configOf(on + listener(address))
      }
      for (const address of ["0.0.0.0:1", ":1", "[::]:1", "[::ffff:10.0.0.1]:1", "10.0.0.1:1", "localhost.example:1"]) {
        assert.deepStrictEqual(yield* problemsOf(on + listener("unix:/x") + listener(address)), [
          `${file}:2: auth.development_users: found true, but listeners[1] is ${address}: everybody knows their passwords, allowed: on loopback addresses and UNIX sockets alone`
        ])
      }
      yield* configOf(on)
      assert.lengthOf(yield* problemsOf(on, {}, { listen_addr: ":1" }), 1)
      // Where neither a password nor a token is taken, these are of no use.
      yield* configOf(`${on + listener(":1", '["none"]')}roles = ["viewer"]\nforce_no_auth = true\n`)
    })
  )
})

describe("[roles]", () => {
  it.live("are sets of permissions with plain names", () =>
    Effect.gen(function* () {
      const { roles } = yield* configOf(`
[roles.deployer]
permissions = ["actions:run:deploy_*", "actions:run:odd:name", "*"]
description = "Deploys"
[roles.nothing]
permissions = []
`)
      assert.deepStrictEqual(
        [...roles.values()],
        [
          {
            name: "deployer",
            permissions: ["actions:run:deploy_*", "actions:run:odd:name", "*"],
            description: "Deploys"
          },
          { name: "nothing", permissions: [], description: "" }
        ]
      )
      assert.deepStrictEqual(
        yield* problemsOf(`
[roles.admin]
permissions = []
[roles."two, roles"]
permissions = []
[roles.empty]
[roles.wrong]
permissions = ["servers:list", "actons:*"]
`),
        [
          `${file}:2: roles.admin: found "admin", which is built in and cannot be changed`,
          `${file}:4: roles."two, roles": allowed: 1 to 64 letters, digits, dots, underscores and dashes, the first a letter or a digit`,
          `${file}:6: roles.empty.permissions: found nothing, allowed: an array of at most 1024 permissions`,
          `${file}:8: roles.wrong.permissions[0]: found "servers:list", which matches no permission there is`,
          `${file}:8: roles.wrong.permissions[1]: found "actons:*", which matches no permission there is, did you mean "actions:*"?`
        ]
      )
      const many = Array.from({ length: 257 }, (_, n) => `[roles.r${n}]\npermissions = []\n`).join("")
      assert.deepStrictEqual(yield* problemsOf(many), [`${file}:1: roles: found 257 roles, allowed: at most 256`])
    })
  )
})

describe("[[certificates]]", () => {
  const listener =
    '[[listeners]]\naddress = ":1"\ntls = true\ntls_cert_path = "c"\ntls_key_path = "k"\nclient_ca_path = "ca"\n'
  const hex = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

  it.live("are found by one thing each, fingerprints written as openssl does or not", () =>
    Effect.gen(function* () {
      const colons = (hex + hex).toUpperCase().replaceAll(/(..)(?=.)/gu, "$1:")
      const { certificates } = yield* configOf(`${listener}
[[certificates]]
name = "a"
fingerprint = "${colons}"
roles = ["viewer"]
[[certificates]]
name = "b"
san = "DNS:b.example"
roles = ["viewer", "operator"]
[[certificates]]
name = "c"
subject = "CN=c,O=Example"
roles = []
`)
      assert.deepStrictEqual(
        certificates.map(({ fingerprint, san, subject }) => fingerprint ?? san ?? subject),
        [hex + hex, "DNS:b.example", "CN=c,O=Example"]
      )
      assert.deepStrictEqual(
        yield* problemsOf(`${listener}
[roles.deploy]
permissions = []
[[certificates]]
name = "a"
roles = ["deploi", "unlike any"]
[[certificates]]
name = "a"
fingerprint = "${hex}${hex}"
san = "DNS:x"
roles = ["nothing-like-it"]
[[certificates]]
name = "d"
fingerprint = "${colons}"
roles = []
`),
        [
          `${file}:12: certificates[0].roles[1]: found "unlike any", allowed: 1 to 64 letters, digits, dots, underscores and dashes, the first a letter or a digit`
        ]
      )
      assert.deepStrictEqual(
        yield* problemsOf(`${listener}
[roles.deploy]
permissions = []
[[certificates]]
name = "a"
roles = ["deploi"]
[[certificates]]
name = "a"
fingerprint = "${hex}${hex}"
san = "DNS:x"
roles = ["nothing-like-it"]
[[certificates]]
name = "d"
fingerprint = "${colons}"
roles = []
`),
        [
          `${file}:10: certificates[0]: found none, allowed: one of fingerprint, san and subject`,
          `${file}:12: certificates[0].roles[0]: found "deploi", which is no role, did you mean "deploy"?`,
          `${file}:13: certificates[1]: found fingerprint and san, allowed: one of fingerprint, san and subject`,
          `${file}:14: certificates[1].name: has the name of certificates[0], allowed: one of its own`,
          `${file}:17: certificates[1].roles[0]: found "nothing-like-it", which is no role`,
          `${file}:20: certificates[2].fingerprint: has the fingerprint of certificates[1], allowed: one of its own`
        ]
      )
    })
  )

  it.live("are refused where their names can be nobody's", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* problemsOf(`${listener}
[[certificates]]
name = "a"
subject = "CN=a,,O=b"
roles = []
[[certificates]]
name = "b"
san = "IP:192.0.2"
roles = []
`),
        [
          `${file}:10: certificates[0].subject: found "CN=a,,O=b", allowed: a name as \`openssl x509 -nameopt RFC2253\` prints it, "CN=build,O=Example"`,
          `${file}:14: certificates[1].san: found "IP:192.0.2", allowed: "DNS:name", "URI:uri", "email:address" or "IP:address"`
        ]
      )
    })
  )

  it.live("count for nothing where no listener asks for them, which is told", () =>
    Effect.map(warningsOf('[[certificates]]\nname = "a"\nsan = "DNS:a"\nroles = []\n'), (warnings) =>
      assert.deepStrictEqual(warnings, [
        `${file}:1: certificates: not used, because no listener takes client certificates`
      ])
    )
  )
})

describe("[cors]", () => {
  it.live("takes origins as browsers send them, and no wildcard", () =>
    Effect.gen(function* () {
      const { cors } = yield* configOf(
        '[cors]\norigins = ["https://ops.example", "http://localhost:8080", "http://[::1]:1"]\n'
      )
      assert.lengthOf(cors.origins, 3)
      const wrong = [
        "*",
        "null",
        "https://ops.example/",
        "https://Ops.example",
        "https://ops.example:443",
        "ftp://x.example"
      ]
      const problems = yield* problemsOf(`[cors]\norigins = ${JSON.stringify(wrong)}\n`)
      assert.deepStrictEqual(
        problems.map((problem) => /found "(.*)", allowed: an origin/u.exec(problem)?.[1]),
        wrong
      )
    })
  )
})
