/**
 * Tells the audit log what became of a request that changes who may what. What has happened is told, whoever leaves
 * meanwhile: a change and its entry are not parted by a client that hangs up.
 */
import * as Effect from "effect/Effect"
import type { Audit, AuditEntry } from "../../services/audit/Audit.ts"
import type { Principal } from "../../services/identity/Principal.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { redactedPath } from "../edge/redacted.ts"

/** `on`: the name of what was changed; `detail`: how, without secrets. */
export type About = Pick<AuditEntry, "on" | "detail"> & Partial<Pick<AuditEntry, "who" | "kind" | "justification">>

export interface Recorder {
  /** What `record` records, for who has to wait until it is. */
  readonly entry: (call: Call, action: string, outcome: AuditEntry["outcome"], about: About) => AuditEntry
  readonly record: (call: Call, action: string, outcome: AuditEntry["outcome"], about: About) => void
  /** Ahead of an answer that gives something: with `audit.required` it is not given before it is durably recorded. */
  readonly before: (call: Call, action: string, about: About) => Effect.Effect<void, HttpFailure>
  /** The change, and its entry once it has happened. */
  readonly change: <A, E>(
    call: Call,
    action: string,
    about: About | ((done: A) => About),
    effect: Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
}

export const makeRecorder = (audit: Audit["Service"]): Recorder => {
  const entry: Recorder["entry"] = (call, action, outcome, about) => ({
    action,
    outcome,
    who: call.who,
    kind: call.principal?.kind ?? "anonymous",
    address: call.address,
    listener: call.surface.address,
    requestId: call.id,
    method: call.request.method,
    path: redactedPath(call.path),
    credential: call.principal?.credential,
    ...about
  })
  const record: Recorder["record"] = (call, action, outcome, about) => audit.record(entry(call, action, outcome, about))
  return {
    entry,
    record,
    before: (call, action, about) =>
      Effect.mapError(audit.before(entry(call, action, "succeeded", about)), (error) =>
        error.full ? failure(507, error.message) : failure(503, error.message, { "retry-after": "1" })
      ),
    change: (call, action, about, effect) =>
      Effect.uninterruptible(
        Effect.tap(effect, (done) =>
          Effect.sync(() => record(call, action, "succeeded", typeof about === "function" ? about(done) : about))
        )
      )
  }
}

/**
 * 403 for what only a look at what was asked can tell: the caller may change users, but not give this role. The edge
 * tells the audit log, as of every refusal.
 */
export const forbidden = (call: Call, message: string): Effect.Effect<never, HttpFailure> =>
  Effect.suspend(() => {
    call.refused = message
    return Effect.fail(failure(403, message))
  })

/** Who asks; the edge lets nobody through to these endpoints of whom it does not know that. */
export const askerOf = ({ principal, route }: Call): Principal => {
  if (principal === undefined) throw new Error(`${route} was served to nobody`)
  return principal
}
