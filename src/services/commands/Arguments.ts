/**
 * Typed arguments of a command: what its configuration declares, and the check of what a caller gives. What passes
 * reaches the command as data only: as environment variables `ARG_<NAME>` and as positional parameters in the order of
 * declaration; it is never part of a script's text.
 *
 * Bounds: `argumentsMax` per command, `max_length` bytes per text. Refuses what is not declared, what is missing, NUL
 * bytes (which would cut a value short), lone surrogates (which would arrive altered), arrays and objects.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A command with more arguments than this wants a file. */
export const argumentsMax = 32
/** Bytes of UTF-8, where a declaration does not say; far below the 128 KiB that Linux takes for one string. */
const maxLengthDefault = 1024
const maxLengthMax = 65_536

/** How much of a refused value an error shows. */
const foundMax = 100

/**
 * Lower case, so that names differ in their variables too. The prefix keeps them apart from PATH, IFS, LD_PRELOAD and
 * whatever else means something to a shell or a loader: no declared name can become one of those.
 */
export const argumentName = /^[a-z][a-z0-9_]{0,31}$/u

interface Common {
  readonly name: string
  readonly description?: string | undefined
}

/** An argument with a default may be left out; one without is required. */
export type ArgumentDeclaration = Common &
  (
    | {
        readonly type: "string"
        /** A regular expression that the whole value must match. It is the operator's: a slow one slows only him. */
        readonly pattern?: string | undefined
        readonly max_length?: number | undefined
        readonly default?: string | undefined
      }
    | { readonly type: "enum"; readonly values: ReadonlyArray<string>; readonly default?: string | undefined }
    | {
        readonly type: "int"
        readonly min?: number | undefined
        readonly max?: number | undefined
        readonly default?: number | undefined
      }
    | { readonly type: "bool"; readonly default?: boolean | undefined }
  )

/** A declaration that cannot be meant; a fault of the configuration. */
export class ArgumentDeclarationError extends Schema.TaggedError<ArgumentDeclarationError>()(
  "ArgumentDeclarationError",
  { argument: Schema.String, problem: Schema.String }
) {
  override get message() {
    return `argument "${this.argument}": ${this.problem}`
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
  readonly allowed: string
  /** The value as text, or undefined when it is not allowed. */
  readonly accept: (value: unknown) => string | undefined
  readonly whenMissing: string | undefined
}

export const compile = (
  declarations: ReadonlyArray<ArgumentDeclaration>
): Result.Result<Arguments, ArgumentDeclarationError> => {
  const refuse = (argument: string, problem: string) => Result.fail(new ArgumentDeclarationError({ argument, problem }))
  const checks = new Map<string, Check>()
  for (const declaration of declarations) {
    const { name } = declaration
    if (!argumentName.test(name)) {
      return refuse(name, "a name is a lower-case letter, then at most 31 of a-z, 0-9 and _")
    }
    if (checks.has(name)) return refuse(name, "declared twice")
    if (checks.size === argumentsMax) return refuse(name, `a command takes at most ${argumentsMax} arguments`)
    const check = checkOf(declaration)
    if (typeof check === "string") return refuse(name, check)
    const missing = declaration.default === undefined ? undefined : check.accept(declaration.default)
    if (declaration.default !== undefined && missing === undefined) {
      return refuse(name, `its default ${show(declaration.default)} is not ${check.allowed}`)
    }
    checks.set(name, { ...check, name, whenMissing: missing })
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
const checkOf = (declaration: ArgumentDeclaration): Pick<Check, "allowed" | "accept"> | string => {
  switch (declaration.type) {
    case "string": {
      const { pattern, max_length: maxLength = maxLengthDefault } = declaration
      if (!Number.isInteger(maxLength) || maxLength < 0 || maxLength > maxLengthMax) {
        return `max_length ${maxLength} is not a whole number from 0 to ${maxLengthMax}`
      }
      const whole = pattern === undefined ? undefined : wholeMatch(pattern)
      if (typeof whole === "string") return whole
      return {
        allowed: `text of at most ${maxLength} bytes${pattern === undefined ? "" : ` that matches ${pattern}`}`,
        accept: (value) => {
          // Length first: a pattern never sees more than it was meant for.
          if (typeof value !== "string" || !isPlainText(value) || Buffer.byteLength(value) > maxLength) return undefined
          return whole === undefined || whole.test(value) ? value : undefined
        }
      }
    }
    case "enum": {
      const { values } = declaration
      if (values.length === 0) return "an enum needs at least one value"
      const odd = values.find((value) => !isPlainText(value))
      if (odd !== undefined) return `its value ${show(odd)} cannot be passed to a command`
      return {
        allowed: `one of ${values.map(show).join(", ")}`,
        accept: (value) => (typeof value === "string" && values.includes(value) ? value : undefined)
      }
    }
    case "int": {
      const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = declaration
      if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max)) return "min and max are whole numbers below 2^53"
      if (min > max) return `min ${min} is greater than max ${max}`
      return {
        allowed: `a whole number from ${min} to ${max}`,
        accept: (value) => {
          const number = toInteger(value)
          return number !== undefined && number >= min && number <= max ? String(number) : undefined
        }
      }
    }
    case "bool":
      return {
        allowed: "true or false",
        accept: (value) => (isScalar(value) && ["true", "false"].includes(String(value)) ? String(value) : undefined)
      }
  }
}

/** Compiled once by itself, so that a pattern such as `a)|(b` cannot break out of the group that makes it whole. */
const wholeMatch = (pattern: string): RegExp | string => {
  try {
    return new RegExp(`^(?:${new RegExp(pattern, "u").source})$`, "u")
  } catch (error) {
    return `its pattern is not a regular expression: ${error instanceof Error ? error.message : String(error)}`
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
