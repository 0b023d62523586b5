/**
 * The command line as data, which its man page and its completions (bash, zsh, fish) are made of: as the parser has it, but
 * that it knows which words are files, folders or one of a few.
 */
import * as Completions from "effect/cli/Completions"
import * as Effect from "effect/Effect"
import { rootCommand } from "../../src/cli/Cli.ts"

/** What takes a file or a folder, by the name of the flag or argument. */
const paths: Readonly<Record<string, "file" | "directory">> = {
  config: "file",
  "cli-path": "file",
  "pipe-file": "file",
  output: "file",
  identity: "file",
  FILE: "file",
  store: "directory"
}

const choices: Readonly<Record<string, ReadonlyArray<string>>> = {
  "log-level": ["trace", "debug", "info", "warn", "error"]
}

const typed = <A extends Completions.FlagDescriptor | Completions.ArgumentDescriptor>(part: A): A => {
  const path = paths[part.name]
  const values = choices[part.name]
  if (path !== undefined) return { ...part, type: { _tag: "Path", pathType: path } }
  return values === undefined ? part : { ...part, type: { _tag: "Choice", values } }
}

/** Every command, its flags and its arguments. */
export const commandLine = (): Completions.CommandDescriptor => {
  // Nothing of it runs.
  const nothing = () => Effect.void
  const root = rootCommand({ serve: nothing, exportEvents: nothing, importEvents: nothing })
  return withTypes(Completions.fromCommand(root))
}

const withTypes = (command: Completions.CommandDescriptor): Completions.CommandDescriptor => ({
  ...command,
  flags: command.flags.map(typed),
  arguments: command.arguments.map(typed),
  subcommands: command.subcommands.map(withTypes)
})

/** Without the lines on how to install it: it is. */
const withoutAdvice = (script: string): string =>
  script.replace(/^# Installation:\n(?:#.*\n)+/mu, "#\n").replaceAll(/^#\n(?:#\n)+/gmu, "#\n")

export const completions = (shell: Completions.Shell, root: Completions.CommandDescriptor): string =>
  withoutAdvice(Completions.generate(root.name, shell, root))
