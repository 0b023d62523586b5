/** Says at the start, in the process log and in the event log, what this daemon lets others do that few would mean. */
import * as Effect from "effect/Effect"
import { BasicSecret } from "../services/auth/BasicSecret.ts"
import type { Config } from "../services/config/Config.ts"
import { exposures, passedExposures, type Reached } from "../services/config/exposures.ts"
import { formatPath } from "../services/config/Problem.ts"
import { EventLog } from "../services/events/EventLog.ts"

/** `reached`: only of the sockets that were passed, now that it is known where they are. */
export const tellExposures = Effect.fnUntraced(function* (
  config: Config,
  reached?: ReadonlyArray<Reached | undefined>
) {
  const log = yield* EventLog
  const secret = yield* BasicSecret
  const isSet = yield* secret.isSet
  const found = reached === undefined ? exposures(config, isSet) : passedExposures(config, isSet, reached)
  for (const { path, text } of found) {
    const message = `${formatPath(path)}: ${text}`
    yield* Effect.logWarning(message)
    yield* log.record(message, { level: "warning" })
  }
})
