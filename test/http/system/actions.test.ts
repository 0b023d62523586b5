import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ActionEntry, ActionResult } from "../../../src/http/api/Actions.ts"
import { type ActionError, ActionNotConfigured, type RunOptions } from "../../../src/services/actions/Actions.ts"
import { ArgumentError } from "../../../src/services/commands/Arguments.ts"
import { UnknownAccount } from "../../../src/services/commands/accounts.ts"
import { ActionBusy, ExecutorUnavailable, type RunResult } from "../../../src/services/commands/Executor.ts"
import { SpawnError } from "../../../src/services/commands/Spawner.ts"
import {
  type FileUploadError,
  UploadActionFailed,
  UploadNotConfigured
} from "../../../src/services/files/FileUploads.ts"
import { UploadReadFailed, UploadTooLarge, UploadWriteFailed } from "../../../src/services/files/Uploads.ts"
import { makeApp } from "../../harness/app.ts"

const stream = { head: "out", tail: "", bytes: 3, sha256: "ab", truncated: false }
const result = (change: Partial<RunResult> = {}): RunResult => ({
  exit: { _tag: "Exited", code: 0 },
  timedOut: false,
  endedEarly: false,
  durationMs: 12.3456,
  pid: 42,
  startedAt: 1_730_844_203_000,
  stdout: stream,
  stderr: { ...stream, head: "err" },
  ...change
})

const config = `
[actions]
echo_test = "echo test"
[actions.greet]
command = "echo $ARG_NAME"
description = "Say hello"
timeout_ms = 5000
require_post = true
[[actions.greet.args]]
name = "name"
type = "string"
pattern = "[a-z]+"
[[actions.greet.args]]
name = "times"
type = "int"
min = 1
max = 9
default = 1
`

const withActions = Effect.fnUntraced(function* (outcome: Effect.Effect<RunResult, ActionError>) {
  const runs: Array<readonly [string, RunOptions]> = []
  const app = yield* makeApp({
    config,
    actions: {
      run: (name, options) => {
        runs.push([name, options])
        return outcome
      }
    }
  })
  return { ...app, runs }
})

const post = (body = "") => ({ method: "POST", body })

const failures: ReadonlyArray<readonly [ActionError, number, string, string | undefined]> = [
  [new ActionNotConfigured({ name: "x" }), 400, "Specified action not configured", undefined],
  [
    new ArgumentError({ argument: "name", found: "1", allowed: "text" }),
    400,
    'action echo_test: argument "name": found 1, allowed: text',
    undefined
  ],
  [new ActionBusy({ name: "echo_test", running: 1, queued: 2, retry_after_seconds: 9 }), 429, "echo_test is busy", "9"],
  [new ExecutorUnavailable({ name: "echo_test", why: "stopping" }), 503, "echo_test was not run: stopping", "1"],
  [
    new SpawnError({ program: "sh", reason: "no-resources", detail: "EAGAIN" }),
    500,
    "Failed to execute action: echo_test - error: cannot start sh",
    undefined
  ],
  [new UnknownAccount({ kind: "user", name: "ghost" }), 500, "Failed to execute action: echo_test - error: ", undefined]
]

describe("GET /api/v1/actions/{action}", () => {
  it.effect("answers as the original, after the command has ended", () =>
    Effect.gen(function* () {
      const { call, runs } = yield* withActions(Effect.succeed(result()))
      const answer = yield* call("/api/v1/actions/echo_test?args=ignored")
      assert.deepStrictEqual([answer.status, answer.text], [200, '{"message":"Action executed successfully"}\n'])
      assert.deepStrictEqual(runs, [["echo_test", { args: {}, who: undefined }]])
    })
  )

  const exits: ReadonlyArray<readonly [Partial<RunResult>, string]> = [
    [{ exit: { _tag: "Exited", code: 3 } }, "exit status 3"],
    [{ exit: { _tag: "Signaled", signal: "SIGKILL" } }, "signal: killed"]
  ]
  for (const [change, error] of exits) {
    it.effect(`is 500 with "${error}"`, () =>
      Effect.gen(function* () {
        const { call } = yield* withActions(Effect.succeed(result(change)))
        const { status, text } = yield* call("/api/v1/actions/echo_test")
        assert.strictEqual(status, 500)
        assert.deepStrictEqual(JSON.parse(text), {
          code: 500,
          message: `Failed to execute action: echo_test - error: ${error}`
        })
      })
    )
  }

  for (const [error, status, message, retryAfter] of failures) {
    it.effect(`and POST are ${status} for ${error._tag}`, () =>
      Effect.gen(function* () {
        const { call } = yield* withActions(Effect.fail(error))
        for (const init of [{}, post()]) {
          const answer = yield* call("/api/v1/actions/echo_test", init)
          assert.strictEqual(answer.status, status)
          assert.include(JSON.parse(answer.text).message, message)
          assert.strictEqual(answer.headers["retry-after"], retryAfter)
        }
      })
    )
  }

  it.effect("is 405 where POST is required, and no other site runs anything", () =>
    Effect.gen(function* () {
      const { call, runs } = yield* withActions(Effect.succeed(result()))
      const answer = yield* call("/api/v1/actions/greet")
      assert.deepStrictEqual([answer.status, answer.headers["allow"]], [405, "OPTIONS, POST"])
      for (const method of ["GET", "POST"]) {
        const forged = yield* call("/api/v1/actions/echo_test", { method, headers: { "sec-fetch-site": "cross-site" } })
        assert.strictEqual(forged.status, 403)
      }
      assert.strictEqual((yield* call("/api/v1/actions/echo_test", { method: "HEAD" })).status, 405)
      assert.deepStrictEqual(runs, [])
    })
  )

  it.effect("gives the name as the client encoded it", () =>
    Effect.gen(function* () {
      const { call, runs } = yield* withActions(Effect.fail(new ActionNotConfigured({ name: "x" })))
      for (const name of ["a b", "ü/..", "constructor", "__proto__", ";", "%", "\u0000"]) {
        assert.strictEqual((yield* call(`/api/v1/actions/${encodeURIComponent(name)}`)).status, 400)
        assert.strictEqual(runs.at(-1)?.[0], name)
      }
    })
  )
})

describe("POST /api/v1/actions/{action}", () => {
  it.effect("answers the whole result, also of a command that failed", () =>
    Effect.gen(function* () {
      const { call, runs } = yield* withActions(
        Effect.succeed(result({ exit: { _tag: "Signaled", signal: "SIGTERM" }, timedOut: true }))
      )
      const answer = yield* call("/api/v1/actions/greet", post('{"args":{"name":"world","times":2}}'))
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(yield* Schema.decodeEffect(Schema.fromJsonString(ActionResult))(answer.text), {
        action: "greet",
        success: false,
        exit_code: null,
        signal: "SIGTERM",
        timed_out: true,
        started_at: "2024-11-05T22:03:23.000Z",
        duration_ms: 12.346,
        stdout: stream,
        stderr: { ...stream, head: "err" }
      })
      assert.deepStrictEqual(runs, [["greet", { args: { name: "world", times: 2 }, who: undefined }]])
    })
  )

  it.effect("takes an empty body, and refuses one that is not as it should be", () =>
    Effect.gen(function* () {
      const { call, runs } = yield* withActions(Effect.succeed(result()))
      for (const body of ["", "  \n", "{}", '{"args":{}}']) {
        const { status, text } = yield* call("/api/v1/actions/echo_test", post(body))
        assert.strictEqual(status, 200)
        assert.deepInclude(JSON.parse(text), { success: true, exit_code: 0, signal: null })
      }
      assert.strictEqual(runs.length, 4)
      for (const body of ["{", "[]", '{"args":[]}', '{"args":{"a":{}}}', '{"arguments":{}}', '{"args":{"a":null}}']) {
        const { status, text } = yield* call("/api/v1/actions/echo_test", post(body))
        assert.strictEqual(status, 400, body)
        assert.include(JSON.parse(text).message, '; allowed: {"args": {"name": value}} or nothing')
      }
      assert.strictEqual((yield* call("/api/v1/actions/echo_test", post("x".repeat(1024 * 1024 + 1)))).status, 413)
      assert.strictEqual(runs.length, 4)
    })
  )
})

describe("Allow", () => {
  it.effect("is the same from OPTIONS and from the 405 of an action that takes POST alone", () =>
    Effect.gen(function* () {
      const { call } = yield* withActions(Effect.die(new Error("it was run")))
      const refused = yield* call("/api/v1/actions/greet")
      assert.deepStrictEqual([refused.status, refused.headers["allow"]], [405, "OPTIONS, POST"])
      for (const [name, allow] of [
        ["greet", "OPTIONS, POST"],
        ["echo_test", "GET, OPTIONS, POST"],
        ["unknown", "GET, OPTIONS, POST"]
      ]) {
        const { headers, status, text } = yield* call(`/api/v1/actions/${name}`, { method: "OPTIONS" })
        assert.deepStrictEqual([status, headers["allow"], text], [204, allow, ""])
      }
    })
  )
})

describe("GET /api/v1/actions", () => {
  it.effect("lists what can be run, how, and what runs", () =>
    Effect.gen(function* () {
      const running = { id: 1, who: "admin", why: undefined, askedAt: 0, pid: 4 }
      const { call, config: loaded } = yield* Effect.gen(function* () {
        const first = yield* makeApp({ config })
        return yield* makeApp({
          config,
          actions: { list: Effect.succeed([...first.config.actions.values()]) },
          executor: {
            report: Effect.succeed({
              lanes: [
                {
                  name: "greet",
                  concurrency: 1,
                  queueLength: 1,
                  running: [running],
                  waiting: [{ ...running, position: 1 }]
                }
              ],
              lingering: [],
              totals: { started: 1, finished: 0, timedOut: 0, failed: 0, refused: 0, abandoned: 0, evicted: 0 }
            })
          }
        })
      })
      const { status, text } = yield* call("/api/v1/actions")
      assert.strictEqual(status, 200)
      const List = Schema.fromJsonString(Schema.Struct({ actions: Schema.Array(ActionEntry) }))
      const { actions } = yield* Schema.decodeEffect(List)(text)
      assert.strictEqual(actions.length, loaded.actions.size)
      const [echo, greet] = actions
      assert.deepInclude(echo, { name: "echo_test", methods: ["GET", "POST"], arguments: [], running: 0, queued: 0 })
      assert.deepInclude(greet, {
        name: "greet",
        description: "Say hello",
        methods: ["POST"],
        timeout_ms: 5000,
        running: 1,
        queued: 1
      })
      assert.deepInclude(greet?.arguments[0], { name: "name", type: "string", required: true, pattern: "[a-z]+" })
      assert.deepInclude(greet?.arguments[1], {
        name: "times",
        type: "int",
        required: false,
        default: 1,
        min: 1,
        max: 9
      })
    })
  )
})

describe("POST /api/v1/file-upload/{file}", () => {
  const upload = Effect.fnUntraced(function* (error?: FileUploadError) {
    const uploaded: Array<readonly [string, string, number | undefined]> = []
    const app = yield* makeApp({
      uploads: {
        upload: (name, body, { saidBytes }) =>
          Effect.gen(function* () {
            if (error !== undefined) return yield* error
            const chunks = yield* Effect.orDie(Stream.runCollect(body))
            const bytes = Buffer.concat(chunks)
            uploaded.push([name, bytes.toString(), saidBytes])
            return { path: "/etc/file", bytes: bytes.length, sha256: "ab" }
          })
      }
    })
    return { ...app, uploaded }
  })

  it.effect("answers as the original, the size as a string", () =>
    Effect.gen(function* () {
      const { call, uploaded } = yield* upload()
      const answer = yield* call("/api/v1/file-upload/a%20file", post("content"))
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.text, '{"file":"/etc/file","message":"File uploaded successfully","size_bytes":"7"}\n')
      assert.deepStrictEqual(uploaded, [["a file", "content", undefined]])
    })
  )

  it.effect("tells how much the client says will come", () =>
    Effect.gen(function* () {
      const { call, uploaded } = yield* upload()
      yield* call("/api/v1/file-upload/x", { ...post("123456"), headers: { "content-length": "6" } })
      assert.deepStrictEqual(uploaded, [["x", "123456", 6]])
    })
  )

  const write = { operation: "write", path: "/etc/file", reason: "because" }
  const cases: ReadonlyArray<readonly [FileUploadError, number, string]> = [
    [new UploadNotConfigured({ name: "x" }), 400, "Specified file upload not configured"],
    [new UploadTooLarge({ path: "/etc/file", max_bytes: 9 }), 413, "The upload is larger than the 9 bytes allowed"],
    [
      new UploadReadFailed({ path: "/etc/file", cause: new Error("reset") }),
      500,
      "Failed to read content from payload"
    ],
    [new UploadWriteFailed({ ...write, code: "EACCES" }), 500, "Failed to write content to file"],
    [new UploadWriteFailed({ ...write, code: "ENOSPC" }), 507, "Failed to write content to file"],
    [new UploadWriteFailed({ ...write, code: "EROFS" }), 507, "Failed to write content to file"],
    [new UnknownAccount({ kind: "group", name: "ghost" }), 500, "Failed to write content to file"],
    [
      new UploadActionFailed({ action: "apply", error: "exit status 1" }),
      500,
      "File uploaded, but its action failed: apply - error: exit status 1"
    ]
  ]
  for (const [error, status, message] of cases) {
    it.effect(`is ${status} for ${error._tag}${"code" in error ? ` ${error.code}` : ""}`, () =>
      Effect.gen(function* () {
        const { call } = yield* upload(error)
        const answer = yield* call("/api/v1/file-upload/x", post("content"))
        assert.strictEqual(answer.status, status)
        assert.strictEqual(answer.text, `${JSON.stringify({ code: status, message })}\n`)
      })
    )
  }
})
