import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { configOf, loadText, problemsOf, warningsOf } from "./support.ts"

/** As it ships with the Go program. */
const original = `[general]
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

const secret = "hunter2-hunter2"

describe("a configuration of the original", () => {
  it.live("loads unchanged and without a word", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* loadText(original)
      assert.deepStrictEqual(warnings, [])
      const { general, listeners, pipes } = config
      assert.strictEqual(general.log_debug, true)
      assert.strictEqual(general.log_max_entries, 1000)
      assert.strictEqual(general.basic_auth_secret_path, "basic-auth-hash.txt")
      assert.strictEqual(Redacted.value(general.basic_auth_secret_salt), "D;%yL9TS:5PalS/d")
      assert.strictEqual(general.basic_auth_secret_format, "sha256")
      assert.strictEqual(general.http_read_timeout_ms, undefined)
      assert.deepStrictEqual(general.tls_cert_hosts, ["localhost", ""])
      assert.deepStrictEqual(listeners, [
        {
          key: "general.listen_addr",
          address: { _tag: "Tcp", host: "0.0.0.0", port: 3535 },
          apis: ["system", "identity", "provisioning", "status"],
          auth: ["basic", "bearer"],
          roles: ["admin"],
          tls: { cert_path: "cert.pem", key_path: "key.pem", min_version: "1.2", clients: undefined },
          max_connections: 4096,
          socket_mode: 0o660,
          socket_group: undefined,
          force_no_auth: false
        }
      ])
      assert.deepStrictEqual(
        pipes.map(({ key, mode, path, source }) => ({ key, mode, path, source })),
        [{ key: "general.pipe_file", mode: 0o666, path: "pipe.fifo", source: "pipe.fifo" }]
      )
      const echo = config.actions.get("echo_test")
      assert.deepStrictEqual(echo?.command, { _tag: "Shell", text: "echo test" })
      assert.strictEqual(echo?.timeout_ms, 3_600_000)
      const upload = config.file_uploads.get("testfile")
      assert.deepStrictEqual([upload?.path, upload?.mode], ["/tmp/testfile.txt", undefined])
    })
  )

  it.live("may have numbers and texts at the edges of what Go reads", () =>
    Effect.gen(function* () {
      const { general } = yield* configOf(
        '[general]\nlog_max_entries = -3\nhttp_read_timeout_ms = -1\nhttp_write_timeout_ms = 2500\npipe_file = ""\nbasic_auth_secret_path = ""\n'
      )
      assert.strictEqual(general.log_max_entries, 1000)
      assert.strictEqual(general.http_read_timeout_ms, undefined)
      assert.strictEqual(general.http_write_timeout_ms, 2500)
      assert.strictEqual(general.basic_auth_secret_path, undefined)
    })
  )

  it.live("may call its FIFO anything", () =>
    Effect.gen(function* () {
      const { pipes } = yield* configOf('[general]\npipe_file = "/run/my pipe: é"\n')
      assert.deepStrictEqual(
        pipes.map(({ source }) => source),
        ["my_pipe___"]
      )
    })
  )
})

describe("no configuration file", () => {
  it.live("means the defaults, and none is read", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* load(undefined, {})
      assert.deepStrictEqual(warnings, [])
      assert.deepStrictEqual(config.listeners[0]?.address, { _tag: "Tcp", host: "127.0.0.1", port: 3535 })
      assert.strictEqual(config.pipes[0]?.path, "pipe.fifo")
      assert.strictEqual(config.store.directory, "systemapi-state")
      assert.strictEqual(config.actions.size, 0)
      assert.deepStrictEqual(config, yield* configOf(""))
    })
  )
})

describe("the environment", () => {
  it.live("moves defaults, and the file wins over it", () =>
    Effect.gen(function* () {
      const env = { MAX_EVENTS: "77", SHELL_TO_USE: "/bin/bash", STATE_DIRECTORY: "/var/lib/systemapi:/var/lib/other" }
      const moved = yield* configOf("", env)
      assert.strictEqual(moved.general.log_max_entries, 77)
      assert.strictEqual(moved.general.shell, "/bin/bash")
      assert.strictEqual(moved.store.directory, "/var/lib/systemapi")
      const given = yield* configOf(
        '[general]\nlog_max_entries = 5\nshell = "/bin/zsh"\n[store]\ndirectory = "here"\n',
        env
      )
      assert.strictEqual(given.general.log_max_entries, 5)
      assert.strictEqual(given.general.shell, "/bin/zsh")
      assert.strictEqual(given.store.directory, "here")
    })
  )

  it.live("counts for nothing where it is empty or no number", () =>
    Effect.gen(function* () {
      const empty = yield* loadText("", { MAX_EVENTS: "", SHELL_TO_USE: "", STATE_DIRECTORY: "" })
      assert.strictEqual(empty.config.general.log_max_entries, 1000)
      assert.strictEqual(empty.config.general.shell, undefined)
      assert.strictEqual(empty.config.store.directory, "systemapi-state")
      assert.deepStrictEqual(empty.warnings, [])
      const { config, warnings } = yield* loadText("", { MAX_EVENTS: "many" })
      assert.strictEqual(config.general.log_max_entries, 1000)
      assert.deepStrictEqual(warnings, ['MAX_EVENTS: found "many", allowed: an integer; 1000 is used'])
      assert.strictEqual((yield* configOf("", { MAX_EVENTS: "-1" })).general.log_max_entries, 1000)
    })
  )

  it.live("asks for no more events in memory than there is room for, and neither does the file", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* loadText("[general]\nlog_max_entries = 2_000_000\n")
      assert.strictEqual(config.general.log_max_entries, 1_000_000)
      assert.deepStrictEqual(warnings, [
        "systemapi-config.toml:2: general.log_max_entries: found 2000000, which is too many; 1000000 is used"
      ])
      assert.deepStrictEqual(yield* warningsOf("", { MAX_EVENTS: "3000000" }), [
        "MAX_EVENTS: found 3000000, which is too many; 1000000 is used"
      ])
    })
  )
})

describe("flags", () => {
  it.live("win over the file", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* loadText(
        original,
        {},
        { listen_addr: "[::1]:0", pipe_file: "/run/other.fifo" }
      )
      assert.deepStrictEqual(warnings, [])
      assert.deepStrictEqual(config.listeners[0]?.address, { _tag: "Tcp", host: "::1", port: 0 })
      assert.strictEqual(config.pipes[0]?.path, "/run/other.fifo")
      assert.deepStrictEqual((yield* configOf(original, {}, { pipe_file: "" })).pipes, [])
    })
  )

  it.live("obey the rules of their keys, and are told beside the faults of the file", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf("[general]\npprof = 1\n", {}, { listen_addr: "nowhere" }), [
        '--listen-addr: found "nowhere", allowed: host:port, :port, [IPv6]:port, unix:/path or systemd:NAME',
        "systemapi-config.toml:2: general.pprof: found 1, allowed: true or false"
      ])
      assert.deepStrictEqual(yield* problemsOf("", {}, { listen_addr: "x", pipe_file: "a\0" }), [
        '--listen-addr: found "x", allowed: host:port, :port, [IPv6]:port, unix:/path or systemd:NAME',
        '--pipe-file: found "a\\u0000", allowed: a path, or "" for none'
      ])
    })
  )

  it.live("take the place of [[listeners]], and say so", () =>
    Effect.gen(function* () {
      const { config, warnings } = yield* loadText('[[listeners]]\naddress = ":1"\n', {}, { listen_addr: ":2" })
      assert.deepStrictEqual(
        config.listeners.map(({ key }) => key),
        ["general.listen_addr"]
      )
      assert.deepStrictEqual(warnings, ["systemapi-config.toml:1: listeners: not used, because --listen-addr is given"])
    })
  )
})

describe("a wrong configuration", () => {
  it.live("is told with file, line, key, what was found and what is allowed, all of it at once", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf(`
[general]
listen_addr = 3535
log_max_entries = "abc"
tls_cert_hosts = ["ok", 3]
http_read_timeout_ms = 2.5
basic_auth_secret_format = "md5"

[limits]
max_header_bytes = 1

[actions]
a = 3
"b c" = ""
c.timeout_ms = 0
c.command = "x"

[file_uploads]
d = { path = "/d", mode = 644 }

[[pipes]]
[events]
max_age_s = -1
[telemetry]
otlp_url = "collector:4318"
`)
      assert.deepStrictEqual(problems, [
        "systemapi-config.toml:3: general.listen_addr: found 3535, allowed: host:port, :port, [IPv6]:port, unix:/path or systemd:NAME",
        'systemapi-config.toml:4: general.log_max_entries: found "abc", allowed: an integer',
        "systemapi-config.toml:5: general.tls_cert_hosts[1]: found 3, allowed: text of at most 4096 characters",
        "systemapi-config.toml:6: general.http_read_timeout_ms: found 2.5, allowed: an integer from -2147483647 to 2147483647",
        'systemapi-config.toml:7: general.basic_auth_secret_format: found "md5", allowed: "sha256" or "scrypt" or "argon2id"',
        "systemapi-config.toml:10: limits.max_header_bytes: found 1, allowed: an integer from 8192 to 16777216",
        "systemapi-config.toml:13: actions.a: found 3, allowed: a shell command or a table",
        'systemapi-config.toml:14: actions."b c": found "", allowed: a shell command or a table',
        "systemapi-config.toml:15: actions.c.timeout_ms: found 0, allowed: an integer from 1 to 2147483647",
        'systemapi-config.toml:19: file_uploads.d.mode: found 644, allowed: an octal file mode in quotes, such as "0644"',
        "systemapi-config.toml:21: pipes[0].path: found nothing, allowed: a path",
        "systemapi-config.toml:23: events.max_age_s: found -1, allowed: an integer >= 0",
        'systemapi-config.toml:25: telemetry.otlp_url: found "collector:4318", allowed: an http:// or https:// URL, or "" for none'
      ])
    })
  )

  it.live("may have a section that is no table", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf('general = "x"\nactions = 1\npipes = {}\nlimits = []\n'), [
        'systemapi-config.toml:1: general: found "x", allowed: a table',
        "systemapi-config.toml:2: actions: found 1, allowed: a table",
        "systemapi-config.toml:3: pipes: found a table, allowed: at most 64 [[pipes]] tables",
        "systemapi-config.toml:4: limits: found an empty array, allowed: a table"
      ])
    })
  )

  it.live("shows nothing that may be a secret", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf(`
[general]
basic_auth_secret_salt = ["${secret}"]
[actions.a]
command = "x"
timeout_ms = "soon"
env = { TOKEN = "${secret}", OTHER = ["${secret}"], PIN = 12345, "not a name" = "${secret}" }
[actions.b]
command = "x"
env = "${secret}"
[actions.c]
command = "x"
env = { "not a name" = "${secret}" }
`)
      assert.deepStrictEqual(problems, [
        "systemapi-config.toml:3: general.basic_auth_secret_salt: found an array of 1, allowed: text of at most 4096 characters",
        'systemapi-config.toml:6: actions.a.timeout_ms: found "soon", allowed: an integer from 1 to 2147483647',
        "systemapi-config.toml:7: actions.a.env.OTHER: found an array of 1, allowed: text",
        "systemapi-config.toml:7: actions.a.env.PIN: found a number, allowed: text",
        "systemapi-config.toml:10: actions.b.env: found a string of 15 characters, allowed: a table of environment variables",
        'systemapi-config.toml:13: actions.c.env."not a name": is no name of a variable, allowed: letters, digits and underscores'
      ])
    })
  )

  it.live("that is endless is told in a hundred lines", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf(
        Array.from({ length: 250 }, (_, n) => `[limits.k${n}]`).join("\n") + "\n[general]\nstrict = true"
      )
      assert.strictEqual(problems.length, 101)
      assert.strictEqual(problems[0], "systemapi-config.toml:1: limits.k0: unknown key")
      assert.strictEqual(problems[100], "and 150 more")
    })
  )

  it.live("is no TOML, or no file at all", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf("[general\n"), ["systemapi-config.toml:1: expected ']', at column 9"])
      const error = yield* Effect.flip(load("/nonexistent/systemapi-config.toml", {}))
      assert.strictEqual(error.message, "/nonexistent/systemapi-config.toml: does not exist")
    })
  )
})

describe("an unknown key", () => {
  const text = '[general]\nlisten_adr = ":1"\n[genral]\npprof = true\n'
  const lines = [
    'systemapi-config.toml:2: general.listen_adr: unknown key, did you mean "listen_addr"?',
    'systemapi-config.toml:3: genral: unknown key, did you mean "general"?'
  ]

  it.live("is a warning", () => Effect.map(warningsOf(text), (warnings) => assert.deepStrictEqual(warnings, lines)))

  it.live("is an error under strict, beside all others", () =>
    Effect.map(problemsOf(`[general]\nstrict = true\nlisten_adr = ":1"\n[limits]\nmax_connections = 0\n`), (problems) =>
      assert.deepStrictEqual(problems, [
        'systemapi-config.toml:3: general.listen_adr: unknown key, did you mean "listen_addr"?',
        "systemapi-config.toml:5: limits.max_connections: found 0, allowed: an integer from 1 to 100000"
      ])
    )
  )

  it.live("is told by the hundred, with names cut, whatever the number and the length", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 120_000 }, (_, n) => `k${n}=1\n`).join("")
      for (const strict of [false, true]) {
        const text = `[general]\nstrict = ${strict}\n${many.slice(0, many.lastIndexOf("\n", 1_040_000) + 1)}`
        const lines = yield* strict ? problemsOf(text) : warningsOf(text)
        assert.strictEqual(lines.length, 101)
        assert.match(lines[100] ?? "", /^and \d+ more$/u)
      }
      const [line = ""] = yield* warningsOf(`[general]\n${"k".repeat(100_000)} = 1\n`)
      assert.match(line, /^systemapi-config\.toml:2: general\."k{60}"… \(100000 characters\): unknown key$/u)
    })
  )

  it.live("is told beside the key that is missing for it", () =>
    Effect.map(problemsOf('[[pipes]]\npth = "x"\n'), (problems) =>
      assert.deepStrictEqual(problems, [
        "systemapi-config.toml:1: pipes[0].path: found nothing, allowed: a path",
        'systemapi-config.toml:2: pipes[0].pth: unknown key, did you mean "path"?'
      ])
    )
  )
})
