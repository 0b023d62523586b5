/**
 * Who did what: each refusal, each grant of what changes something, and each change of who may what, as events of level
 * `audit` in the one log, written by the daemon alone and shown by `GET /v1/audit` alone. Never with a secret.
 *
 * Refusals are recorded one by one within a budget and beyond it counted and summed up, so that a flood of them fills
 * neither the log nor the disk, and none goes uncounted.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { PrincipalKind } from "../identity/Principal.ts"

export interface AuditEntry {
  /** `request` (a grant or refusal at the edge), or what changed: `login`, `user.created`, `token.revoked`, `approval.denied`. */
  readonly action: string
  readonly outcome: "granted" | "refused" | "succeeded" | "failed"
  readonly who: string | undefined
  readonly kind: PrincipalKind
  /** Of the client; empty where there is none. */
  readonly address: string
  /** The listener it came through. */
  readonly listener: string
  readonly requestId: string | undefined
  /** The permission that was asked for, or the name of what was changed. */
  readonly on: string | undefined
  readonly method?: string
  /** Without the query, which may hold anything. */
  readonly path?: string
  readonly status?: number
  readonly durationMs?: number
  readonly justification?: string | undefined
  /** Why it was refused; who approved; what changed, without secrets. */
  readonly detail?: string | undefined
  /** Token id, jti, certificate's fingerprint: what can be revoked. */
  readonly credential?: string | undefined
}

/** It could not be recorded, and `audit.required` says that what is not recorded does not happen (HTTP 503, 507). */
export class AuditFailed extends Schema.TaggedError<AuditFailed>()("AuditFailed", {
  reason: Schema.String,
  full: Schema.Boolean
}) {
  override get message() {
    return `not done, because it cannot be recorded: ${this.reason}`
  }
}

export class Audit extends Context.Service<
  Audit,
  {
    /** Hands the entry to the log, in order, and returns at once; what fails is counted, and tells in `degraded`. */
    readonly record: (entry: AuditEntry) => void
    /** With `audit.required`: succeeds once the entry is durable. Otherwise as `record`. */
    readonly before: (entry: AuditEntry) => Effect.Effect<void, AuditFailed>
    readonly degraded: () => string | undefined
    readonly stats: () => { readonly recorded: number; readonly summed: number; readonly failed: number }
  }
>()("systemapi/services/audit/Audit") {}
