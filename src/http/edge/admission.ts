/**
 * Whether a call comes in: who asks (Authenticator), and whether they may do what the endpoint does. Decided by the route
 * that matched and its decoded parameters, before a body is read or a name looked up, and told in the words of the
 * scheme that was tried.
 */
import * as Effect from "effect/Effect"
import { type Admitted, nothingShown, type Outcome, type Rejected } from "../../services/auth/Attempt.ts"
import type { Authenticator, Surface } from "../../services/auth/Authenticator.ts"
import { escapeControls } from "../../services/events/render.ts"
import type { Principal } from "../../services/identity/Principal.ts"
import { isAllowed } from "./Access.ts"
import type { Call } from "./Call.ts"
import { challengeOf, insufficientScope } from "./challenge.ts"
import { isVersioned } from "./errorBody.ts"
import { failure, type HttpFailure } from "./HttpFailure.ts"
import type { StillMay } from "./liveAnswers.ts"
import type { Route } from "./routes.ts"

export interface Admission {
  /** The call then knows its principal. */
  readonly admit: (call: Call) => Effect.Effect<void, HttpFailure>
  /** Whether it would be let in again, with what it has shown. */
  readonly stillMay: (call: Call) => StillMay
}

export const makeAdmission = (authenticator: Authenticator["Service"], surface: Surface): Admission => {
  const takesCredentials = surface.providers.includes("basic") || surface.providers.includes("bearer")

  const ask = (call: Call): Effect.Effect<Outcome> => {
    const { address, peer } = call.request
    return authenticator.authenticate({ authorization: call.header("authorization"), address, peer, surface })
  }

  const rejected = (call: Call, rejection: Rejected): HttpFailure => {
    switch (rejection._tag) {
      case "refused": {
        const { refusal } = rejection
        const { claimed, reason } = refusal
        call.refused = claimed === undefined ? reason : `${escapeControls(claimed.slice(0, claimedMax))}: ${reason}`
        return failure(401, "Unauthorized", challengeOf(call.path, refusal, surface.providers))
      }
      case "limited":
        call.refused = "too many wrong credentials"
        return failure(429, "Too many wrong credentials", { "retry-after": String(rejection.retryAfterSeconds) })
      case "unavailable":
        call.refused = rejection.reason
        return failure(503, "Who asks cannot be found out at the moment", { "retry-after": "1" })
    }
  }

  const forbidden = (call: Call, { otherwise, principal }: Admitted): HttpFailure => {
    // Nobody may become somebody.
    if (principal.kind === "anonymous" && takesCredentials) return rejected(call, otherwise ?? nothingShown)
    const needed = call.permission
    call.refused = needed === undefined ? "it is nobody" : "it has not the permission"
    return failure(
      403,
      `${principal.id} may not do this${needed === undefined ? "" : `: it needs ${needed}`}`,
      principal.provider === "bearer" ? insufficientScope(needed) : undefined
    )
  }

  return {
    admit: (call) =>
      Effect.flatMapEager(ask(call), (outcome): Effect.Effect<void, HttpFailure> => {
        if (outcome._tag !== "admitted") return Effect.fail(rejected(call, outcome))
        const { principal } = outcome
        call.principal = principal
        call.secretVersion = outcome.secretVersion
        const { endpoint } = call
        if (endpoint === undefined) return Effect.void
        call.permission = endpoint.needs(call.params)
        // Whoever comes as nobody because the System API has no password has that API and no other.
        if (outcome.otherwise !== undefined && isVersioned(endpoint.path)) return Effect.fail(forbidden(call, outcome))
        if (isForeign(call) && changesSomething(endpoint)) {
          call.refused = "it comes from another web site"
          return Effect.fail(failure(403, "Requests that change something are not taken from other web sites"))
        }
        return isAllowed(principal, endpoint.access, call.permission)
          ? Effect.void
          : Effect.fail(forbidden(call, outcome))
      }),
    stillMay: (call) =>
      Effect.map(
        Effect.suspend(() => ask(call)),
        (outcome) => {
          // What cannot be looked up now is looked up the next time.
          if (outcome._tag !== "admitted") return outcome._tag === "unavailable"
          return call.endpoint === undefined || mayHave(outcome.principal, call, call.endpoint)
        }
      )
  }
}

/** Whoever is not known may have written anything; longer than names and subjects are. */
const claimedMax = 200

/** As the same one: a token that is let in as nobody by now is not what was let in. */
const mayHave = (principal: Principal, call: Call, endpoint: Route): boolean =>
  principal.id === call.principal?.id && isAllowed(principal, endpoint.access, call.permission)

const changesSomething = ({ method, sideEffects }: Route): boolean =>
  sideEffects || (method !== "GET" && method !== "OPTIONS")

/** A browser says so, and pages of the origins that may ask are none of these. */
const isForeign = (call: Call): boolean => call.origin === undefined && call.header("sec-fetch-site") === "cross-site"
