import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { configOf, problemsOf, warningsOf } from "./support.ts"

const file = "systemapi-config.toml"

describe("who provisions", () => {
  it.live("is the program of the command line, the file or the environment, else the daemon itself", () =>
    Effect.gen(function* () {
      const env = { PROVISIONING_CLI_PATH: "/of/env" }
      const driver = (text: string, given = {}, flags = {}) =>
        Effect.map(configOf(text, given, flags), ({ provisioning }) => [provisioning.driver, provisioning.cli_path])
      const inFile = '[provisioning]\ncli_path = "/of/file"\n'
      assert.deepStrictEqual(yield* driver(""), ["builtin", undefined])
      assert.deepStrictEqual(yield* driver("", env), ["cli", "/of/env"])
      assert.deepStrictEqual(yield* driver(inFile, env), ["cli", "/of/file"])
      assert.deepStrictEqual(yield* driver(inFile, env, { cli_path: "/of/flag" }), ["cli", "/of/flag"])
      assert.deepStrictEqual(yield* driver(inFile, env, { cli_path: "" }), ["builtin", undefined])
      assert.deepStrictEqual(yield* driver('[provisioning]\ndriver = "builtin"\n', env), ["builtin", "/of/env"])
    })
  )

  it.live("needs a program where it is one, and templates that are actions", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* problemsOf(`
[actions]
make_server = "true"
wrong = 7
[provisioning]
driver = "cli"
timeout_seconds = 0
max_concurrent_operations = 0
network = "10.0.0.1/24"
`),
        [
          `${file}:4: actions.wrong: found 7, allowed: a shell command or a table`,
          `${file}:7: provisioning.timeout_seconds: found 0, allowed: an integer from 1 to 86400`,
          `${file}:8: provisioning.max_concurrent_operations: found 0, allowed: an integer from 1 to 1024`,
          `${file}:9: provisioning.network: found "10.0.0.1/24", allowed: an IPv4 network whose prefix has 8 to 30 bits, as 10.0.0.0/24`
        ]
      )
      assert.deepStrictEqual(
        yield* problemsOf(`
[actions]
make_server = "true"
[provisioning]
driver = "cli"
[provisioning.templates]
server_create = "make_servr"
server_delete = "make_server"
taskserv_create = "other"
`),
        [
          `${file}:5: provisioning.driver: found "cli", but no program: needs cli_path`,
          `${file}:6: provisioning.templates: not used, because the driver is "cli"`,
          `${file}:7: provisioning.templates.server_create: found "make_servr", which is no action, did you mean "make_server"?`,
          `${file}:9: provisioning.templates.taskserv_create: found "other", which is no action`
        ]
      )
      assert.deepStrictEqual(yield* warningsOf('[provisioning]\ndriver = "builtin"\ncli_path = "/p"\n'), [
        `${file}:3: provisioning.cli_path: not used, because driver is "builtin"`
      ])
    })
  )
})
