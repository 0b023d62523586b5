/**
 * Files of every kind as the configuration: each ends in a configuration or in problems that say where, what was found
 * and what is allowed; never in a defect, never in a wait, and a daemon that reads one while it runs keeps what it has.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { load, type Loaded } from "../../src/services/config/ConfigFile.ts"
import { diff } from "../../src/services/config/Reload.ts"
import { eventsOf, jsonOf, request } from "../system/client.ts"
import { program } from "../system/build.ts"
import { execute, start, temporaryFolder } from "../system/support.ts"
import { type Case, cases, failed, patience, some } from "./cases.ts"
import { documentOf } from "./configDocuments.ts"

const all = cases(20_000)

/** Some hundred times what the longest of them takes: a document that takes this long is one that hangs a daemon. */
const processorMsMax = 2000

/** Of one message: four parts of a path, a value that was found and the words for what is allowed. */
const lineLengthMax = 1000

/** Without these words nobody knows what to write instead. */
const says: ReadonlyArray<RegExp> = [
  /: found .+, allowed: \S/u,
  /: found .+, (?:which|but) .+/u,
  /: (?:given beside|given without|has the|is given twice|is for type|is true beside|is false without|is no name of|has type|has neither|has one of) ?.*/u,
  /: unknown key(?:, did you mean ".+"\?)?$/u,
  /: .+ is given twice$/u,
  /: (?:lacks .+, which .+ requires|goes in a circle: .+|needs one of .+|is for operation = .+)$/u,
  /: is nothing that it takes, allowed: \S/u,
  /: not used, because /u,
  /: \S+ (?:lets in every|is not of this machine alone|takes logins and tokens without TLS)/u,
  /: anybody knows the passwords of /u,
  /: allowed: (?:(?:a name of )?1 to \d+ (?:characters|letters)|a letter, then at most \d+ of letters)/u,
  /^FILE:\d+: is (?:not UTF-8|nested more than 32 deep)$/u,
  /^FILE:\d+: not a TOML value \(text needs quotes\)$/u,
  /^FILE:\d+: .+, at column \d+$/u,
  /^and \d+ more$/u
]

/** A problem that fails to say where, in terms of the file's own text. */
const misplaced = (line: string, text: string): boolean => {
  const place = /^FILE:(\d+): /u.exec(line)
  if (place === null) return line.startsWith("FILE: ")
  return Number(place[1]) < 1 || Number(place[1]) > text.split("\n").length
}

const builtins = [Object.prototype, Array.prototype, Function.prototype, String.prototype, Date.prototype]
const namesOfBuiltins = () => JSON.stringify(builtins.map((each) => Reflect.ownKeys(each).map(String)))

/** Twenty thousand files need no disk. */
const memoryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "systemapi-fuzz-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

type Outcome = Result.Result<Loaded, ReadonlyArray<string>>

const outcomeOf = Effect.fnUntraced(function* (each: Case, path: string) {
  const exit = yield* Effect.exit(load(path, {}))
  if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
  const failure = Exit.findError(exit)
  if (Result.isFailure(failure)) throw failed(each, "a defect", exit.cause)
  return Result.fail(failure.success.problems)
})

const linesOf = (outcome: Outcome, path: string): ReadonlyArray<string> =>
  (Result.isSuccess(outcome) ? [...outcome.success.warnings, ...outcome.success.exposures] : outcome.failure).map(
    (line) => line.replaceAll(path, "FILE")
  )

const check = (each: Case, outcome: Outcome, path: string, text: string) => {
  const lines = linesOf(outcome, path)
  if (Result.isFailure(outcome) && lines.length === 0) throw failed(each, "refused without a reason")
  for (const line of lines) {
    if (!says.some((form) => form.test(line))) throw failed(each, `says too little: ${line}`)
    if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(line)) throw failed(each, `not one line: ${JSON.stringify(line)}`)
    if (line.length > lineLengthMax) throw failed(each, `endless: ${line.slice(0, 200)}`)
    if (misplaced(line, text)) throw failed(each, `says no place: ${line}`)
  }
}

describe("a configuration file", () => {
  it.live(
    `is taken or refused with reasons, ${all.length} times`,
    () =>
      Effect.gen(function* () {
        const path = join(yield* memoryFolder, "config.toml")
        writeFileSync(path, "")
        const { config: base } = yield* load(path, {})
        const builtinNames = namesOfBuiltins()
        let taken = 0
        for (const each of all) {
          const bytes = documentOf(each.random())
          writeFileSync(path, bytes)
          const before = process.threadCpuUsage()
          const outcome = yield* outcomeOf(each, path)
          if (Result.isSuccess(outcome)) {
            taken += 1
            diff(base, outcome.success.config)
            const { live, restart } = diff(outcome.success.config, outcome.success.config)
            if (live.length + restart.length > 0) throw failed(each, `differs from itself: ${live} ${restart}`)
          }
          const { system, user } = process.threadCpuUsage(before)
          if ((user + system) / 1000 > processorMsMax) throw failed(each, `took ${(user + system) / 1000} ms`)
          check(each, outcome, path, bytes.toString())
          if (namesOfBuiltins() !== builtinNames) throw failed(each, "changed what every object has")
        }
        // A fuzzer that is always refused at the first line tries little.
        if (all.length < 1000) return
        assert.isAbove(taken, all.length / 50)
        assert.isBelow(taken, all.length / 2)
      }),
    patience
  )

  const checked = some(all, 6)
  it.live(
    `is judged by the command line as by the daemon, ${checked.length} times`,
    () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryFolder, "config.toml")
        for (const each of checked) {
          const bytes = documentOf(each.random())
          writeFileSync(path, bytes)
          const outcome = yield* outcomeOf(each, path)
          const { code, err, out } = yield* execute(program, ["config", "check", path])
          const expected = Result.isSuccess(outcome)
            ? {
                code: 0,
                out: `${path}: ok\n`,
                err: [...outcome.success.warnings, ...outcome.success.exposures]
                  .map((line) => `warning: ${line}\n`)
                  .join("")
              }
            : { code: 1, out: "", err: `${outcome.failure.join("\n")}\n` }
          assert.deepStrictEqual({ code, out, err }, expected, failed(each, "another verdict").message)
        }
      }),
    patience
  )

  const reloaded = some(all, 250)
  it.live(
    `is taken up by a running daemon as a whole or not at all, ${reloaded.length} times`,
    () => reload(reloaded),
    patience
  )
})

const decodeActions = Schema.decodeUnknownSync(
  Schema.Struct({ actions: Schema.Array(Schema.Struct({ name: Schema.String })) })
)
const decodeInfo = Schema.decodeUnknownSync(Schema.Struct({ limits: Schema.Record(Schema.String, Schema.Int) }))

const reload = Effect.fnUntraced(function* (reloaded: ReadonlyArray<Case>) {
  const daemon = yield* start({ config: '[general]\nlisten_addr = "127.0.0.1:0"\n[actions]\nfirst = "true"\n' })
  const path = join(daemon.folder, "config.toml")
  const shown = Effect.gen(function* () {
    const { actions } = decodeActions(jsonOf(yield* request(`${daemon.url}/api/v1/actions`)))
    const { limits } = decodeInfo(jsonOf(yield* request(`${daemon.url}/api/v1/info`)))
    return { actions: actions.map(({ name }) => name), body: limits["body_max_bytes"], stop: limits["stop_timeout_ms"] }
  })
  let now = yield* shown
  let seq = (yield* eventsOf(daemon.url)).at(-1)?.seq ?? 0
  let refused = 0
  for (const each of reloaded) {
    writeFileSync(path, documentOf(each.random()))
    const outcome = yield* outcomeOf(each, path)
    yield* daemon.signal("SIGHUP")
    const events = yield* eventsOf(daemon.url, `after=${seq}&wait=30&q=configuration`)
    const [said] = events
    seq = said?.seq ?? seq
    if (Result.isSuccess(outcome)) {
      const { actions, limits } = outcome.success.config
      now = { actions: [...actions.keys()], body: limits.body_max_bytes, stop: limits.stop_timeout_ms }
    } else refused += 1
    const start = Result.isSuccess(outcome)
      ? "[system-api] configuration reloaded: "
      : "[system-api] configuration not reloaded, nothing changed: "
    assert.strictEqual(events.length, 1, failed(each, JSON.stringify(events)).message)
    assert.isTrue(said?.message.startsWith(start), failed(each, said?.message ?? "said nothing").message)
    assert.deepStrictEqual(yield* shown, now, failed(each, "another configuration in force").message)
  }
  if (reloaded.length > 100) {
    assert.isAbove(refused, 0)
    assert.isBelow(refused, reloaded.length)
  }
  assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
}, Effect.scoped)
