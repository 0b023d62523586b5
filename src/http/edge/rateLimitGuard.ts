/**
 * Answers 429 to more requests than a class of endpoints allows one client, and tells on every answer of a limited class
 * how many are left (draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy`, `RateLimit`).
 */
import * as Effect from "effect/Effect"
import type { RateLimits } from "../../services/limits/RateLimits.ts"
import type { Guard } from "./Edge.ts"
import { failure } from "./HttpFailure.ts"

export const rateLimitGuard =
  (limits: RateLimits["Service"]): Guard =>
  ({ rate }) =>
  (call) => {
    const taken = limits.take(rate, call.principal, call.address)
    if (taken === undefined) return Effect.undefined
    const { quota, remaining, resetSeconds, retryAfterSeconds, windowSeconds } = taken
    call.answerHeaders = {
      ...call.answerHeaders,
      "ratelimit-policy": `"${rate}";q=${quota};w=${windowSeconds}`,
      ratelimit: `"${rate}";r=${remaining};t=${resetSeconds}`
    }
    if (retryAfterSeconds === undefined) return Effect.undefined
    call.refused = "more requests than are allowed"
    return Effect.fail(
      failure(429, `Too many requests: ${quota} of this kind are allowed in ${windowSeconds} seconds`, {
        "retry-after": String(retryAfterSeconds)
      })
    )
  }
