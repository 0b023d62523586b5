/**
 * The edge every request passes: an id, who asks, the route, whether they may, and one shape for every error; what is
 * told of it at the end.
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
import type { Audit } from "../../services/audit/Audit.ts"
import type { Authenticator, Surface } from "../../services/auth/Authenticator.ts"
import type { Config } from "../../services/config/Config.ts"
import type { ProcessLog } from "../../services/log/ProcessLog.ts"
import { escapeControls } from "../../services/events/render.ts"
import type { App } from "../listener/Serving.ts"
import { makeAdmission } from "./admission.ts"
import { makeAuditing } from "./auditing.ts"
import { Call } from "./Call.ts"
import { allowedOrigin, corsHeaders, isPreflight, preflightAnswer } from "./cors.ts"
import { permissionNeeded } from "./Access.ts"
import { errorResponse, failure, HttpFailure } from "./HttpFailure.ts"
import { decidedAnew, type LiveAnswers } from "./liveAnswers.ts"
import { objectionTo } from "./objections.ts"
import { redactedPath } from "./redacted.ts"
import { makeRequestIds } from "./requestId.ts"
import { makeRouter, type Match } from "./Router.ts"
import type { GuardedRoute, Handler, Route } from "./routes.ts"

type Response = HttpServerResponse.HttpServerResponse

export interface EdgeOptions {
  readonly clock: Clock.Clock
  readonly routes: ReadonlyArray<Route>
  readonly surface: Surface
  readonly audit: Audit["Service"]
  readonly authenticator: Authenticator["Service"]
  /** The configuration in force. */
  readonly config: () => Pick<Config, "audit" | "cors">
  readonly live: LiveAnswers
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

/** What nginx logs for a client that left before its answer; never sent. */
const clientClosedRequest = 499

export const makeEdge = (options: EdgeOptions): App => {
  const { authenticator, clock, config, guards = [], live, log, observe, routes, surface } = options
  const auditing = makeAuditing(options.audit, () => config().audit)
  const { admit, stillMay } = makeAdmission(authenticator, surface)
  const requestId = makeRequestIds()

  /** What stands between a route and its callers, put before its handler once and not looked for at each request. */
  const guarded = (route: Route): GuardedRoute => {
    const enter: Handler = (call) => {
      const told = auditing.before(call, route)
      call.entered = true
      return told === undefined ? route.handler(call) : Effect.flatMap(told, () => route.handler(call))
    }
    const handler = guards
      .flatMap((guard) => guard(route) ?? [])
      .reduceRight<Handler>(
        (next, guard) => (call) =>
          Effect.flatMapEager(guard(call), (answer) => (answer === undefined ? next(call) : Effect.succeed(answer))),
        enter
      )
    return { ...route, handler, needs: permissionNeeded(route.access) }
  }

  const find = makeRouter(routes.map(guarded))

  const handle = (call: Call, route: GuardedRoute): Effect.Effect<Response, HttpFailure> => {
    call.route = route.path
    const answer = route.handler(call)
    if (Exit.isExit(answer)) return answer
    // Requests are served uninterruptibly (Serving.ts); a handler ends with its client.
    const handled = Effect.interruptible(answer)
    if (route.rate !== "read" || call.principal === undefined) return handled
    return decidedAnew(handled, clock, stillMay(call), () => failure(401, "Unauthorized"))
  }

  const serve = (call: Call, match: Match): Effect.Effect<Response, HttpFailure> => {
    switch (match._tag) {
      case "route":
        return handle(call, match.route)
      case "allowed": {
        const { method } = call.request
        const allow = { allow: match.methods.join(", ") }
        return method === "OPTIONS"
          ? Effect.succeed(HttpServerResponse.empty({ status: 204, headers: allow }))
          : Effect.fail(notAllowed(method, allow))
      }
      case "none":
        return Effect.fail(notFound)
    }
  }

  /** What a page of another origin asks ahead; undefined where this is no such question, or not for that page. */
  const preflight = (call: Call): Response | undefined => {
    if (call.origin === undefined || !isPreflight(call.request)) return undefined
    // A method that no route has: what is there is told instead.
    const there = find("", call.request.url)
    return there._tag === "allowed" ? preflightAnswer(there.methods, config().cors) : undefined
  }

  const answerTo = (call: Call): Effect.Effect<Response, HttpFailure> => {
    try {
      const { request } = call
      const objection = objectionTo(request)
      if (objection !== undefined) return Effect.fail(objection)
      call.origin = allowedOrigin(request, config().cors)
      const answer = preflight(call)
      if (answer !== undefined) return Effect.succeed(answer)
      const match = find(request.method, request.url)
      if (match._tag === "route") {
        call.endpoint = match.route
        call.params = match.params
        // Where a certificate does not stand, nothing is open to it.
        if (match.route.access === "public" && request.peer?._tag !== "refused") return serve(call, match)
      }
      return Effect.flatMapEager(admit(call), () => serve(call, match))
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
      const { address, id, who } = call
      const { method } = request
      const path = redactedPath(call.path)
      log.request(clock.currentTimeMillisUnsafe(), { method, path, status, durationMs, address, who, id })
      auditing.after(call, status, durationMs)
    }
    const finish = (response: Response) => {
      account(response.status)
      let answer = HttpServerResponse.setHeader(response, "x-request-id", call.id)
      if (answer.body._tag === "Stream" && call.principal !== undefined) answer = live.watched(answer, stillMay(call))
      if (call.answerHeaders !== undefined) answer = HttpServerResponse.setHeaders(answer, call.answerHeaders)
      if (config().cors.origins.length === 0) return answer
      return HttpServerResponse.setHeaders(answer, corsHeaders(call.origin, answer.headers["vary"]))
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

/** Beside it, what the System Status Service says. */
const notFound = new HttpFailure({ status: 404, message: "Not found", detail: "Not Found" })

const notAllowed = (method: string, headers: { readonly allow: string }): HttpFailure =>
  new HttpFailure({
    status: 405,
    message: `Method ${escapeControls(method)} is not allowed here`,
    headers,
    detail: "Method Not Allowed"
  })

const answerOf = (cause: Cause.Cause<HttpFailure>, call: Call): Effect.Effect<Response> => {
  const squashed = Cause.squash(cause)
  if (squashed instanceof HttpFailure) return Effect.succeed(errorResponse(squashed, call.path, call.surface.apis))
  return Effect.as(
    Effect.annotateLogs(Effect.logError("a request failed unexpectedly", cause), {
      request_id: call.id,
      method: call.request.method,
      path: redactedPath(call.path)
    }),
    errorResponse(failure(500, "Internal server error"), call.path, call.surface.apis)
  )
}
