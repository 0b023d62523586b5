/** An edge over a few routes, an authenticator that decides as told, and requests as a parser would hand them on. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import type { IncomingHttpHeaders } from "node:http"
import type { Endpoint } from "../../../src/http/api/endpoints.ts"
import type { Call } from "../../../src/http/edge/Call.ts"
import { type EdgeOptions, makeEdge } from "../../../src/http/edge/Edge.ts"
import { bodyOf } from "../../../src/http/edge/readBody.ts"
import type { Handler, Route } from "../../../src/http/edge/routes.ts"
import type { BodyBroken, Incoming } from "../../../src/http/listener/Incoming.ts"
import { Audit, type AuditEntry } from "../../../src/services/audit/Audit.ts"
import type { Admitted, Rejected } from "../../../src/services/auth/Attempt.ts"
import { type Attempt, nobody, type Outcome, type Surface } from "../../../src/services/auth/Authenticator.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import type { Config } from "../../../src/services/config/Config.ts"
import { PermissionSet } from "../../../src/services/identity/Permission.ts"
import type { Principal } from "../../../src/services/identity/Principal.ts"
import type { RequestEntry } from "../../../src/services/log/format.ts"
import { mockAudit, noLiveAnswers } from "../../harness/mocks.ts"

/** A stored user who came with a token and may do what is listed. */
export const user = (id: string, ...grants: ReadonlyArray<string>): Principal => ({
  ...nobody(new PermissionSet(grants), ["some"]),
  id,
  owner: id,
  kind: "user",
  provider: "bearer",
  credential: "jti-1"
})

export const admitted = (principal: Principal): Admitted => ({ _tag: "admitted", principal, secretVersion: 1 })

export const stranger: Rejected = {
  _tag: "refused",
  refusal: { scheme: "none", error: undefined, reason: "no credentials", claimed: undefined }
}

export const ok: Handler = () => Effect.succeed(HttpServerResponse.text("ok"))

export const route = (
  method: Route["method"],
  path: Route["path"],
  access: Endpoint["access"],
  handler: Handler = ok,
  rest: Partial<Omit<Endpoint, "method">> = {}
): Route => ({
  method,
  path,
  access,
  sideEffects: false,
  rate: method === "GET" ? "read" : "write",
  audited: method !== "GET",
  ...rest,
  handler
})

export interface Sent {
  readonly method?: string
  readonly headers?: IncomingHttpHeaders
  /** Fields that came more than once. */
  readonly repeated?: ReadonlyArray<string>
  readonly peer?: Incoming["peer"]
  readonly body?: Stream.Stream<Uint8Array, BodyBroken>
}

export const request = (url: string, { body, headers = {}, method = "GET", peer, repeated = [] }: Sent): Incoming => ({
  method,
  url,
  headers,
  address: "192.0.2.1",
  peer,
  isRepeated: (name) => repeated.includes(name),
  body: body ?? Stream.empty
})

export interface Options {
  readonly routes: ReadonlyArray<Route>
  readonly outcome?: Outcome | ((attempt: Attempt) => Effect.Effect<Outcome>)
  readonly surface?: Partial<Surface>
  readonly config?: Partial<Pick<Config, "audit" | "cors">>
  readonly rest?: Partial<Pick<EdgeOptions, "audit" | "guards" | "live">>
}

export const makeTestEdge = Effect.fnUntraced(function* (options: Options) {
  const { config } = yield* load(undefined, {})
  const calls: Array<Call> = []
  const attempts: Array<Attempt> = []
  const logged: Array<RequestEntry> = []
  const entries: Array<AuditEntry> = []
  const { outcome = admitted(user("alice", "*")) } = options
  const noting =
    (handler: Handler): Handler =>
    (call) => {
      calls.push(call)
      return handler(call)
    }
  const app = makeEdge({
    routes: options.routes.map((one) => ({ ...one, handler: noting(one.handler) })),
    clock: yield* Clock.Clock,
    surface: { address: "127.0.0.1:3535", providers: ["basic", "bearer"], roles: [], ...options.surface },
    audit: yield* Effect.provide(Audit, mockAudit(entries)),
    authenticator: {
      authenticate: (attempt) => {
        attempts.push(attempt)
        return typeof outcome === "function" ? outcome(attempt) : Effect.succeed(outcome)
      }
    },
    config: () => ({ ...config, ...options.config }),
    live: noLiveAnswers,
    log: { request: (_atMs, entry) => void logged.push(entry), configure: () => Effect.void, dropped: () => 0 },
    observe: () => {},
    ...options.rest
  })
  const ask = (url: string, sent: Sent = {}) =>
    Effect.map(
      Effect.suspend(() => app(request(url, sent))),
      (response) => ({
        status: response.status,
        headers: response.headers,
        text: response.body._tag === "Uint8Array" ? Buffer.from(response.body.body).toString() : "",
        response
      })
    )
  return { app, ask, calls, attempts, logged, entries }
})

/** A body that tells whether anybody has read of it. */
export const watchedBody = () => {
  let reads = 0
  const body = Stream.fromEffect(
    Effect.sync(() => {
      reads += 1
      return Buffer.from("body")
    })
  )
  return { body, reads: () => reads }
}

export const readsBody: Handler = (call) =>
  Effect.map(Stream.runCount(bodyOf(call)), (count) => HttpServerResponse.text(String(count)))
