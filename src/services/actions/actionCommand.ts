/**
 * The command of an action: what its configuration says, with the arguments that a caller gives as data. Refuses what the
 * declarations do not allow, accounts that are not there, and text where there is no shell to read it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Arguments from "../commands/Arguments.ts"
import { resolveAccount, type UnknownAccount } from "../commands/accounts.ts"
import type { RunRequest } from "../commands/Executor.ts"
import { chooseShell, type ShellNotFound } from "../commands/Shell.ts"
import type { CommandSpec } from "../commands/Spawner.ts"
import type { ActionConfig } from "../config/Config.ts"
import type { CurrentConfig } from "../config/CurrentConfig.ts"

/** Without what depends on who asks, and how. */
export type ActionCommand = Pick<
  RunRequest,
  Exclude<keyof CommandSpec, "live"> | "name" | "timeout" | "outputGrace" | "killGrace" | "concurrency"
>

export type ActionCommandError = Arguments.ArgumentError | UnknownAccount | ShellNotFound

export type CommandOf = (
  action: ActionConfig,
  args: Readonly<Record<string, unknown>>
) => Effect.Effect<ActionCommand, ActionCommandError>

export const makeActionCommands = Effect.fnUntraced(function* (
  config: CurrentConfig["Service"]
): Effect.fn.Return<CommandOf, never, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
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

  return Effect.fnUntraced(
    function* (action, args) {
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
        concurrency: action.concurrency
      }
    },
    Effect.provideService(FileSystem.FileSystem, fs)
  )
})

const withArguments = (
  [program, ...rest]: readonly [string, ...ReadonlyArray<string>],
  values: ReadonlyArray<Arguments.ArgumentValue>
): readonly [string, ...Array<string>] => [program, ...rest, ...values.map(({ value }) => value)]

const inheritedEnv = (): Record<string, string> => {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value
  return env
}
