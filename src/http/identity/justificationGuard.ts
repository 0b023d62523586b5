/**
 * Some permissions may be used by whoever says why, in `X-Justification`. Which ones is configured; what is said is
 * recorded with the request, also where nobody asked for it.
 */
import * as Effect from "effect/Effect"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import type { Guard } from "../edge/Edge.ts"
import { failure } from "../edge/HttpFailure.ts"
import { justificationMax, justificationOf } from "../edge/justification.ts"
import { grantsOf } from "./grantsOf.ts"

const goOn = Effect.undefined

export const justificationGuard = (config: CurrentConfig["Service"]): Guard => {
  const required = grantsOf(() => config.get().auth.justification_required)
  return ({ access }) => {
    if (access === "public") return undefined
    return (call) => {
      const { permission } = call
      const isRequired = permission !== undefined && required().has(permission)
      const given = justificationOf(call)
      const wrong =
        "wrong" in given ? given.wrong : isRequired && given.said === undefined ? "there is none" : undefined
      if (wrong === undefined) return goOn
      call.refused = `X-Justification: ${wrong}`
      const need = isRequired ? `${permission} needs a reason, in X-Justification` : "X-Justification"
      return Effect.fail(
        failure(
          400,
          `${need}: ${wrong}; allowed: 1 to ${justificationMax} characters of text`,
          undefined,
          isRequired ? "JUSTIFICATION_REQUIRED" : "VALIDATION_ERROR"
        )
      )
    }
  }
}
