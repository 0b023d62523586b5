/**
 * Approvals as they are shown, and who may see and decide them: somebody else than who asked, who may do the thing
 * asked for, too. A service token counts as whoever made it.
 */
import { type Approval, type IdentityStore, type Snapshot } from "../../services/identity/IdentityStore.ts"
import { type Principal, samePerson } from "../../services/identity/Principal.ts"
import * as Effect from "effect/Effect"
import type { IdentityUnavailable } from "../../services/identity/IdentityStore.ts"
import { timeOrNull, timeText } from "./times.ts"

export type ApprovalStatus = Approval["state"]

/** What has expired may not be marked so yet. */
export const statusOf = ({ expiresAt, state }: Approval, now: number): ApprovalStatus =>
  (state === "pending" || state === "approved") && expiresAt <= now ? "expired" : state

export const isOwn = ({ requester, requesterOwner }: Approval, asker: Principal): boolean =>
  samePerson({ id: requester, owner: requesterOwner }, asker)

export const approvalJson = (approval: Approval, now: number) => ({
  id: approval.id,
  status: statusOf(approval, now),
  permission: approval.permission,
  method: approval.method,
  target: approval.target,
  body_sha256: approval.bodyHash,
  requester: approval.requester,
  justification: approval.justification ?? null,
  decided_by: approval.decidedBy ?? null,
  decided_at: timeOrNull(approval.decidedAt),
  created_at: timeText(approval.createdAt),
  expires_at: timeText(approval.expiresAt)
})

export const snapshotOf = (store: IdentityStore["Service"]): Effect.Effect<Snapshot, IdentityUnavailable> => {
  const current = store.current()
  return current === undefined ? store.fresh : Effect.succeed(current)
}
