/**
 * What the edge tells the audit log: every refusal, and each grant of what changes something (of reading too with
 * `audit.reads`). What handlers of public endpoints decide, such as logins, they tell it themselves.
 *
 * With `audit.required` a grant is durable before anything is done; what became of it is a second entry, at the end.
 */
import * as Effect from "effect/Effect"
import type { Audit, AuditEntry } from "../../services/audit/Audit.ts"
import type { AuditConfig } from "../../services/config/IdentityConfig.ts"
import type { Call } from "./Call.ts"
import { failure, type HttpFailure } from "./HttpFailure.ts"
import { justificationOf } from "./justification.ts"
import { redactedPath } from "./redacted.ts"
import type { Route } from "./routes.ts"

export interface Auditing {
  /** Ahead of the handler; undefined where it need not wait. */
  readonly before: (call: Call, route: Route) => Effect.Effect<void, HttpFailure> | undefined
  /** At the end. */
  readonly after: (call: Call, status: number, durationMs: number) => void
}

/** What is no justification is refused, and not told. */
const justificationSaid = (call: Call): string | undefined => {
  const given = justificationOf(call)
  return "said" in given ? given.said : undefined
}

export const makeAuditing = (audit: Audit["Service"], rules: () => AuditConfig): Auditing => {
  const isTold = (route: Route, { reads }: AuditConfig): boolean =>
    route.access !== "public" && (route.audited || reads)

  return {
    before: (call, route) => {
      const inForce = rules()
      if (!inForce.required || !isTold(route, inForce)) return undefined
      return Effect.mapError(audit.before(entryOf(call, "granted")), (error) =>
        failure(error.full ? 507 : 503, error.message, error.full ? undefined : { "retry-after": "1" })
      )
    },
    after: (call, status, durationMs) => {
      const { endpoint } = call
      const isPublic = endpoint?.access === "public"
      if (call.refused !== undefined || (isRefusal(status) && !isPublic)) {
        audit.record({ ...entryOf(call, "refused"), status, durationMs, detail: call.refused })
        return
      }
      if (endpoint === undefined || !call.entered) return
      const inForce = rules()
      if (!isTold(endpoint, inForce)) return
      const outcome = inForce.required ? (status < 400 ? "succeeded" : "failed") : "granted"
      audit.record({ ...entryOf(call, outcome), status, durationMs })
    }
  }
}

/** No, not so, not yet. */
const isRefusal = (status: number): boolean => status === 401 || status === 403 || status === 428 || status === 429

const entryOf = (call: Call, outcome: AuditEntry["outcome"]): AuditEntry => {
  const { principal, request } = call
  return {
    action: "request",
    outcome,
    who: call.who,
    kind: principal?.kind ?? "anonymous",
    address: call.address,
    listener: call.surface.address,
    requestId: call.id,
    on: call.permission,
    method: request.method,
    path: redactedPath(call.path),
    justification: justificationSaid(call),
    credential: principal?.credential
  }
}
