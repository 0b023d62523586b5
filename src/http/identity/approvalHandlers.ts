/**
 * Requests that wait for a second person: seen, approved, denied. Who asked may take a request back, which is to deny it;
 * nobody approves their own, nor what they may not do themselves. Who may neither see nor decide one is not told that it
 * exists.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Approval, IdentityStore } from "../../services/identity/IdentityStore.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler } from "../edge/routes.ts"
import { approvalJson, isOwn, snapshotOf, statusOf } from "./approvals.ts"
import { identityFailure, invalid } from "./failures.ts"
import { page } from "./pages.ts"
import { askerOf, forbidden, type Recorder } from "./recording.ts"

const statuses = ["pending", "approved", "denied", "used", "expired"]

export interface ApprovalHandlerServices {
  readonly recorder: Recorder
  readonly store: IdentityStore["Service"]
}

const notThere = failure(404, "there is no such approval")

export const makeApprovalHandlers = ({ recorder, store }: ApprovalHandlerServices) => {
  const approvals = Effect.mapError(
    Effect.map(
      Effect.suspend(() => snapshotOf(store)),
      (snapshot) => snapshot.approvals
    ),
    identityFailure
  )

  const find = (call: Call): Effect.Effect<Approval, HttpFailure> =>
    Effect.flatMap(approvals, (all) => {
      const found = all.get(call.params["approval"] ?? "")
      return found === undefined ? Effect.fail(notThere) : Effect.succeed(found)
    })

  const decide = (call: Call, approval: Approval, state: "approved" | "denied") =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const by = askerOf(call).id
      const about = { on: approval.permission, detail: `${approval.id} of ${approval.requester}` }
      const decided = yield* Effect.mapError(
        Effect.uninterruptible(
          Effect.tap(store.decideApproval(approval.id, { state, by, now }), (done) =>
            Effect.sync(() => {
              if (done !== undefined) recorder.record(call, `approval.${state}`, "succeeded", about)
            })
          )
        ),
        identityFailure
      )
      if (decided !== undefined) return jsonResponse({ approval: approvalJson(decided, now) })
      const after = (yield* approvals).get(approval.id)
      return yield* failure(409, `the request is ${after === undefined ? "gone" : statusOf(after, now)}`)
    })

  const listApprovals: Handler = (call) =>
    Effect.gen(function* () {
      const wanted = call.query.get("status")
      if (wanted !== null && !statuses.includes(wanted)) {
        return yield* invalid(`status: found ${JSON.stringify(wanted.slice(0, 100))}, allowed: ${statuses.join(", ")}`)
      }
      const now = yield* Clock.currentTimeMillis
      const all = [...(yield* approvals).values()].filter((one) => wanted === null || statusOf(one, now) === wanted)
      return yield* page(
        call,
        all,
        ({ id }) => id,
        (one) => approvalJson(one, now)
      )
    })

  const getApproval: Handler = (call) =>
    Effect.gen(function* () {
      const approval = yield* find(call)
      const asker = askerOf(call)
      if (!isOwn(approval, asker) && !asker.permissions.has("approvals:read")) return yield* notThere
      return jsonResponse({ approval: approvalJson(approval, yield* Clock.currentTimeMillis) })
    })

  const approve: Handler = (call) =>
    Effect.gen(function* () {
      const approval = yield* find(call)
      const asker = askerOf(call)
      if (isOwn(approval, asker)) return yield* forbidden(call, "nobody approves their own request")
      if (!asker.permissions.has(approval.permission)) {
        return yield* forbidden(call, `who approves needs the permission that is asked for: ${approval.permission}`)
      }
      return yield* decide(call, approval, "approved")
    })

  const deny: Handler = (call) =>
    Effect.gen(function* () {
      const approval = yield* find(call)
      const asker = askerOf(call)
      if (!isOwn(approval, asker) && !asker.permissions.has("approvals:decide")) return yield* notThere
      return yield* decide(call, approval, "denied")
    })

  return { listApprovals, getApproval, approve, deny }
}
