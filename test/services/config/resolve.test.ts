import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { configOf, loadText, problemsOf, warningsOf } from "./support.ts"

describe("listeners", () => {
  const tables = `
[general]
tls_cert_path = "c.pem"
tls_key_path = "k.pem"
[limits]
max_connections = 9
[[listeners]]
address = "unix:/run/a.sock"
socket_mode = "0600"
[[listeners]]
address = "[::]:443"
tls = true
max_connections = 5
[[listeners]]
address = ":444"
tls = true
tls_cert_path = "own.pem"
tls_key_path = "own-key.pem"
`

  it.live("stand instead of general.listen_addr", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* loadText(tables)
      const tls = { min_version: "1.2", clients: undefined } as const
      assert.deepStrictEqual(warnings, [])
      assert.deepStrictEqual(
        config.listeners.map(({ key, max_connections, socket_mode, tls }) => [key, max_connections, socket_mode, tls]),
        [
          ["listeners[0]", 9, 0o600, undefined],
          ["listeners[1]", 5, 0o660, { cert_path: "c.pem", key_path: "k.pem", ...tls }],
          ["listeners[2]", 9, 0o660, { cert_path: "own.pem", key_path: "own-key.pem", ...tls }]
        ]
      )
    })
  )

  it.live("make a listen_addr beside them count for nothing, and say so", () =>
    Effect.map(warningsOf('[general]\nlisten_addr = ":1"\n[[listeners]]\naddress = ":2"\n'), (warnings) =>
      assert.deepStrictEqual(warnings, [
        "systemapi-config.toml:2: general.listen_addr: not used, because [[listeners]] is given"
      ])
    )
  )

  it.live("need addresses of their own and whole certificates", () =>
    Effect.map(
      problemsOf(`
[[listeners]]
address = ":1"
tls = true
tls_cert_path = "x"
[[listeners]]
address = ":1"
[[listeners]]
address = ":0"
[[listeners]]
address = ":0"
tls = true
`),
      (problems) =>
        assert.deepStrictEqual(problems, [
          "systemapi-config.toml:2: listeners[0]: has one of tls_cert_path and tls_key_path, needs both or neither",
          "systemapi-config.toml:7: listeners[1].address: has the address of listeners[0], allowed: one of its own",
          "systemapi-config.toml:12: listeners[3].tls: found true, but no certificate: needs tls_cert_path and tls_key_path, here or in [general]"
        ])
    )
  )

  it.live("need a certificate when TLS is on", () =>
    Effect.map(problemsOf('[general]\ntls_enabled = true\ntls_cert_path = "c.pem"\n'), (problems) =>
      assert.deepStrictEqual(problems, [
        "systemapi-config.toml:1: general.tls_key_path: found nothing, but TLS is on: needs a path"
      ])
    )
  )
})

describe("pipes", () => {
  it.live("come after the one of [general]", () =>
    Effect.gen(function* () {
      const { pipes } = yield* configOf(`
[general]
pipe_trim = true
pipe_skip_empty = true
pipe_given_time = true
[events]
message_max_bytes = 2048
[[pipes]]
path = "/run/metrics.fifo"
[[pipes]]
path = "b"
source = "other"
line_max_bytes = 100
mode = "620"
skip_empty = true
`)
      assert.deepStrictEqual(pipes, [
        {
          key: "general.pipe_file",
          path: "pipe.fifo",
          source: "pipe.fifo",
          trim: true,
          skip_empty: true,
          given_time: true,
          line_max_bytes: 2048,
          mode: 0o666
        },
        {
          key: "pipes[0]",
          path: "/run/metrics.fifo",
          source: "metrics.fifo",
          trim: false,
          skip_empty: false,
          given_time: false,
          line_max_bytes: 2048,
          mode: 0o666
        },
        {
          key: "pipes[1]",
          path: "b",
          source: "other",
          trim: false,
          skip_empty: true,
          given_time: false,
          line_max_bytes: 100,
          mode: 0o620
        }
      ])
    })
  )

  it.live("need paths and sources of their own", () =>
    Effect.map(
      problemsOf(`
[[pipes]]
path = "./x/../pipe.fifo"
source = "other"
[[pipes]]
path = "/elsewhere/pipe.fifo"
[[pipes]]
path = "c"
source = "other"
`),
      (problems) =>
        assert.deepStrictEqual(problems, [
          "systemapi-config.toml:3: pipes[0].path: has the path of general.pipe_file, allowed: one of its own",
          "systemapi-config.toml:5: pipes[1].source: has the source of general.pipe_file, allowed: one of its own",
          "systemapi-config.toml:9: pipes[2].source: has the source of pipes[0], allowed: one of its own"
        ])
    )
  )
})

describe("actions", () => {
  it.live("are tables in the end", () =>
    Effect.gen(function* () {
      const { actions } = yield* configOf(`
[general]
actions_require_post = true
[actions]
short = "echo short"
"with space/and slash" = "true"
constructor = "true"
open = { command = "true", require_post = false }
[actions.long]
argv = ["/bin/echo", ""]
env = { A = "1" }
inherit_env = false
concurrency = 2
queue_length = 0
user = "www-data"
group = "1000"
cwd = "/"
on_client_gone = "terminate"
`)
      assert.deepStrictEqual([...actions.keys()].sort(), [
        "constructor",
        "long",
        "open",
        "short",
        "with space/and slash"
      ])
      assert.isUndefined(actions.get("toString"))
      assert.isTrue(actions.get("short")?.require_post)
      assert.isFalse(actions.get("open")?.require_post)
      const long = actions.get("long")
      assert.deepStrictEqual(long?.command, { _tag: "Argv", argv: ["/bin/echo", ""] })
      assert.deepStrictEqual(long === undefined ? {} : Redacted.value(long.env), { A: "1" })
      assert.deepStrictEqual(
        [
          long?.inherit_env,
          long?.concurrency,
          long?.queue_length,
          long?.user,
          long?.group,
          long?.cwd,
          long?.on_client_gone
        ],
        [false, 2, 0, "www-data", "1000", "/", "terminate"]
      )
      assert.notInclude(JSON.stringify([...actions.values()]), '"A":"1"')
    })
  )

  it.live("have one command, and a name that fits a line", () =>
    Effect.map(
      problemsOf(`
[actions.none]
[actions.both]
command = "x"
argv = ["x"]
[actions.empty]
argv = [""]
[actions]
"two\\nlines" = "x"
`),
      (problems) =>
        assert.deepStrictEqual(problems, [
          "systemapi-config.toml:2: actions.none: has neither command nor argv, needs one of them",
          "systemapi-config.toml:5: actions.both.argv: given beside command, allowed: one of them",
          'systemapi-config.toml:7: actions.empty.argv[0]: found "", allowed: a program',
          'systemapi-config.toml:9: actions."two\\nlines": allowed: a name of 1 to 128 characters, none of them a control character'
        ])
    )
  )
})

describe("what a file may not ask for", () => {
  it.live("is a JSON document of more than the event loop can parse, and an API there is not", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf(
        '[limits]\nbody_max_bytes = 67_108_865\n[[listeners]]\naddress = ":1"\napis = ["other"]\n'
      )
      assert.deepStrictEqual(problems, [
        "systemapi-config.toml:2: limits.body_max_bytes: found 67108865, allowed: an integer from 1024 to 67108864",
        'systemapi-config.toml:5: listeners[0].apis[0]: found "other", allowed: "system" or "identity" or "provisioning" or "status"'
      ])
      const { config, warnings } = yield* loadText(
        '[limits]\nbody_max_bytes = 67_108_864\n[[listeners]]\naddress = ":1"\napis = ["system"]\n'
      )
      assert.deepStrictEqual([config.limits.body_max_bytes, warnings], [67_108_864, []])
    })
  )

  it.live("is a description of an upload, which nobody would see", () =>
    Effect.map(warningsOf('[file_uploads]\na = { path = "/a", description = "A" }\n'), (warnings) =>
      assert.deepStrictEqual(warnings, ["systemapi-config.toml:2: file_uploads.a.description: unknown key"])
    )
  )
})

describe("uploads", () => {
  it.live("are tables in the end", () =>
    Effect.gen(function* () {
      const { file_uploads } = yield* configOf(`
[actions]
reload = "true"
[file_uploads]
short = "relative/path"
[file_uploads.long]
path = "/etc/x"
max_bytes = 1
mode = "0640"
owner = "root"
group = "0"
then = "reload"
`)
      const fields = ["name", "path", "max_bytes", "mode", "owner", "group", "then"] as const
      const written = ["short", "long"].map((name) => fields.map((field) => file_uploads.get(name)?.[field]))
      assert.deepStrictEqual(written, [
        ["short", "relative/path", 1_073_741_824, undefined, undefined, undefined, undefined],
        ["long", "/etc/x", 1, 0o640, "root", "0", "reload"]
      ])
    })
  )

  it.live("are followed by an action that exists and needs nothing", () =>
    Effect.map(
      problemsOf(`
[actions.greet]
command = "x"
args = [{ name = "who" }]
[actions]
broken = 3
[file_uploads]
a = { path = "/a", then = "absent" }
b = { path = "/b", then = "greet" }
c = { path = "/c", then = "broken" }
`),
      (problems) =>
        assert.deepStrictEqual(problems, [
          "systemapi-config.toml:6: actions.broken: found 3, allowed: a shell command or a table",
          'systemapi-config.toml:8: file_uploads.a.then: found "absent", allowed: the name of an action',
          'systemapi-config.toml:9: file_uploads.b.then: found "greet", which requires the argument who: nobody would give it'
        ])
    )
  )
})

describe("a bootstrap token", () => {
  it.live("without a password to set is told to be of no use", () =>
    Effect.map(warningsOf('[general]\nbasic_auth_bootstrap_token_path = "t"\n'), (warnings) =>
      assert.deepStrictEqual(warnings, [
        "systemapi-config.toml:2: general.basic_auth_bootstrap_token_path: not used, because there is no basic_auth_secret_path"
      ])
    )
  )
})
