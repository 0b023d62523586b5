/**
 * Loads the daemon's configuration. Without a path no file is read: everything has a default, as with the original.
 *
 * On failure: one `ConfigError` with every problem, one per line, each with file, line, key, what was found and what is
 * allowed. Bounds: the first hundred problems and warnings, and how many more there are.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { dirname } from "node:path"
import type { Config } from "./Config.ts"
import { ConfigDocument } from "./ConfigSchema.ts"
import { type CredentialsUse, isCredential, readCredentials, withCredentials } from "./credentials.ts"
import type { Environment, Flags } from "./environment.ts"
import { exposures } from "./exposures.ts"
import { formatPath, type Problem } from "./Problem.ts"
import { resolve } from "./resolve.ts"
import { shapeOf } from "./SchemaShape.ts"
import { readSigningSecret } from "./signingSecret.ts"
import * as TomlFile from "./TomlFile.ts"

/** More than anybody reads at once; a file of another program has a problem in every line. */
const shownMax = 100

/** The configuration cannot be used. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

export interface Loaded {
  readonly config: Config
  /** One line each, in the form of a problem. */
  readonly warnings: ReadonlyArray<string>
  /** What it lets others do; a daemon says these by itself when it starts. */
  readonly exposures: ReadonlyArray<string>
}

const noFile: TomlFile.TomlFile = { document: {}, lineOf: () => undefined }

export const load = Effect.fn("ConfigFile.load")(function* (
  path: string | undefined,
  env: Environment,
  flags: Flags = {},
  use: CredentialsUse = "needed"
): Effect.fn.Return<Loaded, ConfigError> {
  const file =
    path === undefined
      ? noFile
      : yield* TomlFile.read(path).pipe(Effect.mapError((error) => new ConfigError({ problems: [error.message] })))
  const credentials = yield* readCredentials(env)
  const given = withCredentials(shapeOf(ConfigDocument), file.document, credentials, use)
  const resolved = resolve(given.document, env, flags)
  const lines = (problems: ReadonlyArray<Problem>) => show(problems, path, file.lineOf)
  const warnings = [...given.warnings, ...resolved.warnings]
  if (resolved.config === undefined || given.problems.length > 0) {
    // A key that is missing and one that is misspelt are often the same; the reader gets both.
    return yield* new ConfigError({ problems: lines([...given.problems, ...resolved.problems, ...warnings]) })
  }
  const { auth, general } = resolved.config
  const told = {
    warnings: lines(warnings),
    // Whether there is a password in the file is for the daemon to know.
    exposures: lines(exposures(resolved.config, general.basic_auth_secret_path !== undefined))
  }
  const secretPath = auth.jwt_secret_path
  // One that nobody here may see has been told of.
  if (secretPath === undefined || isCredential(secretPath)) return { config: resolved.config, ...told }
  const secret = yield* Effect.mapError(
    readSigningSecret(secretPath, credentials !== undefined && dirname(secretPath) === credentials.directory),
    (text) => new ConfigError({ problems: lines([{ path: ["auth", "jwt_secret_path"], text }, ...warnings]) })
  )
  return { config: { ...resolved.config, auth: { ...auth, jwt_secret: secret } }, ...told }
})

const show = (
  problems: ReadonlyArray<Problem>,
  path: string | undefined,
  lineOf: TomlFile.TomlFile["lineOf"]
): ReadonlyArray<string> => {
  const placed = problems.map((problem) => ({ problem, line: problem.outside ? undefined : lineOf(problem.path) }))
  // In the order of the file, with what is not in it first.
  placed.sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
  const shown = placed.slice(0, shownMax).map(({ problem, line }) => {
    const file = problem.outside || path === undefined ? "" : `${path}${line === undefined ? "" : `:${line}`}: `
    return `${file}${formatPath(problem.path)}: ${problem.text}`
  })
  return placed.length > shownMax ? [...shown, `and ${placed.length - shownMax} more`] : shown
}
