/** `[status]`, and the variables by which the original System Status Service was configured. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Config } from "../../../src/services/config/Config.ts"
import { format } from "../../../src/services/config/ListenAddress.ts"
import { diff } from "../../../src/services/config/Reload.ts"
import { configOf, loadText, problemsOf, warningsOf } from "./support.ts"

const file = "systemapi-config.toml"

const ownListener = ({ listeners }: Config) => {
  const own = listeners.find(({ key }) => key === "status.listen_addr")
  return own === undefined ? undefined : { ...own, address: format(own.address) }
}

const listenerOf = (text: string, env = {}, flags = {}) => Effect.map(configOf(text, env, flags), ownListener)

describe("the original's environment", () => {
  it.live("opens its address for the Status API alone, beside the one that there is anyway", () =>
    Effect.gen(function* () {
      const config = yield* configOf("", { BIND_ADDRESS: "127.0.0.2", PORT: "9000" })
      assert.deepStrictEqual(
        config.listeners.map(({ address, apis }) => [format(address), apis.length]),
        [
          ["127.0.0.1:3535", 4],
          ["127.0.0.2:9000", 1]
        ]
      )
      assert.deepInclude(ownListener(config), {
        apis: ["status"],
        auth: ["basic", "bearer", "none"],
        roles: ["status"],
        tls: undefined
      })
      assert.strictEqual((yield* listenerOf("", { PORT: "9000" }))?.address, "127.0.0.1:9000")
      assert.strictEqual((yield* listenerOf("", { BIND_ADDRESS: "127.0.0.2" }))?.address, "127.0.0.2:8080")
      assert.strictEqual((yield* listenerOf("", { BIND_ADDRESS: "::1" }))?.address, "[::1]:8080")
      assert.isUndefined(yield* listenerOf("", {}))
    })
  )

  it.live("has a socket stand instead of a port, for whoever may open it", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* listenerOf("", { UDS_PATH: "/run/status.sock", BIND_ADDRESS: "0.0.0.0", PORT: "1" }), {
        address: "unix:/run/status.sock",
        auth: ["basic", "bearer", "socket"],
        roles: ["status"]
      })
    })
  )

  it.live("gives it a certificate, and asks clients for theirs", () =>
    Effect.gen(function* () {
      const env = {
        PORT: "9000",
        TLS_CERT_PATH: "cert.pem",
        TLS_KEY_PATH: "key.pem",
        CLIENT_CA_PATH: "ca.pem",
        MTLS_REQUIRED: "True"
      }
      assert.deepInclude(yield* listenerOf("", env), {
        auth: ["basic", "bearer", "certificate", "none"],
        tls: {
          cert_path: "cert.pem",
          key_path: "key.pem",
          min_version: "1.2",
          clients: { ca_path: "ca.pem", crl_path: undefined, required: true }
        }
      })
      assert.deepStrictEqual(yield* problemsOf("", { ...env, TLS_KEY_PATH: "" }), [
        `${file}: status: has one of tls_cert_path and tls_key_path, needs both or neither`,
        `${file}: status.mtls_required: found true, but needs tls_cert_path, tls_key_path and client_ca_path`
      ])
      assert.deepStrictEqual(yield* problemsOf("", { PORT: "9000", MTLS_REQUIRED: "yes" }), [
        `${file}: status.mtls_required: found true, but needs tls_cert_path, tls_key_path and client_ca_path`
      ])
      // Without a listener of its own these are somebody else's variables.
      assert.deepStrictEqual((yield* loadText("", { TLS_CERT_PATH: "cert.pem", MTLS_REQUIRED: "1" })).warnings, [])
    })
  )

  it.live("moves the defaults, and the file wins over it", () =>
    Effect.gen(function* () {
      const env = {
        MAX_OUTPUT_BYTES: "32768",
        COMMAND_TIMEOUT_SECONDS: "2.5",
        LOG_TAIL_DEFAULT: "50",
        LOG_TAIL_MAX: "500",
        LOG_WINDOW_MAX_MINUTES: "60"
      }
      const moved = yield* configOf("", env)
      assert.deepStrictEqual(moved.status, {
        command_timeout_seconds: 2.5,
        max_output_bytes: 32_768,
        log_lines_default: 50,
        log_lines_max: 500,
        log_window_max_minutes: 60,
        units_fresh_ms: 2000,
        shutdown: false
      })
      assert.strictEqual(moved.gpus.detail_max_output_bytes, 32_768)
      const text = `
[status]
listen_addr = "127.0.0.1:7000"
command_timeout_seconds = 1
max_output_bytes = 2048
log_lines_default = 2
log_lines_max = 200
log_window_max_minutes = 3
mtls_required = false
[gpus]
detail_max_output_bytes = 4096
`
      const own = yield* configOf(text, { ...env, PORT: "9000", UDS_PATH: "/run/x", MTLS_REQUIRED: "1" })
      assert.deepInclude(own.status, {
        command_timeout_seconds: 1,
        max_output_bytes: 2048,
        log_lines_default: 2,
        log_lines_max: 200,
        log_window_max_minutes: 3
      })
      assert.strictEqual(own.gpus.detail_max_output_bytes, 4096)
      assert.strictEqual(ownListener(own)?.address, "127.0.0.1:7000")
    })
  )

  it.live("has defaults of its own where it says nothing", () =>
    Effect.gen(function* () {
      const { gpus, status } = yield* configOf("")
      assert.deepInclude(status, {
        command_timeout_seconds: 10,
        max_output_bytes: 16_384,
        log_lines_default: 200,
        log_lines_max: 1000,
        log_window_max_minutes: 1440
      })
      // The plain form's would cut after one GPU and a half.
      assert.strictEqual(gpus.detail_max_output_bytes, 256 * 1024)
    })
  )

  it.live("counts for nothing where it says what cannot be: many programs have variables of these names", () =>
    Effect.gen(function* () {
      const wrong = {
        PORT: "http",
        UDS_PATH: "",
        MTLS_REQUIRED: "perhaps",
        MAX_OUTPUT_BYTES: "-1",
        COMMAND_TIMEOUT_SECONDS: "0",
        LOG_TAIL_DEFAULT: "all",
        LOG_TAIL_MAX: "99999999",
        LOG_WINDOW_MAX_MINUTES: "1e9"
      }
      const { config, warnings } = yield* loadText("", wrong)
      assert.deepStrictEqual(
        warnings.map((line) => /^([A-Z_]+): found .*; it is not used$/u.exec(line)?.[1] ?? line),
        [
          "MAX_OUTPUT_BYTES",
          "COMMAND_TIMEOUT_SECONDS",
          "LOG_TAIL_DEFAULT",
          "LOG_TAIL_MAX",
          "LOG_WINDOW_MAX_MINUTES",
          "PORT",
          "MTLS_REQUIRED"
        ]
      )
      assert.isUndefined(ownListener(config))
    })
  )
})

describe("the listener of its own", () => {
  it.live("is open on loopback, and to strangers only where the file says so, or a certificate is shown", () =>
    Effect.gen(function* () {
      const open = '[status]\nlisten_addr = "0.0.0.0:8080"\n'
      const shown = yield* loadText(open)
      assert.deepStrictEqual(ownListener(shown.config)?.auth, ["basic", "bearer"])
      assert.deepStrictEqual(shown.warnings, [
        `${file}:2: status.listen_addr: 0.0.0.0:8080 can be reached from elsewhere: callers need credentials, or status.force_no_auth`
      ])
      assert.deepStrictEqual((yield* listenerOf(`${open}force_no_auth = true\n`))?.auth, ["basic", "bearer", "none"])
      const tls = 'tls_cert_path = "c"\ntls_key_path = "k"\nclient_ca_path = "a"\n'
      assert.deepStrictEqual((yield* listenerOf(`${open}${tls}mtls_required = true\n`))?.auth, [
        "basic",
        "bearer",
        "certificate",
        "none"
      ])
      assert.deepStrictEqual((yield* listenerOf(`${open}${tls}`))?.auth, ["basic", "bearer", "certificate"])
      // As the original's environment has it, which knows no credentials.
      assert.deepStrictEqual((yield* listenerOf("", { BIND_ADDRESS: "0.0.0.0", PORT: "8080" }))?.auth, [
        "basic",
        "bearer"
      ])
    })
  )

  it.live("is nobody's address twice, and gives way to --listen-addr", () =>
    Effect.gen(function* () {
      const text = '[general]\nlisten_addr = "127.0.0.1:8080"\n[status]\nlisten_addr = "127.0.0.1:8080"\n'
      assert.deepStrictEqual(yield* problemsOf(text), [
        `${file}:4: status.listen_addr: has the address of general.listen_addr, allowed: one of its own`
      ])
      const flags = { listen_addr: "127.0.0.1:9999" }
      const own = '[status]\nlisten_addr = "127.0.0.1:8080"\n'
      assert.deepStrictEqual(yield* warningsOf(own, {}, flags), [
        `${file}:2: status.listen_addr: not used, because --listen-addr is given`
      ])
      assert.isUndefined(yield* listenerOf(own, {}, flags))
    })
  )
})

describe("a reload", () => {
  it.live("takes up what the tools are asked and shown, and not where it listens", () =>
    Effect.gen(function* () {
      const before = yield* configOf('[status]\nlisten_addr = "127.0.0.1:1"\n')
      const after = yield* configOf(
        '[status]\nlisten_addr = "127.0.0.1:2"\nshutdown = true\nunits_fresh_ms = 5\n[disk]\nroots = ["/srv"]\n[units]\nweb = "web.service"\n'
      )
      const { config, live, restart } = diff(before, after)
      assert.includeMembers(
        [...live],
        ["status.shutdown", "status.units_fresh_ms", "disk.roots", "units.web", "units.k3s"]
      )
      assert.deepStrictEqual(
        [config.status.shutdown, config.disk.roots, [...config.units.keys()]],
        [true, ["/srv"], ["web"]]
      )
      assert.isTrue(
        restart.some((key) => key.startsWith("status.listen_addr")),
        restart.join()
      )
    })
  )
})

describe("the disks that may be asked about", () => {
  it.live("are absolute folders, and none by default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* configOf("")).disk.roots, [])
      assert.deepStrictEqual(yield* problemsOf('[disk]\nroots = ["srv"]\n'), [
        `${file}:2: disk.roots[0]: found "srv", allowed: an absolute path`
      ])
    })
  )
})
