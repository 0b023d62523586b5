/** A start, a stop or a restart as an operation: what is asked of systemctl, and what is said of its answer. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import * as Workflow from "effect/workflow/Workflow"
import type { RunResult } from "../../../src/services/commands/Executor.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { type Json, OperationFailed } from "../../../src/services/operations/Operation.ts"
import type { OperationCommand, OperationContext } from "../../../src/services/operations/OperationKinds.ts"
import { type ToolError, ToolTimeout } from "../../../src/services/tools/Tool.ts"
import { makeUnitControlKind } from "../../../src/services/units/unitControl.ts"
import { Units, type UnitReading, type UnitState } from "../../../src/services/units/Units.ts"
import { mockEventLog } from "../../harness/mocks.ts"
import { configOf } from "../config/support.ts"
import { operation, ran } from "../provisioning/support.ts"
import { failedState, stateOf } from "./support.ts"

const text = `
[units.web]
unit = "web.service"
control = ["restart", "stop"]
`

const engine = Layer.merge(
  Layer.mock(WorkflowEngine, {}),
  Layer.sync(WorkflowInstance, () =>
    WorkflowInstance.initial(Workflow.make("Control", { payload: {}, idempotencyKey: () => "1" }), "1")
  )
)

const reading = (state: UnitState, rest: Partial<UnitReading> = {}): UnitReading => ({
  value: new Map([["web", state]]),
  readAt: 0,
  ageMs: 0,
  stale: false,
  error: undefined,
  ...rest
})

const start = Effect.fnUntraced(function* (
  command: Effect.Effect<RunResult, OperationFailed>,
  state: Effect.Effect<UnitReading, ToolError> = Effect.succeed(reading(stateOf()))
) {
  const config = yield* configOf(text)
  const told: Array<readonly [message: string, level: string | undefined, who: string | undefined]> = []
  const asked: Array<readonly [request: OperationCommand, again: boolean]> = []
  const kind = yield* makeUnitControlKind.pipe(
    Effect.provide([
      CurrentConfig.layer(config),
      Layer.mock(Units, { readAnew: state, peek: () => undefined }),
      mockEventLog({
        record: (message, options) => Effect.sync(() => void told.push([message, options?.level, options?.who]))
      })
    ])
  )
  const unused = () => Effect.die(new Error("a unit's verb has one command, and nothing else"))
  const context: OperationContext = {
    command: (request, { again }) =>
      Effect.suspend(() => {
        asked.push([request, again])
        return command
      }),
    once: unused,
    child: unused,
    progress: () => Effect.void,
    say: () => Effect.void,
    isCancelled: Effect.succeed(false),
    cancelled: Effect.never,
    untilStop: Effect.never
  }
  const run = (input: Json = { verb: "restart" }, name = "web") =>
    Effect.result(kind.run(operation("1", "unit.control", input, { name }), context)).pipe(Effect.provide(engine))
  return { asked, kind, run, told }
})

const said = (stderr: string, code = 1) =>
  ran("", {
    exit: { _tag: "Exited", code },
    stderr: { head: stderr, tail: "", bytes: stderr.length, sha256: "", truncated: false }
  })

describe("what is done to a unit", () => {
  it.effect("is one systemctl, whose options no name can be, and its result is how the unit is then", () =>
    Effect.gen(function* () {
      const { asked, kind, run, told } = yield* start(Effect.succeed(ran("")))
      const done = yield* run()
      const [[request, again] = [undefined, undefined]] = asked
      assert.deepStrictEqual(request?.argv, [
        "systemctl",
        "--no-ask-password",
        "--no-pager",
        "restart",
        "--",
        "web.service"
      ])
      assert.deepStrictEqual([request?.env["LC_ALL"], request?.name, again], ["C.UTF-8", "unit:web", false])
      assert.deepStrictEqual(done._tag === "Success" ? done.success : done.failure, {
        unit: "web.service",
        verb: "restart",
        active_state: "active",
        sub_state: "running",
        healthy: true
      })
      assert.deepStrictEqual(told, [["restart of unit web (web.service) succeeded", undefined, "alice"]])
      assert.deepStrictEqual(kind.limits("web"), { group: "unit.control", concurrency: 8, perName: 1 })
    })
  )

  it.effect("is refused where the configuration no longer has it", () =>
    Effect.gen(function* () {
      const { asked, run } = yield* start(Effect.die(new Error("not to be run")))
      for (const [input, name, code] of [
        [{ verb: "start" }, "web", "not_permitted"],
        [{ verb: "restart" }, "gone", "not_found"],
        [{ verb: "kill" }, "web", "invalid_input"],
        [null, "web", "invalid_input"]
      ] as const) {
        const done = yield* run(input, name)
        assert.strictEqual(done._tag === "Failure" ? done.failure.code : "succeeded", code)
      }
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect.each([
    ["Failed to restart web.service: Interactive authentication required.\nSee logs", "not_permitted", /polkit/u],
    ["Failed to restart web.service: Access denied\n", "not_permitted", /manage-units/u],
    ["Failed to restart web.service: Unit web.service not found.\n", "not_found", /web\.service/u],
    ["Failed to restart web.service: Unit web.service is masked.\n", "conflict", /masked/u],
    ["Failed to connect to bus: No such file or directory\n", "unavailable", /systemd/u],
    ["System has not been booted with systemd as init system (PID 1). Can't operate.\n", "unavailable", /systemd/u],
    [
      'Job for web.service failed because the control process exited with error code.\nSee "systemctl status"\n',
      "command_failed",
      /^Job for web\.service failed because the control process exited with error code\.$/u
    ],
    ["", "command_failed", /^systemctl ended with exit status 1$/u]
  ] as const)("that fails says why: %s", ([stderr, code, message]) =>
    Effect.gen(function* () {
      const { run, told } = yield* start(Effect.succeed(said(stderr)), Effect.succeed(reading(failedState())))
      const done = yield* run()
      assert.isTrue(done._tag === "Failure")
      const failure = done._tag === "Failure" ? done.failure : undefined
      assert.strictEqual(failure?.code, code)
      assert.match(failure?.message ?? "", message)
      assert.deepStrictEqual(failure?.details, { exit_code: 1 })
      assert.deepInclude(failure?.result, { active_state: "failed", healthy: false })
      assert.deepStrictEqual(told[0]?.[1], "error")
    })
  )

  it.effect("that does not end is given up, and systemd goes on with it", () =>
    Effect.gen(function* () {
      const { run } = yield* start(Effect.succeed(ran("", { timedOut: true })))
      const done = yield* run()
      assert.strictEqual(done._tag === "Failure" ? done.failure.code : "", "timed_out")
    })
  )

  it.effect("is told as it ended where the unit's state cannot be asked afterwards", () =>
    Effect.gen(function* () {
      const late = new ToolTimeout({ command: "systemctl" })
      for (const state of [Effect.fail(late), Effect.succeed(reading(stateOf(), { stale: true, error: late }))]) {
        const { run } = yield* start(Effect.succeed(ran("")), state)
        const done = yield* run()
        assert.deepInclude(done._tag === "Success" ? done.success : {}, { active_state: null, healthy: null })
      }
    })
  )

  it.effect("that was interrupted by a restart has failed, and is told so", () =>
    Effect.gen(function* () {
      const fault = new OperationFailed({ code: "interrupted_by_restart", message: "the daemon was restarted" })
      const { run, told } = yield* start(Effect.fail(fault))
      const done = yield* run()
      assert.strictEqual(done._tag === "Failure" ? done.failure.code : "", "interrupted_by_restart")
      assert.deepStrictEqual(told, [
        ["restart of unit web (web.service) failed: the daemon was restarted", "error", "alice"]
      ])
    })
  )
})
