/** `systemapi config check FILE` and `systemapi config schema`: what an editor or a script asks about configurations. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type ConfigError, load } from "../services/config/ConfigFile.ts"
import { jsonSchema } from "../services/config/ConfigSchema.ts"

/** Warnings go to standard error, so that a script that reads the verdict reads nothing else. */
export const check = Effect.fn("configCommand.check")(function* (file: string): Effect.fn.Return<void, ConfigError> {
  const { exposures, warnings } = yield* load(file, process.env, {}, "unseen")
  for (const warning of [...warnings, ...exposures]) yield* Console.error(`warning: ${warning}`)
  yield* Console.log(`${file}: ok`)
})

export const schema: Effect.Effect<void> = Effect.suspend(() => Console.log(JSON.stringify(jsonSchema(), null, 2)))
