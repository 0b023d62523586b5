import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { diff } from "../../../src/services/config/Reload.ts"
import { configOf } from "./support.ts"

const before = `
[general]
listen_addr = ":1"
log_debug = false
basic_auth_secret_path = "secret"
basic_auth_secret_salt = "old"
[limits]
body_max_bytes = 2048
[actions]
kept = "true"
changed = "old"
removed = "true"
[actions.with_env]
command = "true"
env = { A = "1" }
[file_uploads]
kept = "/a"
[[pipes]]
path = "b"
`

describe("a reload", () => {
  it.live("of the same file changes nothing", () =>
    Effect.gen(function* () {
      const [old, next] = [yield* configOf(before), yield* configOf(before)]
      const { config, live, restart } = diff(old, next)
      assert.deepStrictEqual([live, restart], [[], []])
      assert.deepStrictEqual(config, old)
    })
  )

  it.live("takes up what is live and names what waits for a restart", () =>
    Effect.gen(function* () {
      const old = yield* configOf(before)
      const next = yield* configOf(`
[general]
listen_addr = ":2"
log_debug = true
shell = "/bin/bash"
actions_require_post = true
basic_auth_secret_path = "secret"
basic_auth_secret_salt = "new"
[store]
directory = "elsewhere"
[events]
max_count = 7
[limits]
body_max_bytes = 4096
max_header_bytes = 9000
[actions]
kept = "true"
changed = "new"
added = "true"
[actions.with_env]
command = "true"
env = { A = "2" }
[file_uploads]
kept = "/a"
added = "/b"
[[pipes]]
path = "c"
[[listeners]]
address = ":3"
`)
      const { config, live, restart } = diff(old, next)
      assert.deepStrictEqual(live, [
        "general.log_debug",
        "general.actions_require_post",
        "general.shell",
        "limits.body_max_bytes",
        "actions.kept",
        "actions.changed",
        "actions.removed",
        "actions.with_env",
        "actions.added",
        "file_uploads.added"
      ])
      assert.deepStrictEqual(restart, [
        "general.listen_addr",
        "general.basic_auth_secret_salt",
        "store.directory",
        "events.max_count",
        "limits.max_header_bytes",
        "auth.identity_path",
        "pipes[0]",
        "listeners[0]"
      ])
      assert.strictEqual(config.general.log_debug, true)
      assert.strictEqual(config.general.shell, "/bin/bash")
      assert.strictEqual(config.general.listen_addr, ":1")
      assert.strictEqual(Redacted.value(config.general.basic_auth_secret_salt), "old")
      assert.strictEqual(config.limits.body_max_bytes, 4096)
      assert.strictEqual(config.limits.max_header_bytes, old.limits.max_header_bytes)
      assert.strictEqual(config.store.directory, "systemapi-state")
      assert.strictEqual(config.events.max_count, 1_000_000)
      assert.strictEqual(config.actions, next.actions)
      assert.strictEqual(config.file_uploads, next.file_uploads)
      assert.strictEqual(config.pipes, old.pipes)
      assert.strictEqual(config.listeners, old.listeners)
    })
  )

  it.live("takes up who may do what at once, and leaves what tokens are made with", () =>
    Effect.gen(function* () {
      const listener =
        '[[listeners]]\naddress = ":1"\ntls = true\ntls_cert_path = "c"\ntls_key_path = "k"\nclient_ca_path = "ca"\n'
      const old = yield* configOf(`${listener}
[auth]
approval_required = ["keys:rotate"]
[roles.kept]
permissions = ["events:read"]
[roles.changed]
permissions = ["events:read"]
[roles.removed]
permissions = []
[[certificates]]
name = "build"
san = "DNS:build"
roles = ["viewer"]
`)
      const next = yield* configOf(`${listener}
[auth]
token_expiry_hours = 1
jwt_issuer = "other"
jwt_secret = "0123456789abcdef0123456789abcdef"
development_users = false
justification_required = ["users:manage"]
[roles.kept]
permissions = ["events:read"]
[roles.changed]
permissions = ["events:*"]
[[certificates]]
name = "laptop"
san = "DNS:laptop"
roles = ["viewer"]
[cors]
origins = ["https://ops.example"]
[rate_limits]
read = 5
[audit]
reads = true
`)
      const { config, live, restart } = diff(old, next)
      assert.deepStrictEqual(live, [
        "auth.justification_required",
        "auth.approval_required",
        "cors.origins",
        "rate_limits.read",
        "audit.reads",
        "roles.changed",
        "roles.removed",
        "certificates.build",
        "certificates.laptop"
      ])
      assert.deepStrictEqual(restart, ["auth.jwt_secret", "auth.jwt_issuer", "auth.token_expiry_hours"])
      assert.deepStrictEqual(config.auth, {
        ...old.auth,
        justification_required: ["users:manage"],
        approval_required: []
      })
      assert.deepStrictEqual([config.roles, config.certificates], [next.roles, next.certificates])
      assert.deepStrictEqual([config.cors, config.rate_limits, config.audit], [next.cors, next.rate_limits, next.audit])
    })
  )

  it.live("leaves what is compiled from a section alone where that section is the same", () =>
    Effect.gen(function* () {
      const roles = '[roles.r]\npermissions = ["events:read"]\n[cors]\norigins = ["https://ops.example"]\n'
      const [old, next] = [yield* configOf(roles), yield* configOf(`${roles}[actions]\na = "true"\n`)]
      const { config } = diff(old, next)
      for (const section of ["roles", "certificates", "auth", "cors", "rate_limits", "audit"] as const) {
        assert.strictEqual<unknown>(config[section], old[section], section)
      }
    })
  )

  it.live("names a removed table by the key it had", () =>
    Effect.gen(function* () {
      const old = yield* configOf('[[listeners]]\naddress = ":1"\n[[listeners]]\naddress = ":2"\n')
      const next = yield* configOf('[[listeners]]\naddress = ":1"\n')
      assert.deepStrictEqual(diff(old, next).restart, ["listeners[1]"])
    })
  )
})
