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
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Arguments from "../commands/Arguments.ts"
import { resolveAccount, type UnknownAccount } from "../commands/accounts.ts"
import { ActionBusy, Executor, type RunError, type RunRequest, type RunResult } from "../commands/Executor.ts"
import { chooseShell, type ShellNotFound } from "../commands/Shell.ts"
import type { ActionConfig } from "../config/Config.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { EventLog } from "../events/EventLog.ts"
import { describeExit } from "./describeExit.ts"

export class ActionNotConfigured extends Schema.TaggedError<ActionNotConfigured>()("ActionNotConfigured", {
  name: Schema.String
}) {
  override get message() {
    return "Specified action not configured"
  }
}

/** The command was run and did not end well; `result` is all that is known. */
export type ActionError = ActionNotConfigured | Arguments.ArgumentError | UnknownAccount | ShellNotFound | RunError

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

/** stderr in the event of a failed run: enough for the usual last words of a program. */
const eventStderrMax = 4096

export class Actions extends Context.Service<
  Actions,
  {
    /** Runs it in its turn; succeeds with the result however the command ended. */
    readonly run: (name: string, options: RunOptions) => Effect.Effect<RunResult, ActionError>
    readonly list: Effect.Effect<ReadonlyArray<ActionConfig>>
  }
>()("systemapi/services/actions/Actions") {
  static readonly layer = Layer.effect(
    Actions,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const log = yield* EventLog
      const executor = yield* Executor
      const fs = yield* FileSystem.FileSystem
      const scope = yield* Effect.scope
      // Read once: each look into the environment of a process is a call into the C library, and a daemon's does not change.
      const inherited = inheritedEnv()

      let chosen: { readonly asked: string | undefined; readonly path: string } | undefined
      const shell = Effect.suspend(() => {
        const asked = config.get().general.shell
        if (chosen !== undefined && chosen.asked === asked) return Effect.succeed(chosen.path)
        return Effect.tap(chooseShell(asked, process.env["PATH"] ?? ""), (path) =>
          Effect.sync(() => {
            chosen = { asked, path }
          })
        )
      })

      const requestOf = Effect.fnUntraced(function* (action: ActionConfig, { args, who }: RunOptions) {
        const declared = yield* Effect.orDie(Effect.fromResult(Arguments.compile(action.args)))
        const values = yield* Effect.fromResult(declared.validate(args))
        const { uid, gid } = yield* resolveAccount(action.user, action.group)
        const env = {
          ...(action.inherit_env ? inherited : {}),
          ...Redacted.value(action.env),
          ...Arguments.toEnvironment(values)
        }
        const argv =
          action.command._tag === "Argv"
            ? withArguments(action.command.argv, values)
            : Arguments.shellArgv(yield* shell, action.command.text, action.name, values)
        return {
          name: action.name,
          argv,
          env,
          ...(action.cwd === undefined ? {} : { cwd: action.cwd }),
          ...(uid === undefined ? {} : { uid }),
          ...(gid === undefined ? {} : { gid }),
          headBytes: action.output_head_bytes,
          tailBytes: action.output_tail_bytes,
          timeout: Duration.millis(action.timeout_ms),
          outputGrace: Duration.millis(action.output_grace_ms),
          killGrace: Duration.millis(action.kill_grace_ms),
          concurrency: action.concurrency,
          queueLength: action.queue_length,
          onAbandon: action.on_client_gone,
          who: who ?? "anonymous"
        } satisfies RunRequest
      })

      /** Runs in a fiber of the service that is not interrupted, but for the command: what was begun to be told is told. */
      const perform = Effect.fnUntraced(function* (run: Run, answer: Deferred.Deferred<RunResult, RunError>) {
        const { action, request, who } = run
        const { name } = action
        const command = commandText(action)
        let announcing: Fiber.Fiber<void> | undefined
        const announce = Effect.suspend(() => {
          if (announcing !== undefined) return Effect.void
          // The command need not wait for the disk: the log keeps the order of what it is given.
          return Effect.map(tell(log.record(`executing action: ${name} = ${command}`, { who })), (fiber) => {
            announcing = fiber
          })
        }).pipe(Effect.uninterruptible)
        const failed = (error: string, stderr: string) =>
          Effect.andThen(
            announce,
            log.record(`error executing action: ${name} - error: ${error} (stderr: ${stderr})`, { who, level: "error" })
          )
        const ended = (exit: Exit.Exit<RunResult, RunError>) => {
          if (Exit.isSuccess(exit)) {
            const { stderr } = exit.value
            const error = describeExit(exit.value, action.timeout_ms)
            if (error !== undefined) return failed(error, lastOf(stderr.head + stderr.tail))
            return Effect.andThen(announce, log.record(`executing action success: ${name} = ${command}`, { who }))
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
        run: Effect.fn("Actions.run")(
          function* (name, options) {
            const action = config.get().actions.get(name)
            if (action === undefined) return yield* new ActionNotConfigured({ name })
            const request = yield* requestOf(action, options)
            const run: Run = { action, request, who: options.who, clientLeft: false }
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
          },
          Effect.provideService(FileSystem.FileSystem, fs)
        ),
        list: Effect.sync(() => [...config.get().actions.values()])
      })
    })
  )
}

const withArguments = (
  [program, ...rest]: readonly [string, ...ReadonlyArray<string>],
  values: ReadonlyArray<Arguments.ArgumentValue>
): readonly [string, ...Array<string>] => [program, ...rest, ...values.map(({ value }) => value)]

/** By the fiber that waits for it in the end; not interrupted before. */
const tell = (told: Effect.Effect<void>) => Effect.forkChild(told, { startImmediately: true, uninterruptible: true })

const lastOf = (text: string): string =>
  text.length > eventStderrMax ? text.slice(-eventStderrMax).toWellFormed() : text

const inheritedEnv = (): Record<string, string> => {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value
  return env
}

/** What the original logs as the command, and `sh -x` would show for a vector. */
export const commandText = ({ command }: ActionConfig): string =>
  command._tag === "Shell" ? command.text : command.argv.join(" ")
