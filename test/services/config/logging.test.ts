import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { diff } from "../../../src/services/config/Reload.ts"
import { logSettings } from "../../../src/services/config/resolveLogging.ts"
import { configOf, problemsOf, warningsOf } from "./support.ts"

const file = "systemapi-config.toml"

const settingsOf = (text: string, env = {}, flags = {}) => Effect.map(configOf(text, env, flags), logSettings)

const levelOf = (text: string, env = {}, flags = {}) => Effect.map(settingsOf(text, env, flags), ({ level }) => level)

describe("the level of the process log", () => {
  it.live("is the command line's, else that of [logging], of [general], of LOG_LEVEL, of RUST_LOG, else info", () =>
    Effect.gen(function* () {
      const env = { LOG_LEVEL: "warn", RUST_LOG: "trace" }
      const general = "[general]\nlog_debug = true\n"
      const logging = '[logging]\nlevel = "error"\n'
      assert.strictEqual(yield* levelOf(general + logging, env, { log_level: "trace" }), "Trace")
      assert.strictEqual(yield* levelOf(general + logging, env), "Error")
      assert.strictEqual(yield* levelOf(general, env), "Debug")
      assert.strictEqual(yield* levelOf("[general]\nlog_debug = false\n", env), "Info")
      assert.strictEqual(yield* levelOf("", env), "Warn")
      assert.strictEqual(yield* levelOf("", { RUST_LOG: "trace" }), "Trace")
      assert.strictEqual(yield* levelOf("", { LOG_LEVEL: "" }), "Info")
    })
  )

  it.live("is written in any case in the environment, and RUST_LOG may have modules of another program", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* levelOf("", { LOG_LEVEL: " DEBUG" }), "Debug")
      assert.strictEqual(yield* levelOf("", { RUST_LOG: "hyper=trace, debug,info" }), "Debug")
      assert.strictEqual(yield* levelOf("", { RUST_LOG: "hyper=trace" }), "Info")
      assert.deepStrictEqual(yield* warningsOf("", { RUST_LOG: "hyper=trace" }), [])
    })
  )

  it.live("is told where it is none, or counts for nothing", () =>
    Effect.gen(function* () {
      const allowed = '"trace" or "debug" or "info" or "warn" or "error"'
      assert.deepStrictEqual(yield* problemsOf('[logging]\nlevel = "loud"\n', {}, { log_level: "quiet" }), [
        `--log-level: found "quiet", allowed: ${allowed}`,
        `${file}:2: logging.level: found "loud", allowed: ${allowed}`
      ])
      assert.deepStrictEqual(yield* warningsOf("", { LOG_LEVEL: "verbose" }), [
        `LOG_LEVEL: found "verbose", allowed: ${allowed}; it is not used`
      ])
      assert.deepStrictEqual(
        yield* warningsOf(
          '[general]\nlog_debug = true\nlog_json = true\n[logging]\nlevel = "warn"\njson_format = false\n'
        ),
        [
          `${file}:2: general.log_debug: not used, because logging.level is given`,
          `${file}:3: general.log_json: not used, because logging.json_format is given`
        ]
      )
      assert.deepStrictEqual(
        yield* warningsOf(
          '[general]\nlog_debug = true\nlog_json = true\n[logging]\nlevel = "debug"\njson_format = true\n'
        ),
        []
      )
    })
  )

  it.live("and its format change with a reload", () =>
    Effect.gen(function* () {
      const old = yield* configOf('[logging]\nlevel = "warn"\n')
      const next = yield* configOf('[logging]\nlevel = "debug"\njson_format = true\n')
      const { config, live, restart } = diff(old, next)
      assert.deepStrictEqual([live, restart], [["logging.level", "logging.json_format"], []])
      assert.deepStrictEqual(logSettings(config), { json: true, level: "Debug" })
    })
  )
})
