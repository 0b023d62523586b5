/**
 * The edge every request passes: an id, who asks, the route, and one shape for every error; one log line at the end.
 *
 * Authentication comes before routing, as in the original: an unknown path tells a stranger 401 like a known one. What a
 * handler did not foresee is a bug: it is logged with its cause and answered 500 without it.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { BasicAuth, Outcome } from "../../services/auth/BasicAuth.ts"
import type { ProcessLog } from "../../services/log/ProcessLog.ts"
import { escapeControls } from "../../services/events/render.ts"
import type { App } from "../listener/Serving.ts"
import { Call } from "./Call.ts"
import { errorResponse, failure, HttpFailure } from "./HttpFailure.ts"
import { makeRequestIds } from "./requestId.ts"
import { makeRouter } from "./Router.ts"
import type { Route } from "./routes.ts"

export interface EdgeOptions {
  readonly clock: Clock.Clock
  readonly routes: ReadonlyArray<Route>
  readonly auth: BasicAuth["Service"]
  readonly log: ProcessLog["Service"]
  /** Called once for each answered request. */
  readonly observe: (route: string, status: number, durationMs: number) => void
}

/** The realm clients of the original know. */
export const challenge = { "www-authenticate": 'Basic realm="system-api"' }

/** Far longer than any path of ours: a request line may have a mebibyte, a line of the log should not. */
const loggedPathMax = 1024

/** What nginx logs for a client that left before its answer; never sent. */
const clientClosedRequest = 499

export const makeEdge = ({ auth, clock, log, observe, routes }: EdgeOptions): App => {
  const find = makeRouter(routes)
  const requestId = makeRequestIds()

  const dispatch = (
    call: Call,
    outcome: Outcome
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, HttpFailure> => {
    switch (outcome._tag) {
      case "unauthorized":
        return Effect.fail(failure(401, "Unauthorized", challenge))
      case "limited":
        return Effect.fail(
          failure(429, "Too many wrong credentials", { "retry-after": String(outcome.retryAfterSeconds) })
        )
      case "admin":
        call.who = "admin"
    }
    call.secretVersion = outcome.secretVersion
    const { method, url } = call.request
    const match = find(method, url)
    switch (match._tag) {
      case "route":
        if (call.header("sec-fetch-site") === "cross-site" && (match.route.sideEffects || method === "POST")) {
          return Effect.fail(failure(403, "Requests that change something are not taken from other web sites"))
        }
        call.params = match.params
        call.route = match.route.path
        return interruptible(match.route.handler(call))
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

  const answerTo = (call: Call): Effect.Effect<HttpServerResponse.HttpServerResponse, HttpFailure> => {
    try {
      const outcome = auth.authenticate({ authorization: call.header("authorization"), address: call.address })
      return Effect.flatMapEager(outcome, (admitted) => dispatch(call, admitted))
    } catch (defect) {
      // A handler that throws before it returns its effect.
      return Effect.die(defect)
    }
  }

  return (request) => {
    const started = clock.monotonicTimeNanosUnsafe()
    const call = new Call(request, requestId(request.headers["x-request-id"]))
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
    const finish = (response: HttpServerResponse.HttpServerResponse) => {
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

/** Requests are served uninterruptibly (Serving.ts); a handler ends with its client. */
const interruptible = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Exit.isExit(effect) ? effect : Effect.interruptible(effect)

const answerOf = (
  cause: Cause.Cause<HttpFailure>,
  call: Call
): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const squashed = Cause.squash(cause)
  if (squashed instanceof HttpFailure) return Effect.succeed(errorResponse(squashed))
  return Effect.as(
    Effect.annotateLogs(Effect.logError("a request failed unexpectedly", cause), {
      request_id: call.id,
      method: call.request.method,
      path: call.path
    }),
    errorResponse(failure(500, "Internal server error"))
  )
}
