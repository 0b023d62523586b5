/** Profiles of the daemon, where `general.pprof` allows them. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Semaphore from "effect/Semaphore"
import type { Call } from "../edge/Call.ts"
import { failure } from "../edge/HttpFailure.ts"
import type { Handler } from "../edge/routes.ts"

const secondsDefault = 5
const secondsMax = 60

export const makeDebugHandlers = (): { readonly profile: Handler } => {
  const turn = Semaphore.makeUnsafe(1)
  return { profile: (call) => profile(call, turn) }
}

const profile = (call: Call, turn: Semaphore.Semaphore): ReturnType<Handler> => {
  const given = call.query.get("seconds")
  const seconds = given === null ? secondsDefault : /^\d{1,2}$/u.test(given) ? Number(given) : 0
  if (seconds < 1 || seconds > secondsMax) {
    return Effect.fail(
      failure(
        400,
        `seconds: found ${JSON.stringify(given?.slice(0, 100))}, allowed: an integer from 1 to ${secondsMax}`
      )
    )
  }
  // The inspector is loaded by the first who asks.
  return Effect.promise(() => import("../../services/profiling/profile.ts")).pipe(
    Effect.flatMap(({ cpuProfile }) => cpuProfile(seconds, turn)),
    Effect.mapBoth({
      onFailure: (error) => failure(503, error.message, { "retry-after": String(secondsDefault) }),
      onSuccess: (text) => HttpServerResponse.text(text, { contentType: "application/json" })
    })
  )
}
