/**
 * `[actions]`: name = "shell command", or a table that says how the command runs and which arguments a caller may give.
 *
 * What a single schema cannot say (one of `command` and `argv`, which keys fit which type of argument, whether a default
 * satisfies its own rules) is said by `actionFaults`, as text beside the key's path inside the entry.
 */
import * as Schema from "effect/Schema"
import { argumentsMax } from "../commands/Arguments.ts"
import { ActionArgument, argumentFaults } from "./ArgumentSchema.ts"
import type { Problem } from "./Problem.ts"
import {
  account,
  boolean,
  choice,
  commandLengthMax,
  integer,
  key,
  optional,
  path,
  section,
  text,
  timerMsMax
} from "./keys.ts"

const kibibyte = 1024

/** An hour: longer than any honest reload or backup on these machines, shorter than an operator's patience. */
const defaultTimeoutMs = 3_600_000

/** What a shell can read back. Checked apart: a record drops the names that do not fit without a word. */
const environmentName = /^[A-Za-z_][A-Za-z0-9_]*$/u

const environmentValue = text(commandLengthMax).annotate({ secret: true, allowed: "text" })

const commandLine = text(commandLengthMax)
  .check(Schema.isMinLength(1))
  .annotate({ allowed: "a shell command", description: "A shell command." })

export const ActionTable = Schema.Struct({
  command: optional(commandLine, { description: "Shell text. Either this or argv." }),
  argv: optional(
    Schema.Array(text(commandLengthMax))
      .check(Schema.isMinLength(1))
      .annotate({ allowed: "an array of a program and its arguments" }),
    { description: "A program and its arguments, run without a shell. Either this or command." }
  ),
  timeout_ms: key(integer(1, timerMsMax), defaultTimeoutMs, {
    description: "The whole process group is ended after this."
  }),
  kill_grace_ms: key(integer(0, 600_000), 5000, { description: "From TERM to KILL when it is ended." }),
  output_grace_ms: key(integer(0, 60_000), 100, {
    description: "How long output is still read once the command's own process has ended."
  }),
  output_head_bytes: key(integer(0, 16 * kibibyte * kibibyte), 64 * kibibyte, {
    description: "How much of the start of each of its outputs is kept."
  }),
  output_tail_bytes: key(integer(0, 16 * kibibyte * kibibyte), 64 * kibibyte, {
    description: "How much of the end of each of its outputs is kept."
  }),
  concurrency: key(integer(1, 1024), 16, { description: "How many runs at once." }),
  queue_length: key(integer(0, 10_000), 64, { description: "How many runs may wait; more are answered 429." }),
  user: optional(account, { description: "Run as this user. Default: the daemon's." }),
  group: optional(account, { description: "Run as this group. Default: the user's own, else the daemon's." }),
  cwd: optional(path, { description: "Working directory. Default: the daemon's." }),
  env: section(
    Schema.Record(Schema.String, environmentValue).annotate({
      description: "More environment variables.",
      allowed: "a table of environment variables",
      secret: true
    }),
    {}
  ),
  inherit_env: key(boolean, true, { description: "Pass the daemon's own environment on." }),
  on_client_gone: key(choice(["continue", "terminate"]), "continue", {
    description: "What happens to a run when the client that waits for it goes away."
  }),
  on_restart: key(choice(["fail", "run_again"]), "fail", {
    description:
      "What becomes of a run that was asked for as an operation and that a restart of the daemon cut short: it has " +
      "failed, or it is begun again. Say run_again only of what may be done twice."
  }),
  require_post: optional(boolean, {
    description: "Refuse GET for this action. Default: general.actions_require_post."
  }),
  description: key(text(), "", { description: "Shown in the list of actions." }),
  args: section(
    Schema.Array(ActionArgument)
      .check(Schema.isMaxLength(argumentsMax))
      .annotate({ description: "Arguments a caller may give.", allowed: `at most ${argumentsMax} tables` }),
    []
  )
}).annotate({ description: "How the command runs.", allowed: "a table" })

export type ActionTable = typeof ActionTable.Type

export const ActionEntry = Schema.Union([commandLine, ActionTable]).annotate({ allowed: "a shell command or a table" })

export const Actions = Schema.Record(Schema.String, ActionEntry).annotate({
  description: "Commands that may be run over HTTP, by name.",
  allowed: "a table"
})

/** In a URL, in a log line, in a metric's label: one line, and not endless. */
export const entryNamePattern = /^[^\p{Cc}]{1,128}$/u
export const entryNameAllowed = "a name of 1 to 128 characters, none of them a control character"

export const actionFaults = (entry: ActionTable): ReadonlyArray<Problem> => {
  const faults: Array<Problem> = []
  if (entry.command === undefined && entry.argv === undefined) {
    faults.push({ path: [], text: "has neither command nor argv, needs one of them" })
  }
  if (entry.command !== undefined && entry.argv !== undefined) {
    faults.push({ path: ["argv"], text: "given beside command, allowed: one of them" })
  }
  if (entry.argv?.[0] === "") faults.push({ path: ["argv", 0], text: 'found "", allowed: a program' })
  for (const name of Object.keys(entry.env)) {
    if (!environmentName.test(name)) {
      faults.push({ path: ["env", name], text: "is no name of a variable, allowed: letters, digits and underscores" })
    }
  }
  const seen = new Set<string>()
  entry.args.forEach((argument, index) => {
    for (const fault of argumentFaults(argument))
      faults.push({ path: ["args", index, ...fault.path], text: fault.text })
    if (seen.has(argument.name)) faults.push({ path: ["args", index, "name"], text: `${argument.name} is given twice` })
    seen.add(argument.name)
  })
  return faults
}
