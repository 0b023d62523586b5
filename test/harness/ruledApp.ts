/**
 * The edge with a few endpoints, the guards of the two-person rule and of justifications, the handlers of approvals over
 * the real identity store, and of audit entries. Who asks is who says so: `Authorization: Bearer NAME`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { identityEndpoints } from "../../src/http/api/endpoints.ts"
import { makeEdge } from "../../src/http/edge/Edge.ts"
import { readBody } from "../../src/http/edge/readBody.ts"
import { bind, type Handler, type Route } from "../../src/http/edge/routes.ts"
import { approvalGuard } from "../../src/http/identity/approvalGuard.ts"
import { makeApprovalHandlers } from "../../src/http/identity/approvalHandlers.ts"
import { justificationGuard } from "../../src/http/identity/justificationGuard.ts"
import { makeRecorder } from "../../src/http/identity/recording.ts"
import { Audit, type AuditEntry } from "../../src/services/audit/Audit.ts"
import { nobody } from "../../src/services/auth/Authenticator.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import type { AuthConfig } from "../../src/services/config/IdentityConfig.ts"
import { IdentityStore } from "../../src/services/identity/IdentityStore.ts"
import { PermissionSet } from "../../src/services/identity/Permission.ts"
import type { Principal } from "../../src/services/identity/Principal.ts"
import { identitiesInMemory } from "./identities.ts"
import { incoming } from "./incoming.ts"
import { mockAudit, noLiveAnswers } from "./mocks.ts"

const principal = (id: string, grants: ReadonlyArray<string>, owner = id): Principal => ({
  ...nobody(new PermissionSet(grants), []),
  id,
  owner,
  kind: id.startsWith("token:") ? "token" : id === "anonymous" ? "anonymous" : "user"
})

const people = new Map(
  [
    principal("alice", ["*"]),
    principal("bob", ["*"]),
    principal("carol", ["approvals:decide", "approvals:read"]),
    principal("dave", ["actions:*"]),
    principal("token:alice", ["*"], "alice"),
    principal("anonymous", ["*"])
  ].map((one) => [one.id, one])
)

export const makeRuledApp = Effect.fnUntraced(function* (auth: Partial<AuthConfig>) {
  const loaded = yield* load(undefined, {})
  let config = { ...loaded.config, auth: { ...loaded.config.auth, ...auth } }
  const current = { get: () => config, set: () => {} }
  const entries: Array<AuditEntry> = []
  const ran: Array<string> = []
  const context = yield* Layer.build(Layer.mergeAll(Layer.fresh(identitiesInMemory), mockAudit(entries)))
  const audit = Context.get(context, Audit)
  const store = Context.get(context, IdentityStore)
  const recorder = makeRecorder(audit)
  const run: Handler = (call) =>
    Effect.map(readBody(call, 4 * 1024 * 1024), (body) => {
      ran.push(`${call.request.method} ${call.request.url} ${body.toString().slice(0, 20)}`)
      return HttpServerResponse.text("done")
    })
  const route = (method: Route["method"], sideEffects: boolean): Route => ({
    method,
    path: "/api/v1/actions/:action",
    access: "actions:run:{action}",
    sideEffects,
    rate: "run",
    audited: true,
    handler: run
  })
  const edge = makeEdge({
    routes: [
      route("GET", true),
      route("POST", false),
      ...bind(identityEndpoints.approvals, makeApprovalHandlers({ recorder, store }))
    ],
    surface: { address: "127.0.0.1:3535", providers: ["bearer"], roles: [] },
    guards: [justificationGuard(current), approvalGuard({ audit, config: current, recorder, store })],
    audit,
    authenticator: {
      authenticate: ({ authorization }) => {
        const known = people.get(authorization?.slice("Bearer ".length) ?? "")
        if (known === undefined) throw new Error(`nobody is called ${authorization}`)
        return Effect.succeed({ _tag: "admitted", principal: known, secretVersion: 0 })
      }
    },
    clock: yield* Clock.Clock,
    config: current.get,
    live: noLiveAnswers,
    log: { request: () => {}, configure: () => Effect.void, dropped: () => 0 },
    observe: () => {}
  })

  /** As this person. */
  const ask = Effect.fnUntraced(function* (
    who: string,
    target: string,
    init: RequestInit & { readonly headers?: Record<string, string> } = {}
  ) {
    const headers = { authorization: `Bearer ${who}`, ...init.headers }
    const { body, headers: fields, status } = yield* edge(incoming(target, { ...init, headers }))
    const text = body._tag === "Stream" ? yield* Stream.mkString(Stream.decodeText(Stream.orDie(body.stream))) : ""
    const answer = body._tag === "Uint8Array" ? Buffer.from(body.body).toString() : text
    return { status, headers: fields, text: answer }
  })
  return {
    ask,
    store,
    audit,
    entries,
    ran,
    reload: (next: Partial<AuthConfig>) => {
      config = { ...config, auth: { ...config.auth, ...next } }
    },
    /** What was told, in a word each. */
    told: () => entries.map(({ action, on, outcome, who }) => `${who} ${action} ${outcome} ${on}`)
  }
})
