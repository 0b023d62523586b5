import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import { Actions } from "../../../src/services/actions/Actions.ts"
import { makeActionKind } from "../../../src/services/actions/actionKind.ts"
import { Executor, type RunResult } from "../../../src/services/commands/Executor.ts"
import type { Config } from "../../../src/services/config/Config.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { Instance } from "../../../src/services/Instance.ts"
import { type Json, OperationFailed } from "../../../src/services/operations/Operation.ts"
import type { OperationCommand, OperationContext } from "../../../src/services/operations/OperationKinds.ts"
import { mockEventLog } from "../../harness/mocks.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { operation, ran } from "../provisioning/support.ts"

const text = `
[actions.backup]
argv = ["/bin/backup"]
concurrency = 3
timeout_ms = 1000
output_head_bytes = 16777216
[[actions.backup.args]]
name = "level"
type = "int"
[actions.repeatable]
argv = ["/bin/again"]
on_restart = "run_again"
`

/** When this daemon started; an earlier one began before. */
const startedAt = 1_000_000

/** The kind over a context whose one command does what the test says. */
const start = Effect.fnUntraced(function* (command: Effect.Effect<RunResult, OperationFailed>) {
  const path = join(yield* temporaryFolder, "systemapi-config.toml")
  yield* Effect.promise(() => writeFile(path, text))
  const { config } = yield* load(path, {})
  yield* TestClock.setTime(startedAt)
  const told: Array<readonly [message: string, who: string | undefined]> = []
  const asked: Array<readonly [request: OperationCommand, again: boolean]> = []
  const progress: Array<readonly [number | null, string | null]> = []
  const current: { config: Config } = { config }
  const kind = yield* makeActionKind.pipe(
    Effect.provide(
      Actions.layer.pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            Layer.succeed(CurrentConfig, { get: () => current.config, set: () => {} }),
            Layer.mock(Executor, {}),
            Instance.layer("1"),
            NodeFileSystem.layer,
            mockEventLog({
              record: (message, options) => Effect.sync(() => void told.push([message, options?.who]))
            })
          )
        )
      )
    )
  )
  const unused = () => Effect.die(new Error("an action has one command, and nothing else"))
  const context: OperationContext = {
    command: (request, { again }) =>
      Effect.suspend(() => {
        asked.push([request, again])
        return command
      }),
    once: unused,
    child: unused,
    progress: (fraction, words) => Effect.sync(() => void progress.push([fraction, words])),
    say: () => Effect.void,
    isCancelled: Effect.succeed(false),
    cancelled: Effect.never,
    untilStop: Effect.never
  }
  const run = (name = "backup", input: Json = { args: { level: 3 } }, begunAt = startedAt) =>
    Effect.result(kind.run(operation("1", "action", input, { name, startedAt: begunAt }), context)).pipe(
      Effect.provide(noEngine)
    )
  return { asked, current, kind, progress, run, told }
})

const noEngine = Layer.merge(
  Layer.mock(WorkflowEngine, {}),
  Layer.sync(WorkflowInstance, () =>
    WorkflowInstance.initial(Workflow.make("none", { payload: {}, idempotencyKey: () => "" }), "")
  )
)

const begun = "executing action: backup = /bin/backup"
const ranWell = ran("saved\n", { startedAt })

describe("the kind action", () => {
  it.effect("runs what is configured, tells it, and results in what POST answers", () =>
    Effect.gen(function* () {
      const { asked, run, told } = yield* start(Effect.succeed(ranWell))
      const result = yield* run()
      assert.deepInclude(result, {
        _tag: "Success",
        success: {
          action: "backup",
          success: true,
          exit_code: 0,
          signal: null,
          timed_out: false,
          started_at: new Date(startedAt).toISOString(),
          duration_ms: 1,
          stdout: { ...ranWell.stdout },
          stderr: { ...ranWell.stderr }
        }
      })
      const [[request, again] = assert.fail("nothing ran")] = asked
      assert.isFalse(again)
      assert.deepStrictEqual(request.argv, ["/bin/backup", "3"])
      assert.strictEqual(request.env["ARG_LEVEL"], "3")
      // However much the action keeps: a result is shown in lists.
      assert.deepStrictEqual([request.headBytes, request.tailBytes], [256 * 1024, 64 * 1024])
      assert.deepStrictEqual(told, [
        [begun, "alice"],
        ["executing action success: backup = /bin/backup", "alice"]
      ])
    })
  )

  const ends: ReadonlyArray<readonly [Partial<RunResult>, string, string, unknown]> = [
    [{ exit: { _tag: "Exited", code: 3 } }, "command_failed", "exit status 3", { exit_code: 3, signal: null }],
    [
      { exit: { _tag: "Signaled", signal: "SIGKILL" } },
      "command_failed",
      "signal: killed",
      { exit_code: null, signal: "SIGKILL" }
    ],
    [
      { exit: { _tag: "Signaled", signal: "SIGTERM" }, timedOut: true },
      "timed_out",
      "timed out after 1000 ms",
      { exit_code: null, signal: "SIGTERM" }
    ]
  ]
  for (const [change, code, message, details] of ends) {
    it.effect(`fails with ${code} where the end was "${message}", and keeps the result`, () =>
      Effect.gen(function* () {
        const stderr = { head: "why", tail: "", bytes: 3, sha256: "", truncated: false }
        const { run, told } = yield* start(Effect.succeed({ ...ranWell, ...change, stderr }))
        const result = yield* run()
        assert.isTrue(result._tag === "Failure")
        if (result._tag !== "Failure") return
        const { failure } = result
        assert.deepInclude(failure, { code, message })
        assert.deepStrictEqual<unknown>(failure.details, details)
        assert.deepInclude(failure.result, { action: "backup", success: false, stderr })
        assert.deepStrictEqual(
          told.map(([line]) => line),
          [begun, `error executing action: backup - error: ${message} (stderr: why)`]
        )
      })
    )
  }

  it.effect("fails without having begun where it is not configured any more, or takes other arguments by now", () =>
    Effect.gen(function* () {
      const { asked, current, run, told } = yield* start(Effect.succeed(ranWell))
      const codes: Array<unknown> = []
      const codeOf = (result: Effect.Success<ReturnType<typeof run>>) =>
        codes.push(result._tag === "Failure" ? result.failure.code : result)
      codeOf(yield* run("backup", { args: { level: "high" } }))
      codeOf(yield* run("backup", { args: {} }))
      codeOf(yield* run("backup", "no input of ours"))
      current.config = { ...current.config, actions: new Map() }
      codeOf(yield* run())
      assert.deepStrictEqual(codes, ["invalid_input", "invalid_input", "invalid_input", "not_found"])
      assert.deepStrictEqual([asked.length, told.length], [0, 0])
    })
  )

  it.effect("tells what became of one that was cancelled or never started, and fails as its context says", () =>
    Effect.gen(function* () {
      for (const code of ["cancelled", "not_started"]) {
        const { run, told } = yield* start(Effect.fail(new OperationFailed({ code, message: "it was so" })))
        const result = yield* run()
        assert.deepInclude(result._tag === "Failure" ? result.failure : {}, { code })
        assert.deepStrictEqual(
          told.map(([line]) => line),
          [begun, "error executing action: backup - error: it was so (stderr: )"]
        )
      }
    })
  )

  it.effect("is told once where a restart cut it short: its start by the earlier daemon, its end by this one", () =>
    Effect.gen(function* () {
      const interrupted = new OperationFailed({ code: "interrupted_by_restart", message: "the daemon ended" })
      const { asked, run, told } = yield* start(Effect.fail(interrupted))
      yield* run("backup", { args: { level: 3 } }, startedAt - 1)
      assert.isFalse(asked[0]?.[1])
      assert.deepStrictEqual(
        told.map(([line]) => line),
        ["error executing action: backup - error: the daemon ended (stderr: )"]
      )
    })
  )

  it.effect("is told from its start where the restart came before its command", () =>
    Effect.gen(function* () {
      const { run, told } = yield* start(Effect.succeed(ranWell))
      yield* run("backup", { args: { level: 3 } }, startedAt - 1)
      assert.deepStrictEqual(
        told.map(([line]) => line),
        [begun, "executing action success: backup = /bin/backup"]
      )
    })
  )

  it.effect("may be run again where the configuration says so, and is told again then", () =>
    Effect.gen(function* () {
      const { asked, run, told } = yield* start(Effect.succeed(ranWell))
      yield* run("repeatable", { args: {} }, startedAt - 1)
      assert.isTrue(asked[0]?.[1])
      assert.deepStrictEqual(
        told.map(([line]) => line),
        ["executing action: repeatable = /bin/again", "executing action success: repeatable = /bin/again"]
      )
    })
  )

  it.effect("takes lines of progress from what the command writes, and nothing else", () =>
    Effect.gen(function* () {
      const { asked, progress, run } = yield* start(Effect.succeed(ranWell))
      yield* run()
      const onLine = asked[0]?.[0].onLine ?? assert.fail("nobody reads its lines")
      for (const line of [
        '{"progress":0.4,"message":"copying"}',
        '{"progress":1}',
        '{"progress":0.5,"step":7}',
        '{"progress":1.5}',
        '{"progress":"0.5"}',
        '{"message":"no progress"}',
        "{progress:0.5}",
        '[{"progress":0.5}]',
        "progress 0.5",
        "",
        `{"progress":0.1,"message":"${"x".repeat(5000)}"}`,
        `{"progress":0.2,"message":"${"y".repeat(1000)}"}`
      ]) {
        yield* onLine(line)
      }
      assert.deepStrictEqual(progress, [
        [0.4, "copying"],
        [1, null],
        [0.5, null],
        [0.2, "y".repeat(512)]
      ])
    })
  )

  it.effect("runs as many at once as the action says, and one where there is none", () =>
    Effect.gen(function* () {
      const { kind } = yield* start(Effect.succeed(ranWell))
      assert.deepStrictEqual(kind.limits("backup"), { group: "action", concurrency: 256, perName: 3 })
      assert.strictEqual(kind.limits("gone").perName, 1)
    })
  )
})
