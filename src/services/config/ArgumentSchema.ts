/**
 * One typed argument of an action: its shape in the file, what is wrong with it before any caller shows up, and its
 * form with all defaults filled in. What the rules of a type are is said in commands/Arguments, which also checks what
 * callers give; here is what only a file can get wrong.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Arguments from "../commands/Arguments.ts"
import { boolean, choice, integer, key, optional, required, text } from "./keys.ts"
import type { Problem } from "./Problem.ts"

const argumentTypes = ["string", "enum", "int", "bool"] as const

const patternLengthMax = 1024

const enumValuesMax = 256

/** A word of a list, not a document. */
const enumValueLengthMax = 1024

const safeInteger = integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER).annotate({ allowed: "an integer" })

const argumentName = Schema.String.check(Schema.isPattern(Arguments.argumentName)).annotate({
  allowed: Arguments.argumentNameAllowed
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
  max_length: optional(integer(0, Arguments.maxLengthMax), {
    description: `string: most bytes. Default: ${Arguments.maxLengthDefault}.`
  }),
  values: optional(
    Schema.Array(text(enumValueLengthMax))
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

/** What a caller's value is checked against, with all that was left out filled in. */
export type ArgumentSpec = Arguments.ArgumentDeclaration & {
  readonly description: string
  /** It has no default. */
  readonly required: boolean
}

/** For a sound argument once `argumentFaults` found nothing. */
export const argumentSpec = (argument: ActionArgument): ArgumentSpec => {
  const { default: given, description, name, type } = argument
  const common = { name, description, required: given === undefined, default: given }
  switch (type) {
    case "string":
      return {
        ...common,
        type,
        pattern: argument.pattern,
        max_length: argument.max_length ?? Arguments.maxLengthDefault
      }
    case "enum":
      return { ...common, type, values: argument.values ?? [] }
    case "int":
      return {
        ...common,
        type,
        min: argument.min ?? Number.MIN_SAFE_INTEGER,
        max: argument.max ?? Number.MAX_SAFE_INTEGER
      }
    case "bool":
      return { ...common, type }
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
  if (argument.required === true && argument.default !== undefined) {
    faults.push({ path: ["required"], text: "is true beside a default, with which it is never missing" })
  }
  if (argument.required === false && argument.default === undefined) {
    faults.push({ path: ["required"], text: "is false without a default to take its place" })
  }
  if (argument.type === "enum" && argument.values === undefined) {
    return [...faults, { path: [], text: 'has type = "enum" and no values' }]
  }
  const compiled = Arguments.compile([argumentSpec(argument)])
  if (Result.isFailure(compiled)) {
    const { key, problem } = compiled.failure
    // A default that does not fit is the consequence where the type itself may be the slip.
    if (key !== "default" || faults.length === 0) faults.push({ path: [key], text: problem })
  }
  return faults
}
