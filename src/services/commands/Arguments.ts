/**
 * Typed arguments of a command: what its configuration declares, what is wrong with a declaration, and the check of what
 * a caller gives; the configuration asks here, so that a rule exists once. What passes
 * reaches the command as data only: as environment variables `ARG_<NAME>` and as positional parameters in the order of
 * declaration; it is never part of a script's text.
 *
 * Bounds: `argumentsMax` per command, `max_length` bytes per text. Refuses what is not declared, what is missing, NUL
 * bytes (which would cut a value short), lone surrogates (which would arrive altered), arrays and objects.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { matchWithin } from "./matchWithin.ts"

/** A command with more arguments than this wants a file. */
export const argumentsMax = 32
/** Bytes of UTF-8, where a declaration does not say; far below the 128 KiB that Linux takes for one string. */
export const maxLengthDefault = 1024
export const maxLengthMax = 65_536

/** How much of a refused value an error shows. */
const foundMax = 100

/**
 * Lower case, so that names differ in their variables too. The prefix keeps them apart from PATH, IFS, LD_PRELOAD and
 * whatever else means something to a shell or a loader: no declared name can become one of those.
 */
export const argumentName = /^[a-z][a-z0-9_]{0,31}$/u
export const argumentNameAllowed = "a lower-case letter, then at most 31 of a-z, 0-9 and _"

interface Common {
  readonly name: string
  readonly description?: string | undefined
  /** Of the argument's own type, and allowed by its own rules. */
  readonly default?: string | number | boolean | undefined
}

/** An argument with a default may be left out; one without is required. */
export type ArgumentDeclaration = Common &
  (
    | {
        readonly type: "string"
        /** A regular expression that the whole value must match, within a deadline (matchWithin). */
        readonly pattern?: string | undefined
        readonly max_length?: number | undefined
      }
    | { readonly type: "enum"; readonly values: ReadonlyArray<string> }
    | { readonly type: "int"; readonly min?: number | undefined; readonly max?: number | undefined }
    | { readonly type: "bool" }
  )

/** A declaration that cannot be meant; a fault of the configuration. */
export class ArgumentDeclarationError extends Schema.TaggedError<ArgumentDeclarationError>()(
  "ArgumentDeclarationError",
  { argument: Schema.String, key: Schema.String, problem: Schema.String }
) {
  override get message() {
    return `argument "${this.argument}": ${this.key}: ${this.problem}`
  }
}

/** A value that the declaration does not allow; a fault of the caller. */
export class ArgumentError extends Schema.TaggedError<ArgumentError>()(
  "ArgumentError",
  { argument: Schema.String, found: Schema.String, allowed: Schema.String },
  { httpApiStatus: 400 }
) {
  override get message() {
    return `argument "${this.argument}": found ${this.found}, allowed: ${this.allowed}`
  }
}

export interface ArgumentValue {
  readonly name: string
  readonly value: string
}

/** Declarations that were checked, with their patterns compiled. */
export interface Arguments {
  readonly declarations: ReadonlyArray<ArgumentDeclaration>
  /** Every declared argument in the order of declaration, given or by default. */
  readonly validate: (
    given: Readonly<Record<string, unknown>>
  ) => Result.Result<ReadonlyArray<ArgumentValue>, ArgumentError>
}

interface Check {
  readonly name: string
  readonly kind: "string" | "number" | "boolean"
  readonly allowed: string
  /** The value as text, or undefined when it is not allowed. */
  readonly accept: (value: unknown) => string | undefined
  readonly whenMissing: string | undefined
}

/** What is wrong with which key of a declaration. */
interface Fault {
  readonly key: string
  readonly problem: string
}

type Compiled = Result.Result<Arguments, ArgumentDeclarationError>

/** As long as their configuration: a run costs no compilation, and a reload leaves nothing behind. */
const compiled = new WeakMap<ReadonlyArray<ArgumentDeclaration>, Compiled>()

/** Once for each array of declarations, which must not change afterwards. */
export const compile = (declarations: ReadonlyArray<ArgumentDeclaration>): Compiled => {
  const known = compiled.get(declarations)
  if (known !== undefined) return known
  const made = make(declarations)
  compiled.set(declarations, made)
  return made
}

const make = (declarations: ReadonlyArray<ArgumentDeclaration>): Compiled => {
  const refuse = (argument: string, key: string, problem: string) =>
    Result.fail(new ArgumentDeclarationError({ argument, key, problem }))
  const checks = new Map<string, Check>()
  for (const declaration of declarations) {
    const { name } = declaration
    if (!argumentName.test(name)) {
      return refuse(name, "name", `allowed: ${argumentNameAllowed}`)
    }
    if (checks.has(name)) return refuse(name, "name", "is given twice")
    if (checks.size === argumentsMax) return refuse(name, "name", `a command takes at most ${argumentsMax} arguments`)
    const check = checkOf(declaration)
    if ("problem" in check) return refuse(name, check.key, check.problem)
    const given = declaration.default
    // Of the very type: a caller's "5" is a number, for want of one in a query string; a default can say what it means.
    const whenMissing = typeof given === check.kind ? check.accept(given) : undefined
    if (given !== undefined && whenMissing === undefined) {
      return refuse(name, "default", `found ${show(given)}, allowed: ${check.allowed}`)
    }
    checks.set(name, { ...check, name, whenMissing })
  }
  return Result.succeed({ declarations, validate: (given) => validate(checks, given) })
}

const validate = (checks: ReadonlyMap<string, Check>, given: Readonly<Record<string, unknown>>) => {
  for (const name of Object.keys(given)) {
    if (!checks.has(name)) {
      const names = [...checks.keys()].join(", ")
      const allowed = names === "" ? "no arguments" : `only the arguments ${names}`
      return Result.fail(new ArgumentError({ argument: clip(name), found: show(given[name]), allowed }))
    }
  }
  const values: Array<ArgumentValue> = []
  for (const { name, allowed, accept, whenMissing } of checks.values()) {
    const found = Object.hasOwn(given, name) ? given[name] : undefined
    const value = found === undefined ? whenMissing : accept(found)
    if (value === undefined) return Result.fail(new ArgumentError({ argument: name, found: show(found), allowed }))
    values.push({ name, value })
  }
  return Result.succeed(values)
}

/** How to check a value, or what is wrong with the declaration. */
const checkOf = (declaration: ArgumentDeclaration): Pick<Check, "kind" | "allowed" | "accept"> | Fault => {
  switch (declaration.type) {
    case "string": {
      const { pattern, max_length: maxLength = maxLengthDefault } = declaration
      if (!Number.isInteger(maxLength) || maxLength < 0 || maxLength > maxLengthMax) {
        return { key: "max_length", problem: `found ${maxLength}, allowed: an integer from 0 to ${maxLengthMax}` }
      }
      const whole = pattern === undefined ? undefined : wholeMatch(pattern)
      if (whole !== undefined && "problem" in whole) return whole
      return {
        kind: "string",
        allowed: `text of at most ${maxLength} bytes${pattern === undefined ? "" : ` that matches ${pattern}`}`,
        accept: (value) => {
          // Length first: a pattern never sees more than it was meant for.
          if (typeof value !== "string" || !isPlainText(value) || Buffer.byteLength(value) > maxLength) return undefined
          return whole === undefined || matchWithin(whole, value) ? value : undefined
        }
      }
    }
    case "enum": {
      const { values } = declaration
      if (values.length === 0) return { key: "values", problem: "found nothing, needs at least one value" }
      const odd = values.find((value) => !isPlainText(value))
      if (odd !== undefined) return { key: "values", problem: `${show(odd)} cannot be passed to a command` }
      return {
        kind: "string",
        allowed: `one of ${values.map(show).join(", ")}`,
        accept: (value) => (typeof value === "string" && values.includes(value) ? value : undefined)
      }
    }
    case "int": {
      const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = declaration
      for (const [key, bound] of [["min", min] as const, ["max", max] as const]) {
        if (!Number.isSafeInteger(bound)) return { key, problem: `found ${bound}, allowed: an integer` }
      }
      if (min > max) return { key: "min", problem: `found ${min}, allowed: at most max, which is ${max}` }
      return {
        kind: "number",
        allowed: `a whole number from ${min} to ${max}`,
        accept: (value) => {
          const number = toInteger(value)
          return number !== undefined && number >= min && number <= max ? String(number) : undefined
        }
      }
    }
    case "bool":
      return {
        kind: "boolean",
        allowed: "true or false",
        accept: (value) => (isScalar(value) && ["true", "false"].includes(String(value)) ? String(value) : undefined)
      }
  }
}

/** Compiled once by itself, so that a pattern such as `a)|(b` cannot break out of the group that makes it whole. */
const wholeMatch = (pattern: string): RegExp | Fault => {
  try {
    return new RegExp(`^(?:${new RegExp(pattern, "u").source})$`, "u")
  } catch (error) {
    // The engine's own reason, without the pattern it repeats.
    const reason = error instanceof Error ? error.message.slice(error.message.lastIndexOf(": ") + 2) : "invalid"
    return { key: "pattern", problem: `is not a regular expression (${reason})` }
  }
}

/** Text that arrives at the command as it was given: no NUL, no half of a surrogate pair. */
const isPlainText = (text: string): boolean => !text.includes("\0") && text.isWellFormed()

const isScalar = (value: unknown): value is string | boolean => typeof value === "string" || typeof value === "boolean"

/** Query strings and forms have no numbers, so decimal digits are one; "-0", "1e3", " 1" and "0x1" are not. */
const toInteger = (value: unknown): number | undefined => {
  const number = typeof value === "string" && /^(?:0|-?[1-9][0-9]{0,15})$/u.test(value) ? Number(value) : value
  // Adding 0 makes the -0 of a JSON body a 0.
  return typeof number === "number" && Number.isSafeInteger(number) ? number + 0 : undefined
}

const show = (value: unknown): string => {
  switch (typeof value) {
    case "undefined":
      return "nothing"
    case "string":
      return clip(JSON.stringify(value.slice(0, foundMax + 1)))
    case "number":
    case "boolean":
      return String(value)
    default:
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object"
  }
}

const clip = (text: string): string => (text.length > foundMax ? `${text.slice(0, foundMax).toWellFormed()}…` : text)

/** The variables a command finds its arguments in. */
export const toEnvironment = (values: ReadonlyArray<ArgumentValue>): Record<string, string> =>
  Object.fromEntries(values.map(({ name, value }) => [`ARG_${name.toUpperCase()}`, value]))

/**
 * A script with its arguments as `$1`, `$2`, … and the action's name as `$0`. The shell reads options no more once it
 * has its script, so a value such as `-x` is a parameter like any other.
 */
export const shellArgv = (
  shell: string,
  script: string,
  name: string,
  values: ReadonlyArray<ArgumentValue>
): readonly [string, ...Array<string>] => [shell, "-c", script, name, ...values.map(({ value }) => value)]
