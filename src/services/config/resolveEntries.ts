/**
 * Makes the named entries of `[actions]` and `[file_uploads]`: each decoded on its own, so that one wrong entry hides no
 * other, the shorthand written out and the rules between the two sections checked.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { ActionEntry, actionFaults, ActionTable, entryNameAllowed, entryNamePattern } from "./ActionSection.ts"
import { argumentSpec } from "./ArgumentSchema.ts"
import type { ActionConfig, CommandLine, UploadConfig } from "./Config.ts"
import { decode } from "./decode.ts"
import type { General } from "./GeneralSection.ts"
import { parseMode } from "./keys.ts"
import { addProblems, describe, inside, type Problem } from "./Problem.ts"
import { isTable } from "./SchemaShape.ts"
import { UploadEntry, UploadTable } from "./UploadSection.ts"

export interface Entries<A> {
  readonly entries: ReadonlyMap<string, A>
  readonly problems: ReadonlyArray<Problem>
}

export const resolveActions = (section: unknown, general: General | undefined): Entries<ActionConfig> =>
  eachEntry("actions", section, entryNamePattern, entryNameAllowed, (name, value) =>
    Result.flatMap(decode(ActionEntry, value, []), (entry) => {
      if (typeof entry === "string")
        return Result.map(decode(ActionTable, { command: entry }, []), (table) => action(name, table, general))
      const faults = actionFaults(entry)
      return faults.length > 0 ? Result.fail(faults) : Result.succeed(action(name, entry, general))
    })
  )

const action = (name: string, table: ActionTable, general: General | undefined): ActionConfig => {
  const { user, group, cwd, env, args, require_post, command, argv, ...rest } = table
  return {
    ...rest,
    name,
    command: commandLine(command, argv),
    user,
    group,
    cwd,
    env: Redacted.make(env),
    require_post: require_post ?? general?.actions_require_post ?? false,
    args: args.map(argumentSpec)
  }
}

/** The faults of an action make sure there is one of them. */
const commandLine = (command: string | undefined, argv: ReadonlyArray<string> | undefined): CommandLine => {
  const [program, ...rest] = argv ?? []
  return program === undefined ? { _tag: "Shell", text: command ?? "" } : { _tag: "Argv", argv: [program, ...rest] }
}

/** `actions`: those that decoded, and the names of all that are written there, lest one fault show up twice. */
export const resolveUploads = (
  section: unknown,
  actions: ReadonlyMap<string, ActionConfig>,
  written: ReadonlySet<string>
): Entries<UploadConfig> =>
  eachEntry("file_uploads", section, entryNamePattern, entryNameAllowed, (name, value) =>
    Result.flatMap(decode(UploadEntry, value, []), (entry) => {
      if (typeof entry === "string")
        return Result.map(decode(UploadTable, { path: entry }, []), (table) => upload(name, table))
      const fault = entry.then === undefined ? undefined : thenFault(entry.then, actions, written)
      return fault === undefined ? Result.succeed(upload(name, entry)) : Result.fail([fault])
    })
  )

const upload = (name: string, table: UploadTable): UploadConfig => ({
  name,
  path: table.path,
  max_bytes: table.max_bytes,
  mode: table.mode === undefined ? undefined : parseMode(table.mode),
  owner: table.owner,
  group: table.group,
  // oxlint-disable-next-line unicorn/no-thenable -- the key's own name; text, so nothing to call.
  then: table.then
})

const thenFault = (
  then: string,
  actions: ReadonlyMap<string, ActionConfig>,
  written: ReadonlySet<string>
): Problem | undefined => {
  if (!written.has(then))
    return { path: ["then"], text: `found ${describe(then, false)}, allowed: the name of an action` }
  const needed = actions.get(then)?.args.find((argument) => argument.required)
  return needed === undefined
    ? undefined
    : {
        path: ["then"],
        text: `found ${describe(then, false)}, which requires the argument ${needed.name}: nobody would give it`
      }
}

/** The tables of a section by their names, each made on its own. */
export const eachEntry = <A>(
  name: string,
  section: unknown,
  namePattern: RegExp,
  nameAllowed: string,
  make: (name: string, value: unknown) => Result.Result<A, ReadonlyArray<Problem>>
): Entries<A> => {
  if (section === undefined) return { entries: new Map(), problems: [] }
  if (!isTable(section)) {
    return {
      entries: new Map(),
      problems: [{ path: [name], text: `found ${describe(section, false)}, allowed: a table` }]
    }
  }
  const entries = new Map<string, A>()
  const problems: Array<Problem> = []
  for (const [entryName, value] of Object.entries(section)) {
    const path = [name, entryName]
    if (!namePattern.test(entryName)) problems.push({ path, text: `allowed: ${nameAllowed}` })
    const made = make(entryName, value)
    if (Result.isFailure(made)) addProblems(problems, inside(path, made.failure))
    else entries.set(entryName, made.success)
  }
  return { entries, problems }
}
