/** The command line beside the daemon: export, import, checks and help, as a person or a script uses them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { home, program } from "./build.ts"
import { eventsOf, request } from "./client.ts"
import { run, shell, start, temporaryFolder, write } from "./support.ts"

const config = '[general]\nlisten_addr = "127.0.0.1:0"\npipe_file = ""\n'

const body = JSON.stringify([
  { message: "plain" },
  { message: "control \n \u0000 \u2028 ümläut 🦭", level: "error", fields: { nested: { a: [1, null, "x"] } } },
  { message: "" }
])

/** A stopped daemon's folder with a few events of every kind. */
const recorded = Effect.gen(function* () {
  const daemon = yield* start({ config })
  yield* request(`${daemon.url}/api/v1/events`, { body })
  yield* request(`${daemon.url}/api/v1/new_event?message=over+http`)
  const events = yield* eventsOf(daemon.url)
  return { daemon, events }
})

const ok = Effect.fnUntraced(function* (options: Parameters<typeof run>[0]) {
  const result = yield* run(options)
  assert.strictEqual(result.code, 0, result.err)
  return result
})

describe("systemapi events", () => {
  it.live("export and import make the same log again", () =>
    Effect.gen(function* () {
      const { daemon, events } = yield* recorded
      const { folder } = daemon
      yield* daemon.stop
      const exported = yield* ok({ folder, args: ["events", "export"] })
      const lines = exported.out.trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.map((line): unknown => JSON.parse(line)),
        [...events]
      )
      const imported = yield* ok({ folder, args: ["events", "import", "--store", "other", "-"], stdin: exported.out })
      assert.match(imported.err, /^4 events imported into other\n$/u)
      const again = yield* ok({ folder, args: ["events", "export", "--store", "other"] })
      assert.strictEqual(again.out, exported.out)
      yield* ok({ folder, args: ["events", "export", "--after", "2", "--output", "some.ndjson"] })
      assert.strictEqual(
        yield* Effect.promise(() => readFile(join(folder, "some.ndjson"), "utf8")),
        `${lines.slice(2).join("\n")}\n`
      )
      assert.strictEqual((yield* Effect.promise(() => stat(join(folder, "some.ndjson")))).mode & 0o777, 0o600)
    })
  )

  it.live("export goes where the shell sends it, at the end of a file too", () =>
    Effect.gen(function* () {
      const { daemon, events } = yield* recorded
      const { folder } = daemon
      yield* write(folder, "all.ndjson", "what was there\n")
      yield* shell(folder, `${program} events export >> all.ndjson`)
      const lines = (yield* Effect.promise(() => readFile(join(folder, "all.ndjson"), "utf8"))).split("\n")
      assert.strictEqual(lines[0], "what was there")
      assert.strictEqual(lines.length, events.length + 2)
      const first = yield* shell(folder, `${program} events export | head -n 1`)
      assert.strictEqual(first, `${lines[1]}\n`)
      const imported = yield* shell(folder, `sed 1d all.ndjson | ${program} events import --store other - 2>&1`)
      assert.strictEqual(imported, `${events.length} events imported into other\n`)
    })
  )

  it.live("export works beside the daemon, import does not", () =>
    Effect.gen(function* () {
      const { daemon, events } = yield* recorded
      const { folder } = daemon
      const { out } = yield* ok({ folder, args: ["events", "export"] })
      assert.strictEqual(out.trimEnd().split("\n").length, events.length)
      yield* write(folder, "in.ndjson", out)
      const refused = yield* run({ folder, args: ["events", "import", "in.ndjson"] })
      assert.strictEqual(refused.code, 1)
      assert.include(refused.err, "systemapi-state")
      assert.deepStrictEqual(yield* eventsOf(daemon.url), events)
    })
  )

  it.live("import tells the line that is wrong", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const good = '{"received_at":"2024-11-05T22:03:23Z","source":"http","level":"info","message":"x"}'
      const refused = yield* run({
        folder,
        args: ["events", "import", "-"],
        stdin: `${good}\n${good.replace("info", "loud")}\n`
      })
      assert.strictEqual(refused.code, 1)
      assert.match(refused.err, /line 2: /u)
    })
  )

  it.live("a store or a file that is not there is told", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const args of [
        ["events", "export", "--store", "absent"],
        ["events", "import", "absent"]
      ]) {
        const { code, err, out } = yield* run({ folder, args })
        assert.deepStrictEqual([code, out], [1, ""])
        assert.include(err, "absent")
      }
    })
  )
})

describe("systemapi config", () => {
  it.live("check says ok, or all that is wrong", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* write(folder, "good.toml", config)
      yield* write(folder, "bad.toml", "[general]\nlog_json = 1\nlog_debug = 2\n")
      const good = yield* ok({ folder, args: ["config", "check", "good.toml"] })
      assert.deepStrictEqual([good.out, good.err], ["good.toml: ok\n", ""])
      const bad = yield* run({ folder, args: ["config", "check", "bad.toml"] })
      assert.deepStrictEqual([bad.code, bad.out], [1, ""])
      assert.deepStrictEqual(bad.err.trimEnd().split("\n"), [
        "bad.toml:2: general.log_json: found 1, allowed: true or false",
        "bad.toml:3: general.log_debug: found 2, allowed: true or false"
      ])
      const sample = yield* ok({ args: ["config", "check", join(home, "systemapi-config.toml")] })
      assert.strictEqual(sample.err, "")
    })
  )

  it.live("schema prints a JSON Schema with every section", () =>
    Effect.gen(function* () {
      const { out } = yield* ok({ args: ["config", "schema"] })
      const schema: unknown = JSON.parse(out)
      assert.deepInclude(schema, { $schema: "https://json-schema.org/draft/2020-12/schema" })
      for (const section of [
        "general",
        "store",
        "events",
        "pipes",
        "actions",
        "file_uploads",
        "limits",
        "listeners",
        "telemetry"
      ]) {
        assert.include(out, `"${section}"`)
      }
    })
  )
})

const Package = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

describe("systemapi", () => {
  it.live("--version prints the version of the package", () =>
    Effect.gen(function* () {
      const manifest = yield* Effect.promise(() => readFile(join(home, "package.json"), "utf8"))
      const { version } = yield* Schema.decodeEffect(Package)(manifest)
      const { err, out } = yield* ok({ args: ["--version"] })
      assert.deepStrictEqual([out, err], [`systemapi v${version}\n`, ""])
    })
  )

  it.live("--help tells every flag and every command", () =>
    Effect.gen(function* () {
      for (const args of [["--help"], ["-h"], ["serve", "--help"]]) {
        const { err, out } = yield* ok({ args })
        for (const flag of ["--config", "--listen-addr", "--pipe-file", "--help", "--version"])
          assert.include(out, flag)
        assert.strictEqual(err, "")
      }
      const { out } = yield* ok({ args: ["--help"] })
      for (const command of ["serve", "config", "events"]) assert.match(out, new RegExp(`^ {2}${command} `, "mu"))
    })
  )

  it.live("a command that is none is told, with exit code 1", () =>
    Effect.gen(function* () {
      for (const args of [["sreve"], ["events"], ["config", "check"], ["events", "export", "--after", "-1"]]) {
        const { code, err, out } = yield* run({ args })
        if (args.length > 1) assert.strictEqual(code, 1, args.join(" "))
        assert.notMatch(err + out, /\n\s+at /u)
      }
    })
  )

  it.live("serve may come before its flags or after them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const flags = ["--listen-addr", "127.0.0.1:0"]
      for (const args of [
        ["serve", ...flags],
        [...flags, "serve"]
      ]) {
        const daemon = yield* start({ folder, args })
        assert.strictEqual((yield* request(`${daemon.url}/livez`)).status, 200)
        yield* daemon.stop
      }
      assert.include(yield* shell(folder, "ls"), "pipe.fifo")
    })
  )
})
