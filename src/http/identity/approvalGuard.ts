/**
 * The two-person rule: what the configuration names is done once somebody else has approved just that.
 *
 * A call without `X-Approval` becomes a request that waits (202): its permission, method, target, and the digest of its
 * body, which is kept nowhere. The same call with the id of its approval is let through, once, with the very body that
 * was compared. Whatever differs is refused with the reason; an approval that was taken is gone, whatever became of the
 * call, for it may have been done.
 *
 * Bounds: bodies of `bodyMax`, targets of `targetMax`, and `waitingMax` requests of one person, so that nobody takes all
 * the places there are (IdentityStore). Deciding is never itself made to wait, or nothing could be decided.
 */
import { createHash, randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Audit } from "../../services/audit/Audit.ts"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import type { Approval, IdentityStore } from "../../services/identity/IdentityStore.ts"
import type { Principal } from "../../services/identity/Principal.ts"
import type { Call } from "../edge/Call.ts"
import type { Guard } from "../edge/Edge.ts"
import { failure, HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { justificationOf } from "../edge/justification.ts"
import { readAgain } from "../edge/readBody.ts"
import { approvalJson, snapshotOf, statusOf } from "./approvals.ts"
import { identityFailure } from "./failures.ts"
import { grantsOf } from "./grantsOf.ts"
import type { Recorder } from "./recording.ts"

/** It is held in memory until the handler has it; what is larger cannot be approved. */
const bodyMax = 1024 * 1024

/** Path and query, which whoever approves has to read. */
const targetMax = 4096

/** Of one person. */
const waitingMax = 50

export interface ApprovalServices {
  readonly audit: Pick<Audit["Service"], "before">
  readonly config: CurrentConfig["Service"]
  readonly recorder: Recorder
  readonly store: IdentityStore["Service"]
}

type Asked = Pick<Approval, "permission" | "method" | "target" | "bodyHash">

const goOn = Effect.undefined

/** In the order in which they were made. */
const newId = (now: number): string => `ap_${now.toString(36).padStart(9, "0")}${randomBytes(10).toString("hex")}`

/** Of which of them an approval is not of this call; undefined where it is. */
const difference = (approval: Asked, asked: Asked): string | undefined => {
  if (approval.permission !== asked.permission) return "permission"
  if (approval.method !== asked.method) return "method"
  if (approval.target !== asked.target) return "path or query"
  return approval.bodyHash === asked.bodyHash ? undefined : "body"
}

export const approvalGuard = (services: ApprovalServices): Guard => {
  const { audit, config, recorder, store } = services
  const required = grantsOf(() => config.get().auth.approval_required)

  const refuse = (call: Call, status: 403 | 409, why: string) =>
    Effect.suspend(() => {
      call.refused = `X-Approval: ${why}`
      return Effect.fail(failure(status, call.refused))
    })

  const request = Effect.fnUntraced(function* (call: Call, asker: Principal, asked: Asked) {
    const now = yield* Clock.currentTimeMillis
    const { approvals } = yield* snapshotOf(store)
    const own = [...approvals.values()].filter(
      (one) => one.requesterOwner === asker.owner && ["pending", "approved"].includes(statusOf(one, now))
    )
    // Asked again, it is the same request.
    const known = own.find((one) => one.requester === asker.id && difference(one, asked) === undefined)
    if (known !== undefined) return accepted(known, now)
    if (own.length >= waitingMax) {
      return yield* failure(409, `${own.length} requests of yours wait for their approval or use already`)
    }
    const justification = justificationOf(call)
    const approval: Approval = {
      id: newId(now),
      ...asked,
      requester: asker.id,
      requesterOwner: asker.owner,
      justification: "said" in justification ? justification.said : undefined,
      state: "pending",
      decidedBy: undefined,
      decidedAt: undefined,
      createdAt: now,
      expiresAt: now + config.get().auth.approval_ttl_s * 1000
    }
    const about = { on: asked.permission, detail: approval.id, justification: approval.justification }
    yield* recorder.change(call, "approval.requested", about, store.createApproval(approval))
    return accepted(approval, now)
  })

  const use = Effect.fnUntraced(function* (call: Call, asker: Principal, asked: Asked, id: string) {
    const now = yield* Clock.currentTimeMillis
    const approval = (yield* snapshotOf(store)).approvals.get(id)
    // Whether it exists is nobody's business but that of who asked for it.
    if (approval === undefined || approval.requester !== asker.id) {
      return yield* refuse(call, 403, "there is no such approval of yours")
    }
    const status = statusOf(approval, now)
    if (status === "pending") return yield* refuse(call, 409, "it still waits to be approved")
    if (status !== "approved") return yield* refuse(call, 403, `it is ${status}`)
    const differs = difference(approval, asked)
    if (differs !== undefined) return yield* refuse(call, 403, `it is for another ${differs}`)
    const entry = recorder.entry(call, "approval.used", "succeeded", {
      on: asked.permission,
      detail: `${id}, approved by ${approval.decidedBy}`
    })
    const taken = yield* Effect.uninterruptible(
      Effect.tap(store.useApproval(id, now), (isTaken) => (isTaken ? audit.before(entry) : Effect.void))
    )
    if (!taken) return yield* refuse(call, 409, "it is used")
    return undefined
  })

  return ({ access }) => {
    if (access === "public" || access === "authenticated" || access.startsWith("approvals:")) return undefined
    return (call) => {
      const { permission, principal } = call
      if (permission === undefined || principal === undefined || !required().has(permission)) return goOn
      if (principal.kind === "anonymous") {
        call.refused = "nobody in particular asks for what needs approval"
        return Effect.fail(failure(403, `${permission} needs an approval, which is given to whoever says who they are`))
      }
      return Effect.gen(function* () {
        const { method, url } = call.request
        if (url.length > targetMax)
          return yield* failure(400, `What needs approval has ${targetMax} characters at most`)
        const body = yield* Effect.mapError(readAgain(call, bodyMax), (error) =>
          error.status === 413
            ? failure(413, `${permission} needs approval, for which a body has ${bodyMax} bytes at most`)
            : error
        )
        const bodyHash = createHash("sha256").update(body).digest("hex")
        const asked = { permission, method, target: url, bodyHash }
        const id = call.header("x-approval")
        if (id === undefined) return yield* request(call, principal, asked)
        yield* use(call, principal, asked, id)
        return undefined
      }).pipe(
        Effect.mapError((error) => {
          if (error instanceof HttpFailure) return error
          if (error._tag === "AuditFailed") return failure(error.full ? 507 : 503, error.message)
          return identityFailure(error)
        })
      )
    }
  }
}

const accepted = (approval: Approval, now: number) =>
  HttpServerResponse.setHeader(
    jsonResponse({ approval: approvalJson(approval, now) }, 202),
    "location",
    `/v1/approvals/${approval.id}`
  )
