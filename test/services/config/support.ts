/** Configurations from text, as a file would give them. */
import * as Effect from "effect/Effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { load } from "../../../src/services/config/ConfigFile.ts"
import type { Environment, Flags } from "../../../src/services/config/environment.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "systemapi-test-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** Loads the text from a file called `systemapi-config.toml`; messages name it without its folder. */
export const loadText = Effect.fnUntraced(function* (text: string, env: Environment = {}, flags: Flags = {}) {
  const folder = yield* temporaryFolder
  const path = join(folder, "systemapi-config.toml")
  yield* Effect.promise(() => writeFile(path, text))
  const strip = (line: string) => line.replace(`${folder}/`, "")
  return yield* load(path, env, flags).pipe(
    Effect.map(({ config, warnings }) => ({ config, warnings: warnings.map(strip) })),
    Effect.mapError((error) => error.problems.map(strip))
  )
}, Effect.scoped)

export const configOf = (text: string, env: Environment = {}, flags: Flags = {}) =>
  Effect.map(loadText(text, env, flags), ({ config }) => config)

export const problemsOf = (text: string, env: Environment = {}, flags: Flags = {}) =>
  Effect.flip(loadText(text, env, flags))

export const warningsOf = (text: string, env: Environment = {}, flags: Flags = {}) =>
  Effect.map(loadText(text, env, flags), ({ warnings }) => warnings)
