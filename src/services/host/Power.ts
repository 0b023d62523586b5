/**
 * Shuts the machine down, by `systemctl poweroff`. That it was asked for is on disk before anything is done, unless the log
 * takes nothing; that it failed is told there too, for who asked may be gone by then. One at a time: whoever asks meanwhile
 * joins it.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Executor, type RunResult } from "../commands/Executor.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { EventLog } from "../events/EventLog.ts"
import { exitCode, runTool, type ToolError, ToolFailed, ToolMissing } from "../tools/Tool.ts"

/** Missing rights are told within milliseconds; whoever asked is answered before the machine goes. */
const answerWithin = Duration.seconds(2)

const outputBytes = 4096

/** Of what systemctl said, for the event. */
const reasonMax = 300

export class Power extends Context.Service<
  Power,
  {
    /** Succeeds when it has begun, or nothing was heard of it for two seconds. */
    readonly off: (who: string | undefined) => Effect.Effect<void, ToolError>
  }
>()("systemapi/services/host/Power") {
  static readonly layer = Layer.effect(
    Power,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const executor = yield* Executor
      const log = yield* EventLog
      const scope = yield* Effect.scope
      let underWay: Deferred.Deferred<void, ToolError> | undefined

      const fault = (result: RunResult): string =>
        `exit status ${exitCode(result)}: ${result.stderr.head.trim().split("\n", 1)[0]?.slice(0, reasonMax) ?? ""}`

      const powerOff = Effect.fnUntraced(function* (who: string | undefined) {
        yield* log.record("the machine is to be shut down", { level: "warning", who })
        const result = yield* runTool(executor)({
          // Beside the question for the state of units, which is another name of the executor's.
          name: "systemctl poweroff",
          argv: ["systemctl", "--no-ask-password", "--no-wall", "poweroff"],
          timeout: Duration.seconds(config.get().status.command_timeout_seconds),
          headBytes: outputBytes,
          tailBytes: 0
        }).pipe(
          Effect.catchTag("ToolMissing", () => Effect.fail(new ToolMissing({ binary: "systemctl" }))),
          Effect.tapError(({ message }) => told(message, who))
        )
        if (exitCode(result) === 0) return
        yield* told(fault(result), who)
        return yield* new ToolFailed({ command: "systemctl", exit_code: exitCode(result) })
      })

      const told = (why: string, who: string | undefined) =>
        log.record(`the machine was not shut down: ${why}`, { level: "error", who })

      const begin = (who: string | undefined) =>
        Effect.gen(function* () {
          const done = yield* Deferred.make<void, ToolError>()
          underWay = done
          const whole = Effect.onExit(powerOff(who), (exit) =>
            Effect.suspend(() => {
              underWay = undefined
              return Deferred.done(done, exit)
            })
          )
          // Who asks may leave: it is done all the same.
          yield* Effect.forkIn(Effect.exit(whole), scope, { startImmediately: true })
          return done
        })

      return Power.of({
        off: (who) =>
          Effect.suspend(() => (underWay === undefined ? begin(who) : Effect.succeed(underWay))).pipe(
            Effect.uninterruptible,
            Effect.flatMap((done) => Effect.timeoutOption(Deferred.await(done), answerWithin)),
            Effect.asVoid
          )
      })
    })
  )
}
