/**
 * Tells the audit log of requests that nobody decided in time, and of approvals that nobody used. Each is told once by
 * each daemon that runs when it happens, or starts before the store forgets it.
 *
 * Bounds: as many ids are remembered as the store has approvals.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Audit } from "../../services/audit/Audit.ts"
import type { IdentityStore } from "../../services/identity/IdentityStore.ts"
import { snapshotOf } from "./approvals.ts"

/** Nobody waits for it; the time itself is in the entry. */
const lookEvery = Duration.seconds(30)

export const watchExpiry = (store: IdentityStore["Service"], audit: Pick<Audit["Service"], "record">) => {
  const told = new Set<string>()

  const look = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const { approvals } = yield* snapshotOf(store)
    for (const id of told) if (!approvals.has(id)) told.delete(id)
    for (const { decidedBy, expiresAt, id, permission, requester, state } of approvals.values()) {
      const isOver = state === "expired" || ((state === "pending" || state === "approved") && expiresAt <= now)
      if (!isOver || told.has(id)) continue
      told.add(id)
      audit.record({
        action: "approval.expired",
        outcome: "succeeded",
        who: undefined,
        kind: "anonymous",
        address: "",
        listener: "",
        requestId: undefined,
        on: permission,
        detail: `${id} of ${requester}, ${decidedBy === undefined ? "never decided" : `approved by ${decidedBy}, never used`}`,
        atMs: expiresAt
      })
    }
  })
  // A store that cannot be read now is looked at the next time.
  return Effect.forkScoped(Effect.forever(Effect.andThen(Effect.ignore(look), Effect.sleep(lookEvery))))
}
