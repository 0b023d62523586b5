import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as TestConsole from "effect/testing/TestConsole"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { plainServe } from "../../src/cli/argv.ts"
import { type Handlers, run } from "../../src/cli/Cli.ts"
import { version } from "../../src/cli/version.ts"
import type { Flags } from "../../src/services/config/environment.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly calls: ReadonlyArray<unknown>
}

const root = fileURLToPath(new URL("../../", import.meta.url))

/** What the user of a terminal sees of a command line, and what was asked of the handlers. */
const invoke = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>,
  serving: Effect.Effect<void, Refused> = Effect.void
) {
  const calls: Array<unknown> = []
  const called = (name: string) => (options: unknown) => Effect.sync(() => void calls.push({ name, options }))
  const handlers: Handlers<Refused, never> = {
    serve: (options) => Effect.andThen(called("serve")(options), serving),
    exportEvents: called("export"),
    importEvents: called("import")
  }
  const before = [(yield* TestConsole.logLines).length, (yield* TestConsole.errorLines).length] as const
  const exit = yield* run(handlers, argv).pipe(Effect.provide(NodeServices.layer), Effect.exit)
  let code = 0
  Runtime.defaultTeardown(exit, (given) => {
    code = given
  })
  const text = (lines: ReadonlyArray<unknown>, from: number) => lines.slice(from).join("\n")
  const outcome: Outcome = {
    code,
    stdout: text(yield* TestConsole.logLines, before[0]),
    stderr: text(yield* TestConsole.errorLines, before[1]),
    calls
  }
  return outcome
})

const noFlags: Flags = {
  listen_addr: undefined,
  pipe_file: undefined,
  host: undefined,
  port: undefined,
  jwt_secret: undefined,
  cli_path: undefined,
  log_level: undefined
}

const servedWith = (config: string | undefined, flags: Flags) => ({
  code: 0,
  stdout: "",
  stderr: "",
  calls: [{ name: "serve", options: { config, flags: { ...noFlags, ...flags } } }]
})

const served = (config?: string, listen_addr?: string, pipe_file?: string) =>
  servedWith(config, { listen_addr, pipe_file })

const refused = (stderr: string): Outcome => ({ code: 1, stdout: "", stderr, calls: [] })

describe("serving", () => {
  it.effect("is what happens without a command", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* invoke([]), served())
      assert.deepStrictEqual(yield* invoke(["--config", "a.toml"]), served("a.toml"))
      assert.deepStrictEqual(
        yield* invoke(["serve", "--listen-addr", ":1", "--pipe-file="]),
        served(undefined, ":1", "")
      )
    })
  )

  it.effect("understands the flags of the original", () =>
    Effect.gen(function* () {
      const expected = served("a.toml", "[::]:1", "p")
      assert.deepStrictEqual(yield* invoke(["-config", "a.toml", "-listen-addr=[::]:1", "-pipe-file", "p"]), expected)
      assert.deepStrictEqual(
        yield* invoke(["-config", "a.toml", "serve", "-listen-addr=[::]:1", "-pipe-file=p"]),
        expected
      )
    })
  )

  it.effect("understands the flags of the original Provisioning API", () =>
    Effect.gen(function* () {
      const line =
        "--config c.toml --host 0.0.0.0 --port 8083 --jwt-secret my-secret --cli-path /usr/bin/p --log-level debug"
      const flags = {
        host: "0.0.0.0",
        port: "8083",
        jwt_secret: "my-secret",
        cli_path: "/usr/bin/p",
        log_level: "debug"
      }
      const expected = servedWith("c.toml", flags)
      assert.deepStrictEqual(yield* invoke(line.split(" ")), expected)
      assert.deepStrictEqual(plainServe(line.split(" ")), { config: "c.toml", flags: { ...noFlags, ...flags } })
      assert.deepStrictEqual(yield* invoke(["-host", "::1", "serve"]), servedWith(undefined, { host: "::1" }))
    })
  )

  it.effect("that fails is told once, with exit code 1", () =>
    Effect.gen(function* () {
      const outcome = yield* invoke([], Effect.fail(new Refused({ message: "cannot listen on :1: permission denied" })))
      assert.deepStrictEqual(
        [outcome.code, outcome.stdout, outcome.stderr],
        [1, "", "cannot listen on :1: permission denied"]
      )
    })
  )

  it.effect("that is interrupted is not a failure to tell", () =>
    Effect.gen(function* () {
      const outcome = yield* invoke([], Effect.interrupt)
      assert.deepStrictEqual([outcome.code, outcome.stderr], [130, ""])
    })
  )
})

describe("serving without the parser", () => {
  const words = (line: string) => (line === "" ? [] : line.split(" "))

  it.each([
    "",
    "serve",
    "--config a.toml",
    "-config=a.toml serve -pipe-file=",
    "serve --listen-addr :1 --pipe-file p --config=x=y",
    "--config serve",
    "--config="
  ])("is for %j", (line) => assert.isDefined(plainServe(words(line))))

  it.each([
    "servee",
    "serve serve",
    "config check serve",
    "events export",
    "--help",
    "-v",
    "serve --help",
    "--config",
    "--config --help",
    "--config a --config b",
    "--conifg a",
    "--config a --",
    "--config a b",
    " "
  ])("is not for %j", (line) => assert.isUndefined(plainServe(words(line))))

  const vocabulary = [
    "serve",
    "--config",
    "-config",
    "--listen-addr",
    "-listen-addr=[::]:1",
    "--pipe-file=",
    "--pipe-file",
    "--",
    "--config=a",
    "--config=",
    "a.toml",
    "",
    "-",
    "-1",
    "-x",
    "--no-config",
    "--help",
    "-h",
    "events",
    "--config=--x",
    "=",
    "--=",
    "--config =a",
    "--CONFIG=a",
    "\u00e4=\n"
  ]

  it.effect("asks for the same as with it, for every command line of up to three words", () =>
    Effect.gen(function* () {
      const ones = vocabulary.map((word) => [word])
      const twos = ones.flatMap((line) => vocabulary.map((word) => [...line, word]))
      const threes = twos.flatMap((line) => vocabulary.map((word) => [...line, word]))
      let plain = 0
      for (const argv of [...ones, ...twos, ...threes]) {
        const options = plainServe(argv)
        if (options === undefined) continue
        plain += 1
        assert.deepStrictEqual(
          yield* invoke(argv),
          { ...served(), calls: [{ name: "serve", options }] },
          argv.join(" ")
        )
      }
      assert.isAbove(plain, 100)
    })
  )
})

describe("a command line that makes no sense", () => {
  it.effect("is told by its wrong part, with exit code 1", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* invoke(["servee"]),
        refused(
          'Unknown subcommand "servee" for "systemapi"\n\n  Did you mean this?\n    serve\nRun \'systemapi --help\' for what there is.'
        )
      )
      const unknown = yield* invoke(["-conifg=x"])
      assert.strictEqual(unknown.code, 1)
      assert.include(unknown.stderr, "Unrecognized flag: --conifg")
      assert.include(unknown.stderr, "--config")
      assert.deepStrictEqual(
        yield* invoke(["config", "check"]),
        refused("Missing required argument: FILE\nRun 'systemapi config check --help' for what there is.")
      )
      assert.deepStrictEqual(
        yield* invoke(["events", "import", "a", "b"]),
        refused("Unexpected positional argument: \"b\"\nRun 'systemapi events import --help' for what there is.")
      )
      assert.strictEqual((yield* invoke(["--config"])).code, 1)
      assert.strictEqual((yield* invoke(["events", "export", "--after", "-1"])).code, 1)
      assert.strictEqual((yield* invoke(["events", "export", "--after", "x"])).code, 1)
      assert.strictEqual((yield* invoke(["--config=a", "--config=b"])).code, 1)
    })
  )
})

describe("help", () => {
  it.effect("names every command and flag", () =>
    Effect.gen(function* () {
      const help = yield* invoke(["--help"])
      assert.strictEqual(help.code, 0)
      for (const word of [
        "serve",
        "config",
        "events",
        "--config FILE",
        "--listen-addr ADDR",
        "--pipe-file PATH",
        "--help",
        "--version"
      ]) {
        assert.include(help.stdout, word)
      }
      // What the library offers beside, and this program does not.
      for (const word of ["--wizard", "--completions"]) assert.notInclude(help.stdout, word)
      assert.include((yield* invoke(["config", "--help"])).stdout, "schema")
      assert.include((yield* invoke(["events", "export", "--help"])).stdout, "--after N")
      assert.deepStrictEqual(yield* invoke(["config"]), yield* invoke(["config", "--help"]))
    })
  )

  it.effect("tells the version of package.json", () =>
    Effect.gen(function* () {
      const given = JSON.parse(yield* Effect.promise(() => readFile(join(root, "package.json"), "utf8"))).version
      assert.strictEqual(version(), given)
      assert.strictEqual((yield* invoke(["--version"])).stdout, `systemapi v${given}`)
    })
  )
})

describe("events", () => {
  it.effect("are exported and imported with defaults", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* invoke(["events", "export"])).calls, [
        { name: "export", options: { store: undefined, after: 0, output: "-" } }
      ])
      assert.deepStrictEqual(
        (yield* invoke(["events", "export", "--store", "s", "--after=7", "--output", "o"])).calls,
        [{ name: "export", options: { store: "s", after: 7, output: "o" } }]
      )
      assert.deepStrictEqual((yield* invoke(["events", "import", "-"])).calls, [
        { name: "import", options: { store: undefined, input: "-" } }
      ])
    })
  )
})

describe("config", () => {
  const withFile = (text: string) =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "systemapi-test-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
      )
      const path = join(folder, "c.toml")
      yield* Effect.promise(() => writeFile(path, text))
      return path
    })

  it.effect("check says ok, with warnings apart", () =>
    Effect.gen(function* () {
      const sample = join(root, "systemapi-config.toml")
      assert.deepStrictEqual(yield* invoke(["config", "check", sample]), {
        ...served(),
        calls: [],
        stdout: `${sample}: ok`
      })
      const path = yield* withFile("[general]\nlisten_adr = 1\n")
      assert.deepStrictEqual(yield* invoke(["config", "check", path]), {
        code: 0,
        stdout: `${path}: ok`,
        stderr: `warning: ${path}:2: general.listen_adr: unknown key, did you mean "listen_addr"?`,
        calls: []
      })
    })
  )

  it.effect("check tells everything that is wrong, with exit code 1", () =>
    Effect.gen(function* () {
      const path = yield* withFile("[general]\npprof = 1\nlog_json = 2\n")
      assert.deepStrictEqual(
        yield* invoke(["config", "check", path]),
        refused(
          `${path}:2: general.pprof: found 1, allowed: true or false\n${path}:3: general.log_json: found 2, allowed: true or false`
        )
      )
      assert.deepStrictEqual(yield* invoke(["config", "check", "/absent"]), refused("/absent: does not exist"))
    })
  )

  it.effect("schema is JSON that says what it is", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* invoke(["config", "schema"])
      assert.strictEqual(code, 0)
      assert.strictEqual(JSON.parse(stdout).$schema, "https://json-schema.org/draft/2020-12/schema")
    })
  )
})
