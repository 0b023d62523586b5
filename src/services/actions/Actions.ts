/**
 * Allow-listed actions: names that the configuration gives commands to. What a caller sends chooses a name and fills
 * declared arguments; it never becomes text of a script. Every run is told in the event log, before and after; what is
 * refused because too many run is counted by the executor and not told, or a flood of it would fill the log.
 *
 * A run belongs to this service, not to the request that asked for it: a client that leaves ends its run only where the
 * action says so, and the outcome is recorded either way.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { ActionBusy, Executor, type RunError, type RunRequest, type RunResult } from "../commands/Executor.ts"
import type { ActionConfig } from "../config/Config.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { EventLog } from "../events/EventLog.ts"
import { type ActionCommand, type ActionCommandError, makeActionCommands } from "./actionCommand.ts"
import { makeRunLog } from "./actionLog.ts"
import { describeExit } from "./describeExit.ts"

export class ActionNotConfigured extends Schema.TaggedError<ActionNotConfigured>()("ActionNotConfigured", {
  name: Schema.String
}) {
  override get message() {
    return "Specified action not configured"
  }
}

export type ActionError = ActionNotConfigured | ActionCommandError | RunError

export interface RunOptions {
  readonly args: Readonly<Record<string, unknown>>
  readonly who: string | undefined
}

interface Run {
  readonly action: ActionConfig
  readonly request: RunRequest
  readonly who: string | undefined
  /** It is ended because nobody waits for it; otherwise what ends it early is the stop of the daemon. */
  clientLeft: boolean
}

/** An action that is configured, with the arguments of somebody who may. */
export interface PreparedAction {
  readonly action: ActionConfig
  readonly command: ActionCommand
}

export class Actions extends Context.Service<
  Actions,
  {
    /** Runs it in its turn; succeeds with the result however the command ended. */
    readonly run: (name: string, options: RunOptions) => Effect.Effect<RunResult, ActionError>
    /** What would be run, if that may be asked for. */
    readonly prepare: (
      name: string,
      args: RunOptions["args"]
    ) => Effect.Effect<PreparedAction, ActionNotConfigured | ActionCommandError>
    readonly list: Effect.Effect<ReadonlyArray<ActionConfig>>
  }
>()("systemapi/services/actions/Actions") {
  static readonly layer = Layer.effect(
    Actions,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const log = yield* EventLog
      const executor = yield* Executor
      const scope = yield* Effect.scope
      const commandOf = yield* makeActionCommands(config)

      const prepare = Effect.fnUntraced(function* (name: string, args: RunOptions["args"]) {
        const action = config.get().actions.get(name)
        if (action === undefined) return yield* new ActionNotConfigured({ name })
        return { action, command: yield* commandOf(action, args) }
      })

      /** Runs in a fiber of the service that is not interrupted, but for the command: what was begun to be told is told. */
      const perform = Effect.fnUntraced(function* (run: Run, answer: Deferred.Deferred<RunResult, RunError>) {
        const { action, request, who } = run
        const told = makeRunLog(log, action, who)
        let announcing: Fiber.Fiber<void> | undefined
        const announce = Effect.suspend(() => {
          if (announcing !== undefined) return Effect.void
          // The command need not wait for the disk: the log keeps the order of what it is given.
          return Effect.map(tell(told.started), (fiber) => {
            announcing = fiber
          })
        }).pipe(Effect.uninterruptible)
        const failed = (error: string, stderr: string) => Effect.andThen(announce, told.failed(error, stderr))
        const ended = (exit: Exit.Exit<RunResult, RunError>) => {
          if (Exit.isSuccess(exit)) {
            const { stderr } = exit.value
            const error = describeExit(exit.value, action.timeout_ms)
            if (error !== undefined) return failed(error, stderr.head + stderr.tail)
            return Effect.andThen(announce, told.succeeded)
          }
          if (Cause.hasInterruptsOnly(exit.cause))
            return failed(`the ${run.clientLeft ? "client left" : "daemon stopped"} before it had ended`, "")
          const error = Cause.squash(exit.cause)
          if (error instanceof ActionBusy) return Effect.void
          return failed(error instanceof Error ? error.message : String(error), "")
        }
        const exit = yield* Effect.exit(Effect.interruptible(executor.run({ ...request, onAdmitted: announce })))
        // Told once, whoever leaves meanwhile.
        const telling = yield* tell(ended(exit))
        // Who started what is on disk before anybody is told of it, which has mostly happened while the command ran. How
        // it ended is on its way there, and whoever reads the log waits for it (EventLog.recorded).
        if (announcing !== undefined) yield* Fiber.join(announcing)
        yield* Deferred.done(answer, exit)
        yield* Fiber.join(telling)
      })

      return Actions.of({
        run: Effect.fn("Actions.run")(function* (name, { args, who }) {
          const { action, command } = yield* prepare(name, args)
          const request: RunRequest = {
            ...command,
            queueLength: action.queue_length,
            onAbandon: action.on_client_gone,
            who: who ?? "anonymous"
          }
          const run: Run = { action, request, who, clientLeft: false }
          return yield* Effect.uninterruptibleMask((restore) =>
            Effect.gen(function* () {
              const answer = Deferred.makeUnsafe<RunResult, RunError>()
              const running = yield* Effect.forkIn(perform(run, answer), scope, { uninterruptible: true })
              // A service that has stopped begins nothing.
              running.addObserver(() => Deferred.doneUnsafe(answer, Exit.interrupt()))
              return yield* Effect.onInterrupt(restore(Deferred.await(answer)), () => {
                if (action.on_client_gone !== "terminate") return Effect.void
                run.clientLeft = true
                return Fiber.interrupt(running)
              })
            })
          )
        }),
        prepare,
        list: Effect.sync(() => [...config.get().actions.values()])
      })
    })
  )
}

/** By the fiber that waits for it in the end; not interrupted before. */
const tell = (told: Effect.Effect<void>) => Effect.forkChild(told, { startImmediately: true, uninterruptible: true })
