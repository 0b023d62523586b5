/**
 * One typed argument of an action: its shape in the file, what is wrong with it before any caller shows up, and the
 * normalised form that whoever validates callers' values reads.
 *
 * A pattern is a JavaScript regular expression with the `u` flag that the whole value must match.
 */
import * as Schema from "effect/Schema"
import { describe, type Problem } from "./Problem.ts"
import { boolean, choice, integer, key, optional, required, text } from "./keys.ts"

const argumentTypes = ["string", "enum", "int", "bool"] as const

/** A value becomes an environment string or a positional parameter, of which the kernel takes 128 KiB. */
const valueBytesMax = 65_536

/** Generous for a name, a path or a digest, and no room for a document. */
const defaultBytesMax = 1024

const patternLengthMax = 1024

const enumValuesMax = 256

const safeInteger = integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER).annotate({ allowed: "an integer" })

/** Lower case only, so that names differ as variables too. */
const argumentName = Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{0,31}$/u)).annotate({
  allowed: "a lower-case letter, then at most 31 of a-z, 0-9 and _"
})

export const ActionArgument = Schema.Struct({
  name: required(argumentName, {
    description:
      "What the caller calls it. The command finds it in ARG_ and the name in upper case, and as $1, $2, … in order."
  }),
  type: key(choice(argumentTypes), "string", { description: "What it may be." }),
  pattern: optional(text(patternLengthMax), {
    description: "string: a regular expression the whole value must match."
  }),
  max_length: optional(integer(0, valueBytesMax), {
    description: `string: most bytes. Default: ${defaultBytesMax}.`
  }),
  values: optional(
    Schema.Array(text(defaultBytesMax))
      .check(Schema.isMinLength(1), Schema.isMaxLength(enumValuesMax))
      .annotate({ allowed: `an array of 1 to ${enumValuesMax} texts` }),
    { description: "enum: the allowed values." }
  ),
  min: optional(safeInteger, { description: "int: the least." }),
  max: optional(safeInteger, { description: "int: the most." }),
  default: optional(
    Schema.Union([Schema.String, Schema.Int, Schema.Boolean]).annotate({ allowed: "a value of its type" }),
    {
      description: "Its value when the caller leaves it out."
    }
  ),
  required: optional(boolean, { description: "Refuse a run without it. So it is unless it has a default." }),
  description: key(text(), "", { description: "Shown in the list of actions." })
}).annotate({ allowed: "a table with the key name" })

export type ActionArgument = typeof ActionArgument.Type

interface ArgumentCommon {
  readonly name: string
  /** It has no default. */
  readonly required: boolean
  readonly description: string
}

/** What a caller's value is checked against; `default` is one that passes. */
export type ArgumentSpec =
  | (ArgumentCommon & {
      readonly type: "string"
      /** Source of a regular expression (`u` flag) for the whole value. */
      readonly pattern: string | undefined
      /** In bytes of UTF-8. */
      readonly max_length: number
      readonly default: string | undefined
    })
  | (ArgumentCommon & {
      readonly type: "enum"
      readonly values: ReadonlyArray<string>
      readonly default: string | undefined
    })
  | (ArgumentCommon & {
      readonly type: "int"
      readonly min: number
      readonly max: number
      readonly default: number | undefined
    })
  | (ArgumentCommon & { readonly type: "bool"; readonly default: boolean | undefined })

/** Compiled by itself first: a pattern such as `a)|(b` must not break out of the group that makes it whole. */
const wholeMatch = (pattern: string): RegExp => new RegExp(`^(?:${new RegExp(pattern, "u").source})$`, "u")

/** Call after `argumentFaults` found nothing. */
export const argumentSpec = (argument: ActionArgument): ArgumentSpec => {
  const { name, description, default: given } = argument
  const common = { name, description, required: given === undefined }
  const textual = typeof given === "string" ? given : undefined
  switch (argument.type) {
    case "string": {
      const max_length = argument.max_length ?? defaultBytesMax
      return { ...common, type: "string", pattern: argument.pattern, max_length, default: textual }
    }
    case "enum":
      return { ...common, type: "enum", values: argument.values ?? [], default: textual }
    case "int": {
      const min = argument.min ?? Number.MIN_SAFE_INTEGER
      const max = argument.max ?? Number.MAX_SAFE_INTEGER
      return { ...common, type: "int", min, max, default: typeof given === "number" ? given : undefined }
    }
    case "bool":
      return { ...common, type: "bool", default: typeof given === "boolean" ? given : undefined }
  }
}

const keysOfType = {
  string: ["pattern", "max_length"],
  enum: ["values"],
  int: ["min", "max"],
  bool: []
} as const satisfies Record<ActionArgument["type"], ReadonlyArray<keyof ActionArgument>>

export const argumentFaults = (argument: ActionArgument): ReadonlyArray<Problem> => {
  const faults: Array<Problem> = []
  for (const type of argumentTypes) {
    if (type === argument.type) continue
    for (const name of keysOfType[type]) {
      if (argument[name] !== undefined) {
        faults.push({ path: [name], text: `is for type = "${type}", but the type is "${argument.type}"` })
      }
    }
  }
  if (argument.type === "enum" && argument.values === undefined) {
    faults.push({ path: [], text: 'has type = "enum" and no values' })
  }
  const patternFault = argument.pattern === undefined ? undefined : regexFault(argument.pattern)
  if (patternFault !== undefined) faults.push({ path: ["pattern"], text: patternFault })
  if (argument.min !== undefined && argument.max !== undefined && argument.min > argument.max) {
    faults.push({ path: ["min"], text: `found ${argument.min}, allowed: at most max, which is ${argument.max}` })
  }
  if (argument.required === true && argument.default !== undefined) {
    faults.push({ path: ["required"], text: "is true beside a default, with which it is never missing" })
  }
  if (argument.required === false && argument.default === undefined) {
    faults.push({ path: ["required"], text: "is false without a default to take its place" })
  }
  if (faults.length === 0) {
    const wrong = defaultFault(argument)
    if (wrong !== undefined) faults.push({ path: ["default"], text: wrong })
  }
  return faults
}

/** The engine's own reason, without the pattern it repeats. */
const regexFault = (pattern: string): string | undefined => {
  try {
    wholeMatch(pattern)
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(error.message.lastIndexOf(": ") + 2) : "invalid"
    return `is not a regular expression (${reason})`
  }
}

const defaultFault = (argument: ActionArgument): string | undefined => {
  const given = argument.default
  if (given === undefined) return undefined
  const found = `found ${describe(given, false)}, allowed:`
  const spec = argumentSpec(argument)
  switch (spec.type) {
    case "string":
      if (typeof given !== "string") return `${found} a text, because the type is "string"`
      if (Buffer.byteLength(given) > spec.max_length) return `${found} a text of at most ${spec.max_length} bytes`
      if (given.includes("\0")) return `${found} a text without NUL`
      return spec.pattern === undefined || wholeMatch(spec.pattern).test(given)
        ? undefined
        : `${found} what the pattern matches`
    case "enum":
      return typeof given === "string" && spec.values.includes(given) ? undefined : `${found} one of values`
    case "int":
      return typeof given === "number" && given >= spec.min && given <= spec.max
        ? undefined
        : `${found} an integer within min and max`
    case "bool":
      return typeof given === "boolean" ? undefined : `${found} true or false`
  }
}
