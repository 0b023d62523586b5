import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { configOf, loadText, problemsOf, warningsOf } from "./support.ts"

const file = "systemapi-config.toml"

const tls = 'tls = true\ntls_cert_path = "c.pem"\ntls_key_path = "k.pem"\n'

describe("the ways in of a listener", () => {
  it.live("are passwords and tokens, and certificates where those are asked for", () =>
    Effect.gen(function* () {
      const { listeners } = yield* configOf(`
[[listeners]]
address = ":1"
apis = ["system", "system"]
${tls}client_ca_path = "ca.pem"
client_crl_path = "crl.pem"
client_certificate = "required"
tls_min_version = "1.3"
[[listeners]]
address = "unix:/run/a.sock"
auth = ["socket", "basic", "socket"]
socket_group = "operators"
[[listeners]]
address = ":2"
`)
      assert.deepStrictEqual(
        listeners.map(({ apis, auth, roles, socket_group, tls }) => [apis, auth, roles, socket_group, tls]),
        [
          [
            ["system"],
            ["basic", "bearer", "certificate"],
            ["admin"],
            undefined,
            {
              cert_path: "c.pem",
              key_path: "k.pem",
              min_version: "1.3",
              clients: { ca_path: "ca.pem", crl_path: "crl.pem", required: true }
            }
          ],
          [["system", "identity", "provisioning", "status"], ["socket", "basic"], ["admin"], "operators", undefined],
          [["system", "identity", "provisioning", "status"], ["basic", "bearer"], ["admin"], undefined, undefined]
        ]
      )
    })
  )

  it.live("let everybody in on this machine alone, unless forced, and with roles that are named", () =>
    Effect.gen(function* () {
      const none = (address: string, more = "") =>
        `[[listeners]]\naddress = "${address}"\nauth = ["basic", "none"]\n${more}`
      const roles = 'roles = ["viewer"]\n'
      for (const address of ["127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/x"]) yield* configOf(none(address, roles))
      for (const address of ["0.0.0.0:1", ":1", "[::]:1", "192.168.1.1:1", "box.local:1"]) {
        assert.deepStrictEqual(yield* problemsOf(none(address, roles)), [
          `${file}:3: listeners[0].auth[1]: found "none" on ${address}, allowed: on a loopback address or a UNIX socket, or with force_no_auth = true`
        ])
        const { listeners } = yield* configOf(none(address, `${roles}force_no_auth = true\n`))
        assert.deepStrictEqual(listeners[0]?.roles, ["viewer"])
      }
      assert.deepStrictEqual(yield* problemsOf(none("127.0.0.1:1")), [
        `${file}:3: listeners[0].auth[1]: found "none", but no roles: needs those that everybody who comes is to have`
      ])
    })
  )

  it.live("fit the address", () =>
    Effect.map(
      problemsOf(`
[[listeners]]
address = "127.0.0.1:1"
auth = ["socket", "certificate", "password"]
roles = ["viewer"]
`),
      (problems) =>
        assert.deepStrictEqual(problems, [
          `${file}:4: listeners[0].auth[2]: found "password", allowed: "basic" or "bearer" or "certificate" or "socket" or "none"`
        ])
    ).pipe(
      Effect.andThen(
        problemsOf(`
[[listeners]]
address = "127.0.0.1:1"
auth = ["socket", "certificate"]
roles = ["viewr"]
[[listeners]]
address = ":2"
auth = ["certificate"]
${tls}[[listeners]]
address = ":3"
client_ca_path = "ca"
[[listeners]]
address = ":4"
${tls}client_crl_path = "crl"
client_certificate = "required"
`)
      ),
      Effect.map((problems) =>
        assert.deepStrictEqual(problems, [
          `${file}:4: listeners[0].auth[0]: found "socket" on 127.0.0.1:1, allowed: on a UNIX socket`,
          `${file}:4: listeners[0].auth[1]: found "certificate", but clients are not asked for theirs: needs tls = true and client_ca_path`,
          `${file}:5: listeners[0].roles[0]: found "viewr", which is no role, did you mean "viewer"?`,
          `${file}:8: listeners[1].auth[0]: found "certificate", but clients are not asked for theirs: needs tls = true and client_ca_path`,
          `${file}:14: listeners[2].client_ca_path: given beside tls = false, allowed: with tls = true`,
          `${file}:20: listeners[3].client_crl_path: given without client_ca_path, allowed: both`,
          `${file}:21: listeners[3].client_certificate: found "required", but there is no client_ca_path to check one against`
        ])
      )
    )
  )

  it.live("have no TLS on a UNIX socket", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf(`[[listeners]]\naddress = "unix:/x"\n${tls}`), [
        `${file}:3: listeners[0].tls: found true on unix:/x, allowed: false on a UNIX socket`
      ])
      const general =
        '[general]\nlisten_addr = "unix:/x"\ntls_enabled = true\ntls_cert_path = "c"\ntls_key_path = "k"\n'
      assert.deepStrictEqual(yield* problemsOf(general), [
        `${file}:3: general.tls_enabled: found true on unix:/x, allowed: false on a UNIX socket`
      ])
    })
  )

  it.live("are told where they count for nothing", () =>
    Effect.map(
      warningsOf('[[listeners]]\naddress = ":1"\nroles = ["viewer"]\nforce_no_auth = true\nsocket_group = "adm"\n'),
      (warnings) =>
        assert.deepStrictEqual(warnings, [
          `${file}:3: listeners[0].roles: not used, because auth has neither socket nor none`,
          `${file}:4: listeners[0].force_no_auth: not used, because auth has no none`,
          `${file}:5: listeners[0].socket_group: not used, because this is no UNIX socket`
        ])
    )
  )
})

describe("auth.mtls_enabled", () => {
  const on = '[auth]\nmtls_enabled = true\nmtls_ca_cert = "ca.pem"\n'

  it.live("asks for certificates on the TLS listeners that have no CA of their own", () =>
    Effect.gen(function* () {
      const { listeners } = yield* configOf(`${on}
[[listeners]]
address = ":1"
${tls}client_certificate = "required"
client_crl_path = "crl.pem"
[[listeners]]
address = ":2"
${tls}client_ca_path = "own.pem"
[[listeners]]
address = ":3"
`)
      assert.deepStrictEqual(
        listeners.map(({ auth, tls }) => [auth.includes("certificate"), tls?.clients]),
        [
          [true, { ca_path: "ca.pem", crl_path: "crl.pem", required: true }],
          [true, { ca_path: "own.pem", crl_path: undefined, required: false }],
          [false, undefined]
        ]
      )
      const general =
        '[general]\ntls_enabled = true\ntls_cert_path = "c"\ntls_key_path = "k"\ntls_min_version = "1.3"\n'
      const [only] = (yield* configOf(general + on)).listeners
      assert.deepStrictEqual(only?.auth, ["basic", "bearer", "certificate"])
      assert.deepStrictEqual(only?.tls, {
        cert_path: "c",
        key_path: "k",
        min_version: "1.3",
        clients: { ca_path: "ca.pem", crl_path: undefined, required: false }
      })
    })
  )

  it.live("needs a CA and a listener to ask on", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf(on), [
        `${file}:2: auth.mtls_enabled: found true, but no listener serves TLS`
      ])
      assert.deepStrictEqual(yield* problemsOf(`[auth]\nmtls_enabled = true\n[[listeners]]\naddress = ":1"\n${tls}`), [
        `${file}:1: auth.mtls_ca_cert: found nothing, but mtls_enabled is true: needs a path`
      ])
      const { warnings } = yield* loadText('[auth]\nmtls_ca_cert = "ca.pem"\n')
      assert.deepStrictEqual(warnings, [`${file}:2: auth.mtls_ca_cert: not used, because mtls_enabled is false`])
    })
  )
})
