/** Contract of the two-person rule. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { identityEndpoints } from "../endpoints.ts"
import { changeErrors, Conflict, Invalid, NotFound, readErrors } from "./errors.ts"
import { pageParams } from "./pageParams.ts"

const { approvals } = identityEndpoints

export const ApprovalEntry = Schema.Struct({
  id: Schema.String,
  status: Schema.Literals(["pending", "approved", "denied", "used", "expired"]),
  permission: Schema.String,
  method: Schema.String,
  target: Schema.String.annotate({ description: "Path and query" }),
  body_sha256: Schema.String.annotate({ description: "Of the body, which is not kept" }),
  requester: Schema.String,
  justification: Schema.NullOr(Schema.String),
  decided_by: Schema.NullOr(Schema.String),
  decided_at: Schema.NullOr(Schema.String),
  created_at: Schema.String,
  expires_at: Schema.String.annotate({ description: "Until then it is decided, and used, or it is over" })
}).annotate({ identifier: "Approval" })

export const ApprovalAnswer = Schema.Struct({ approval: ApprovalEntry }).annotate({ identifier: "ApprovalAnswer" })

const params = { approval: Schema.String }

export class ApprovalsGroup extends HttpApiGroup.make("approvals")
  .add(
    HttpApiEndpoint.get("listApprovals", approvals.listApprovals.path, {
      query: { status: Schema.optionalKey(Schema.String), ...pageParams("id") },
      success: Schema.Array(ApprovalEntry),
      error: [Invalid, ...readErrors]
    })
      .annotate(OpenApi.Summary, "What waits for a second person, and what became of it")
      .annotate(
        OpenApi.Description,
        "A call whose permission the configuration names under auth.approval_required is answered 202 with an approval. " +
          "When somebody else has approved it, the very same call with its id in X-Approval is done, once."
      ),
    HttpApiEndpoint.get("getApproval", approvals.getApproval.path, {
      params,
      success: ApprovalAnswer,
      error: [NotFound, ...readErrors]
    })
      .annotate(OpenApi.Summary, "One request")
      .annotate(OpenApi.Description, "One's own, or any with approvals:read."),
    HttpApiEndpoint.post("approve", approvals.approve.path, {
      params,
      success: ApprovalAnswer,
      error: [NotFound, Conflict, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Approve somebody else's request")
      .annotate(
        OpenApi.Description,
        "Whoever approves needs the permission that is asked for, too. A service token counts as whoever made it."
      ),
    HttpApiEndpoint.post("deny", approvals.deny.path, {
      params,
      success: ApprovalAnswer,
      error: [NotFound, Conflict, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Deny a request, or take one's own back")
      .annotate(OpenApi.Description, "Somebody else's needs approvals:decide.")
  )
  .annotate(OpenApi.Description, "The two-person rule") {}
