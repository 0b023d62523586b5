import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Toml from "effect/encoding/Toml"
import * as Result from "effect/Result"
import * as SchemaAST from "effect/SchemaAST"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { ConfigDocument } from "../../../src/services/config/ConfigSchema.ts"
import {
  childOf,
  isTable,
  namesOf,
  notesAt,
  type Shape,
  shapeOf,
  valueAt
} from "../../../src/services/config/SchemaShape.ts"
import { loadText } from "./support.ts"

const path = fileURLToPath(new URL("../../../systemapi-config.toml", import.meta.url))
const sample = Effect.promise(() => readFile(path, "utf8"))

/** Takes the "# " away from every line that is a header or a key behind it. */
const uncomment = (text: string) => text.replace(/^# (?=\[{1,2}[\w.]+\]{1,2}$|[a-z_]+ = )/gmu, "")

/** Commented lines that are examples, as the text above them says; all others show the default. */
const examples = new Set([
  "general.tls_cert_hosts",
  "general.tls_cert_path",
  "general.tls_key_path",
  "store.directory",
  "pipes.path",
  "pipes.source",
  "listeners.address",
  "listeners.apis",
  "listeners.auth",
  "listeners.tls",
  "listeners.tls_min_version",
  "listeners.client_ca_path",
  "listeners.client_crl_path",
  "listeners.tls_cert_path",
  "listeners.tls_key_path",
  "listeners.max_connections",
  "listeners.socket_group",
  "listeners.roles",
  "auth.identity_path",
  "auth.justification_required",
  "auth.approval_required",
  "cors.origins",
  "server.host",
  "server.port",
  "server.cors_enabled",
  "server.tls_cert",
  "server.tls_key",
  "logging.level",
  "logging.json_format",
  "provisioning.driver",
  "provisioning.templates",
  "status.listen_addr",
  "status.tls_cert_path",
  "status.tls_key_path",
  "status.client_ca_path",
  "status.mtls_required",
  "status.command_timeout_seconds",
  "status.max_output_bytes",
  "status.log_lines_default",
  "status.log_lines_max",
  "status.log_window_max_minutes",
  "gpus.detail_max_output_bytes",
  "disk.roots"
])

/** Tables whose keys are names of the writer's own, or that stand in for a value. */
const whole = new Set(["env", "input", "count"])

/** Every key the file may have, entries of named tables under `*`. */
const everyKey = (shape: Shape, value: unknown, prefix: ReadonlyArray<string> = []): ReadonlyArray<string> => {
  if (whole.has(prefix.at(-1) ?? "")) return [prefix.join(".")]
  const names = namesOf(shape, value)
  if (names !== undefined) {
    return names.flatMap((name) => {
      const child = childOf(shape, {}, name)
      return child === undefined ? [] : everyKey(child, undefined, [...prefix, name])
    })
  }
  const union = SchemaAST.isUnion(shape)
  const element = childOf(shape, [], 0)
  const entry = childOf(shape, {}, "any")
  if (union && namesOf(shape, {}) !== undefined) return everyKey(shape, {}, prefix)
  if (element !== undefined && namesOf(element, {}) !== undefined) return everyKey(element, {}, prefix)
  if (entry !== undefined) return everyKey(entry, {}, [...prefix, "*"])
  return [prefix.join(".")]
}

const keysIn = (value: unknown, prefix: ReadonlyArray<string> = []): ReadonlyArray<string> => {
  if (Array.isArray(value) && value.some(isTable)) return value.flatMap((element) => keysIn(element, prefix))
  if (!isTable(value) || whole.has(prefix.at(-1) ?? "")) return [prefix.join(".")]
  const named =
    prefix.length === 1 && ["actions", "file_uploads", "roles", "units", "workflows"].includes(prefix[0] ?? "")
  return Object.entries(value).flatMap(([name, child]) => keysIn(child, [...prefix, named ? "*" : name]))
}

describe("the sample configuration", () => {
  it.live("loads without a word", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* load(path, {})
      assert.deepStrictEqual(warnings, [])
      assert.deepStrictEqual(config.listeners[0]?.address, { _tag: "Tcp", host: "127.0.0.1", port: 3535 })
      assert.strictEqual(config.listeners[0]?.tls, undefined)
      assert.strictEqual(config.pipes[0]?.path, "pipe.fifo")
      assert.strictEqual(config.general.basic_auth_secret_path, "basic-auth-secret.txt")
      assert.deepStrictEqual(config.actions.get("echo_test")?.command, { _tag: "Shell", text: "echo test" })
      assert.deepStrictEqual(
        config.actions.get("greet")?.args.map(({ type }) => type),
        ["string", "int", "enum", "bool"]
      )
      assert.strictEqual(config.file_uploads.get("testfile")?.path, "/tmp/testfile.txt")
    })
  )

  it.live("is right in every line that is commented out, too", () =>
    Effect.gen(function* () {
      const text = uncomment(yield* sample)
      const { config, warnings } = yield* loadText(text)
      assert.strictEqual(warnings.length, 1)
      assert.match(warnings[0] ?? "", /general\.listen_addr: not used, because \[\[listeners\]\] is given$/u)
      assert.deepStrictEqual(config.actions.get("restart_web")?.command, {
        _tag: "Argv",
        argv: ["systemctl", "restart", "web.service"]
      })
      assert.strictEqual(config.file_uploads.get("web_config")?.then, "echo_test")
      assert.deepStrictEqual(
        config.listeners.map(({ auth, roles, tls }) => [auth, roles, tls?.min_version, tls?.clients]),
        [
          [
            ["basic", "bearer", "certificate"],
            ["admin"],
            "1.3",
            { ca_path: "client-ca.pem", crl_path: "client-crl.pem", required: false }
          ],
          [["socket"], ["operator"], undefined, undefined],
          [["bearer"], ["admin"], "1.2", undefined],
          [
            ["basic", "bearer", "certificate", "none"],
            ["status"],
            "1.2",
            { ca_path: "client-ca.pem", crl_path: undefined, required: false }
          ]
        ]
      )
      assert.deepStrictEqual([...config.roles.keys()], ["deployer"])
      assert.deepStrictEqual(
        [...config.units.values()].map(({ control, id, redact, unit }) => [id, unit, redact, control]),
        [["web", "web.service", ["password=[^ ]+"], ["restart"]]]
      )
      assert.deepStrictEqual(config.disk.roots, ["/var", "/home"])
      assert.deepStrictEqual(
        config.workflows.get("web_create")?.steps.map(({ name, needs }) => [name, needs]),
        [
          ["servers", []],
          ["balancer", ["servers"]],
          ["greeting", ["balancer"]]
        ]
      )
      assert.deepStrictEqual(
        config.certificates.map(({ name }) => name),
        ["build", "monitoring", "laptop"]
      )
    })
  )

  it.live("has every key there is", () =>
    Effect.gen(function* () {
      const document = Result.getOrThrow(Toml.parse(uncomment(yield* sample)))
      const shown = new Set(keysIn(document))
      const missing = everyKey(shapeOf(ConfigDocument), {}).filter((key) => !shown.has(key))
      assert.deepStrictEqual(missing, [])
    })
  )

  it.live("shows the defaults in what it comments out", () =>
    Effect.gen(function* () {
      const text = yield* sample
      const document = Result.getOrThrow(Toml.parse(uncomment(text)))
      const set = Result.getOrThrow(Toml.parse(text))
      const wrong: Array<string> = []
      const named = ["actions", "file_uploads", "roles", "certificates", "units", "workflows"]
      for (const section of Object.keys(document).filter((name) => !named.includes(name))) {
        const table = Array.isArray(document[section]) ? Object.assign({}, ...document[section]) : document[section]
        const shape = childOf(shapeOf(ConfigDocument), {}, section)
        const fields =
          shape === undefined ? undefined : Array.isArray(document[section]) ? childOf(shape, [], 0) : shape
        for (const [name, value] of Object.entries(isTable(table) ? table : {})) {
          const field = fields === undefined ? undefined : childOf(fields, {}, name)
          if (valueAt(set, [section, name]) !== undefined || examples.has(`${section}.${name}`) || field === undefined)
            continue
          if (SchemaAST.resolve(field)?.["default"] !== value) wrong.push(`${section}.${name}`)
        }
      }
      assert.deepStrictEqual(wrong, [])
    })
  )
})

describe("what the environment moves", () => {
  it.live("is shown with what counts without it", () =>
    Effect.gen(function* () {
      const { config: shown } = yield* loadText(uncomment(yield* sample))
      const { config: plain } = yield* loadText("")
      assert.deepStrictEqual([shown.status, shown.gpus], [plain.status, plain.gpus])
    })
  )
})

describe("the README", () => {
  it.live("shows configurations that load without a word", () =>
    Effect.gen(function* () {
      const readme = yield* Effect.promise(() =>
        readFile(fileURLToPath(new URL("../../../README.md", import.meta.url)), "utf8")
      )
      const blocks = [...readme.matchAll(/```toml\n([\s\S]*?)```/gu)].map(([, block = ""]) => block)
      assert.isAbove(blocks.length, 1)
      for (const block of blocks) assert.deepStrictEqual((yield* loadText(block)).warnings, [])
    })
  )
})

/** Keys with an array of tables. */
const arrays = new Set(["pipes", "listeners", "certificates", "args", "parameters", "steps"])

describe("every key", () => {
  it("has words for what is allowed", () => {
    const shape = shapeOf(ConfigDocument)
    const keys = everyKey(shape, {})
    assert.isAbove(keys.length, 80)
    for (const key of keys) {
      const parts = key.split(".")
      const value = {
        pipes: [{}],
        listeners: [{}],
        certificates: [{}],
        actions: { "*": { args: [{}] } },
        file_uploads: { "*": {} },
        roles: { "*": {} },
        units: { "*": {} },
        workflows: { "*": { parameters: [{}], steps: [{ compensate: {} }] } }
      }
      const place = parts.flatMap((part) => (arrays.has(part) ? [part, 0] : [part]))
      assert.notStrictEqual(notesAt(shape, value, place).allowed, "another value", key)
    }
  })
})
