/** What the daemon says of itself, and its one password, over HTTP. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Supervisor } from "../../actors/kernel/Supervisor.ts"
import type { Audit } from "../../services/audit/Audit.ts"
import type { BasicSecret } from "../../services/auth/BasicSecret.ts"
import type { FailureThrottle } from "../../services/auth/FailureThrottle.ts"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import type { EventLog } from "../../services/events/EventLog.ts"
import type { Pipes } from "../../services/fifo/Pipes.ts"
import type { IdentityStore } from "../../services/identity/IdentityStore.ts"
import type { ApiName, Provider } from "../../services/identity/Principal.ts"
import type { Instance } from "../../services/Instance.ts"
import type { Metrics } from "../../services/metrics/Metrics.ts"
import type { ActorEntry, Info, Readiness } from "../api/Daemon.ts"
import { basicChallenge } from "../edge/challenge.ts"
import { failure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { readBody } from "../edge/readBody.ts"
import type { Handler } from "../edge/routes.ts"
import { isNoRoom } from "./failures.ts"
import type { JournalFeeds } from "../../services/journal/JournalFeeds.ts"
import { readiness } from "./readiness.ts"

export interface DaemonServices {
  readonly audit: Audit["Service"]
  readonly config: CurrentConfig["Service"]
  readonly identities: Pick<IdentityStore["Service"], "current" | "fresh">
  readonly instance: Instance["Service"]
  readonly log: EventLog["Service"]
  readonly metrics: Metrics["Service"]
  readonly journals: JournalFeeds["Service"]
  readonly pipes: Pipes["Service"]
  readonly secret: BasicSecret["Service"]
  readonly supervisor: Supervisor["Service"]
  readonly throttle: FailureThrottle["Service"]
  /** The listeners that serve this; empty until they are bound. */
  readonly listeners: () => ReadonlyArray<{
    readonly address: string
    readonly tls: boolean
    readonly apis: ReadonlyArray<ApiName>
    /** The ways in it offers. */
    readonly auth: ReadonlyArray<Provider>
    readonly clientCertificates: "none" | "optional" | "required"
    readonly connections: number
    /** What is wrong with its certificates' files, while what they held before is in force. */
    readonly problems?: ReadonlyArray<string>
  }>
}

/** Longer secrets are refused anyway (BasicSecret), but by name. */
const secretBodyMax = 64 * 1024

/** The contract is loaded by the first who asks for it, and its documents are made once. */
const once = (make: () => Promise<string>): Effect.Effect<string> => {
  let made: Promise<string> | undefined
  return Effect.promise(() => (made ??= make()))
}

const openApiText = once(async () => {
  const { openApi } = await import("../api/openapi.ts")
  return `${JSON.stringify(openApi(), null, 2)}\n`
})

const docsText = once(async () => {
  const { docsPage } = await import("../api/docsPage.ts")
  return docsPage()
})

const alive = HttpServerResponse.text('{"status":"ok"}\n', { contentType: "application/json" })

export const makeDaemonHandlers = (services: DaemonServices) => {
  const { config, instance, log, metrics, secret, supervisor, throttle } = services
  const problems = readiness(services)
  const answerAlive: Handler = () => Effect.succeed(alive)

  const readyz: Handler = () =>
    Effect.map(problems, (found) => {
      const body: typeof Readiness.Type = { status: found.length === 0 ? "ok" : "degraded", problems: found }
      return jsonResponse(body, found.length === 0 ? 200 : 503)
    })

  const actors: Handler = () =>
    Effect.map(supervisor.report, (all) =>
      jsonResponse({
        actors: all.map(({ lastFailure, mailbox, name, restarts, since, state }): typeof ActorEntry.Type => ({
          name,
          state,
          since: new Date(since).toISOString(),
          restarts,
          last_failure: lastFailure ?? null,
          mailbox: mailbox ?? null
        }))
      })
    )

  const info: Handler = () =>
    Effect.map(instance.uptimeSeconds, (uptime) => {
      const bounds = log.bounds()
      const { events, limits } = config.get()
      const body: typeof Info.Type = {
        name: "systemapi",
        version: instance.version,
        boot_id: instance.bootId,
        started_at: new Date(instance.startedAt).toISOString(),
        uptime_seconds: uptime,
        events: {
          first_seq: bounds.first,
          last_seq: bounds.last,
          removed_through: bounds.removedThrough,
          store_bytes: bounds.bytes
        },
        pipes: services.pipes
          .stats()
          .map(({ cutLines, lines, path, source }) => ({ source, path, lines, cut_lines: cutLines })),
        listeners: services.listeners().map(({ address, apis, auth, clientCertificates, connections, tls }) => ({
          address,
          tls,
          apis,
          auth,
          client_certificates: clientCertificates,
          connections
        })),
        limits: {
          ...limits,
          events_max_count: events.max_count,
          events_max_age_s: events.max_age_s,
          events_max_bytes: events.max_bytes,
          message_max_bytes: events.message_max_bytes,
          log_max_entries: config.get().general.log_max_entries
        }
      }
      return jsonResponse(body)
    })

  const setBasicAuth: Handler = Effect.fnUntraced(function* (call) {
    if (config.get().general.basic_auth_secret_path === undefined) {
      return yield* failure(501, "Basic auth is not configured: general.basic_auth_secret_path is empty")
    }
    const token = call.header("x-bootstrap-token")
    if (call.who === undefined && !secret.checkBootstrap(token === undefined ? undefined : Buffer.from(token))) {
      // None given is a question, not a guess.
      const charge = token === undefined ? undefined : yield* throttle.failed(call.address)
      return yield* charge?.limited === true
        ? failure(429, "Too many wrong bootstrap tokens", { "retry-after": String(charge.retryAfterSeconds) })
        : failure(401, "The first secret needs the bootstrap token, in the X-Bootstrap-Token header", basicChallenge)
    }
    const given = yield* readBody(call, secretBodyMax)
    // A secret that is set is told, whoever leaves.
    const setAndTold = Effect.uninterruptible(
      Effect.andThen(secret.set(given, call.secretVersion), log.record("basic auth secret updated.", { who: call.who }))
    )
    yield* Effect.catchTags(setAndTold, {
      SecretRefused: (error) => Effect.fail(failure(400, error.message)),
      SecretChanged: (error) => Effect.fail(failure(409, error.message)),
      SecretNotConfigured: (error) => Effect.fail(failure(501, error.message)),
      SecretWriteFailed: (error) => Effect.fail(failure(isNoRoom(error.code) ? 507 : 500, error.message)),
      TooManyVerifications: (error) => Effect.fail(failure(429, error.message, { "retry-after": "3" }))
    })
    return jsonResponse({ message: "Basic auth secret updated" })
  })

  const renderMetrics: Handler = () =>
    Effect.map(metrics.render, (text) =>
      HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
    )

  const openapi: Handler = () =>
    Effect.map(openApiText, (text) => HttpServerResponse.text(text, { contentType: "application/json" }))

  const docs: Handler = () =>
    Effect.map(docsText, (text) =>
      HttpServerResponse.text(text, {
        contentType: "text/html; charset=utf-8",
        headers: { "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'" }
      })
    )

  return {
    health: { root: answerAlive, livez: answerAlive, readyz },
    daemon: { actors, info, setBasicAuth, metrics: renderMetrics, openapi, docs }
  }
}
