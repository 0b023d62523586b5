/** Says at the start, in the process log and in the event log, what this daemon lets others do that few would mean. */
import * as Effect from "effect/Effect"
import { BasicSecret } from "../services/auth/BasicSecret.ts"
import type { Config } from "../services/config/Config.ts"
import { exposures } from "../services/config/exposures.ts"
import { formatPath } from "../services/config/Problem.ts"
import { EventLog } from "../services/events/EventLog.ts"

export const tellExposures = Effect.fnUntraced(function* (config: Config) {
  const log = yield* EventLog
  const secret = yield* BasicSecret
  for (const { path, text } of exposures(config, yield* secret.isSet)) {
    const message = `${formatPath(path)}: ${text}`
    yield* Effect.logWarning(message)
    yield* log.record(message, { level: "warning" })
  }
})
