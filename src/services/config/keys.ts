/**
 * The vocabulary the configuration schemas are written in: what kinds of values there are, and how a key gets its
 * default and its one-line description.
 *
 * Every kind of value carries an `allowed` annotation, the words an error message uses. Descriptions and defaults go
 * into the JSON Schema; `secret` keeps a value out of messages; `live` marks the keys a reload may change.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** Node's timers count in signed 32-bit milliseconds; anything longer would fire at once. */
export const timerMsMax = 2_147_483_647

/** Linux's PATH_MAX. */
const pathLengthMax = 4096

/** Room for a one-line text; longer ones are a mistake in quoting. */
const textLengthMax = 4096

/** Linux takes at most 128 KiB for one argument, environment string or `sh -c` text. */
export const commandLengthMax = 131_072

// A type, not an interface: annotations have an index signature, which only types fit implicitly.
export type Notes = {
  readonly description: string
  /** A reload applies a change without a restart. */
  readonly live?: true
  /** The value may be a secret: messages say its length only. */
  readonly secret?: true
}

/** A key that may be left out and then has this value. */
export const key = <A, E>(schema: Schema.Codec<A, E>, value: NoInfer<A>, notes: Notes) =>
  schema.annotate({ ...notes, default: value }).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(value)))

/** A key that may be left out, with no value of its own then: the description says what that means. */
export const optional = <A, E>(schema: Schema.Codec<A, E>, notes: Notes) => Schema.optionalKey(schema.annotate(notes))

/** A key that must be given. */
export const required = <A, E>(schema: Schema.Codec<A, E>, notes: Notes) => schema.annotate(notes)

/** A table of the file that may be left out: its keys then have their defaults. */
export const section = <S extends Schema.Top>(schema: S, none: S["Encoded"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(none)))

export const boolean = Schema.Boolean.annotate({ allowed: "true or false" })

export const integer = (min: number, max: number) =>
  Schema.Int.check(Schema.isBetween({ minimum: min, maximum: max })).annotate({
    allowed: max === Number.MAX_SAFE_INTEGER ? `an integer >= ${min}` : `an integer from ${min} to ${max}`
  })

/** TOML writes the integers among them without a dot. */
export const number = (min: number, max: number) =>
  Schema.Finite.check(Schema.isBetween({ minimum: min, maximum: max })).annotate({
    allowed: `a number from ${min} to ${max}`
  })

/** NUL ends a string in every system call, so text after one would be lost without a word. */
const withoutNul = Schema.isPattern(/^[^\0]*$/u)

export const text = (lengthMax = textLengthMax) =>
  Schema.String.check(Schema.isMaxLength(lengthMax), withoutNul).annotate({
    allowed: `text of at most ${lengthMax} characters`
  })

export const path = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(pathLengthMax), withoutNul).annotate({
  allowed: "a path"
})

export const pathOrNone = Schema.String.check(Schema.isMaxLength(pathLengthMax), withoutNul).annotate({
  allowed: 'a path, or "" for none'
})

/** A file that the daemon reads and never writes, a secret most of the time: a service manager may pass it (credentials.ts). */
export const secretFile = path.annotate({ allowed: "a path, or credential:NAME", credential: true })

export const secretFileOrNone = pathOrNone.annotate({
  allowed: 'a path, credential:NAME, or "" for none',
  credential: true
})

export const choice = <const L extends ReadonlyArray<string>>(values: L) =>
  Schema.Literals(values).annotate({ allowed: values.map((value) => JSON.stringify(value)).join(" or ") })

/** File modes are octal, and TOML has no bare octal number that reads like one: text, as chmod takes it. */
export const octalMode = Schema.String.check(Schema.isPattern(/^0?[0-7]{3,4}$/u)).annotate({
  allowed: 'an octal file mode in quotes, such as "0644"'
})

export const parseMode = (mode: string): number => Number.parseInt(mode, 8)

/** What chown and setuid take: a name of the user database, or a number in quotes. */
export const account = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?$/u)).annotate({
  allowed: "a name or a number, in quotes"
})
