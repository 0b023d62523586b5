/**
 * The edge every request passes: an id, who asks, the route, whether they may, and one shape for every error; one log
 * line at the end.
 *
 * Authentication comes before routing is told of, as in the original: an unknown path tells a stranger 401 like a known
 * one. Only what is open to everybody looks at no credentials. Whether somebody may is decided before a body is read or
 * a name looked up. What a handler did not foresee is a bug: it is logged with its cause and answered 500 without it.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Authenticator, Outcome, Refusal, Surface } from "../../services/auth/Authenticator.ts"
import type { ProcessLog } from "../../services/log/ProcessLog.ts"
import { escapeControls } from "../../services/events/render.ts"
import type { App } from "../listener/Serving.ts"
import { isAllowed, permissionNeeded } from "./Access.ts"
import { Call } from "./Call.ts"
import { challengeOf } from "./challenge.ts"
import { errorResponse, failure, HttpFailure } from "./HttpFailure.ts"
import { makeRequestIds } from "./requestId.ts"
import { makeRouter, type Match } from "./Router.ts"
import type { GuardedRoute, Handler, Route } from "./routes.ts"

type Response = HttpServerResponse.HttpServerResponse

export interface EdgeOptions {
  readonly clock: Clock.Clock
  readonly routes: ReadonlyArray<Route>
  readonly surface: Surface
  readonly authenticator: Authenticator["Service"]
  readonly log: ProcessLog["Service"]
  /** Called once for each answered request. */
  readonly observe: (route: string, status: number, durationMs: number) => void
  /** Stand between a caller who may and the handler, in this order. */
  readonly guards?: ReadonlyArray<Guard>
}

/**
 * What else a call must satisfy. Made for each route; undefined where it has nothing to say about that route. Its
 * effect succeeds with an answer in place of the handler's, or with undefined to go on.
 */
export type Guard = (route: Route) => ((call: Call) => Effect.Effect<Response | undefined, HttpFailure>) | undefined

/** Far longer than any path of ours: a request line may have a mebibyte, a line of the log should not. */
const loggedPathMax = 1024

/** What nginx logs for a client that left before its answer; never sent. */
const clientClosedRequest = 499

export const makeEdge = ({ authenticator, clock, guards = [], log, observe, routes, surface }: EdgeOptions): App => {
  const find = makeRouter(routes.map(guarded(guards)))
  const requestId = makeRequestIds()

  const serve = (call: Call, match: Match): Effect.Effect<Response, HttpFailure> => {
    const { method } = call.request
    switch (match._tag) {
      case "route": {
        const { params, route } = match
        call.params = params
        call.route = route.path
        return interruptible(route.handler(call))
      }
      case "allowed": {
        const allow = { allow: match.methods.join(", ") }
        return method === "OPTIONS"
          ? Effect.succeed(HttpServerResponse.empty({ status: 204, headers: allow }))
          : Effect.fail(failure(405, `Method ${escapeControls(method)} is not allowed here`, allow))
      }
      case "none":
        return Effect.fail(failure(404, "Not found"))
    }
  }

  const admit = (call: Call, match: Match, outcome: Outcome): Effect.Effect<Response, HttpFailure> => {
    switch (outcome._tag) {
      case "refused":
        return Effect.fail(unauthorized(call, outcome.refusal))
      case "limited":
        return Effect.fail(
          failure(429, "Too many wrong credentials", { "retry-after": String(outcome.retryAfterSeconds) })
        )
      case "unavailable":
        return Effect.fail(failure(503, outcome.reason, { "retry-after": "1" }))
    }
    const { principal } = outcome
    call.principal = principal
    call.secretVersion = outcome.secretVersion
    if (match._tag === "route") {
      const { route } = match
      const needed = route.needs(match.params)
      call.permission = needed
      if (call.header("sec-fetch-site") === "cross-site" && changesSomething(route)) {
        return Effect.fail(failure(403, "Requests that change something are not taken from other web sites"))
      }
      if (!isAllowed(principal, route.access, needed)) {
        return Effect.fail(
          principal.kind === "anonymous" && !surface.providers.includes("none")
            ? unauthorized(call, outcome.refusal ?? notSaid)
            : failure(403, `${principal.id} may not do this${needed === undefined ? "" : `: it needs ${needed}`}`)
        )
      }
    }
    return serve(call, match)
  }

  const answerTo = (call: Call): Effect.Effect<Response, HttpFailure> => {
    try {
      const { request } = call
      const match = find(request.method, request.url)
      if (match._tag === "route" && match.route.access === "public") return serve(call, match)
      const { address, peer } = request
      const outcome = authenticator.authenticate({
        authorization: call.header("authorization"),
        address,
        peer,
        surface
      })
      return Effect.flatMapEager(outcome, (admitted) => admit(call, match, admitted))
    } catch (defect) {
      // A handler that throws before it returns its effect.
      return Effect.die(defect)
    }
  }

  return (request) => {
    const started = clock.monotonicTimeNanosUnsafe()
    const call = new Call(request, requestId(request.headers["x-request-id"]), surface)
    const account = (status: number) => {
      const durationMs = Number(clock.monotonicTimeNanosUnsafe() - started) / 1e6
      observe(call.route, status, durationMs)
      const { address, id, path, who } = call
      log.request(clock.currentTimeMillisUnsafe(), {
        method: request.method,
        path: path.length > loggedPathMax ? `${path.slice(0, loggedPathMax)}… (${path.length} characters)` : path,
        status,
        durationMs,
        address,
        who,
        id
      })
    }
    const finish = (response: Response) => {
      account(response.status)
      return HttpServerResponse.setHeader(response, "x-request-id", call.id)
    }
    // Eager: whatever needs no waiting (what health checks ask, what is refused) is answered without a further step.
    return Effect.matchCauseEffectEager(answerTo(call), {
      onSuccess: (response) => Effect.succeed(finish(response)),
      onFailure: (cause) => {
        if (!Cause.hasInterruptsOnly(cause)) return Effect.mapEager(answerOf(cause, call), finish)
        account(clientClosedRequest)
        return Effect.interrupt
      }
    })
  }
}

const changesSomething = ({ method, sideEffects }: Route): boolean =>
  sideEffects || (method !== "GET" && method !== "OPTIONS")

const notSaid: Refusal = { scheme: "none", error: undefined, reason: "no credentials", claimed: undefined }

const unauthorized = (call: Call, refusal: Refusal): HttpFailure =>
  failure(401, "Unauthorized", challengeOf(call.path, refusal))

/** What stands between a route and its callers, put before its handler once and not looked for at each request. */
const guarded =
  (guards: ReadonlyArray<Guard>) =>
  (route: Route): GuardedRoute => {
    const needs = permissionNeeded(route.access)
    const own = guards.flatMap((guard) => guard(route) ?? [])
    const handler = own.reduceRight<Handler>(
      (next, guard) => (call) =>
        Effect.flatMapEager(guard(call), (answer) => (answer === undefined ? next(call) : Effect.succeed(answer))),
      route.handler
    )
    return { ...route, handler, needs }
  }

/** Requests are served uninterruptibly (Serving.ts); a handler ends with its client. */
const interruptible = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Exit.isExit(effect) ? effect : Effect.interruptible(effect)

const answerOf = (cause: Cause.Cause<HttpFailure>, call: Call): Effect.Effect<Response> => {
  const squashed = Cause.squash(cause)
  if (squashed instanceof HttpFailure) return Effect.succeed(errorResponse(squashed, call.path))
  return Effect.as(
    Effect.annotateLogs(Effect.logError("a request failed unexpectedly", cause), {
      request_id: call.id,
      method: call.request.method,
      path: call.path
    }),
    errorResponse(failure(500, "Internal server error"), call.path)
  )
}
