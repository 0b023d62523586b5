/** The unit that a path names, if it is one of those that are shown. */
import * as Effect from "effect/Effect"
import type { UnitConfig } from "../../services/config/Config.ts"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"

/** In the original's words; what was asked for is not said again. */
const notAllowed = failure(404, "service not allowed")

export const configuredUnit = (
  config: Pick<CurrentConfig["Service"], "get">,
  { params }: Pick<Call, "params">
): Effect.Effect<UnitConfig, HttpFailure> =>
  Effect.suspend(() => {
    const unit = config.get().units.get(params["service"] ?? "")
    return unit === undefined ? Effect.fail(notAllowed) : Effect.succeed(unit)
  })
