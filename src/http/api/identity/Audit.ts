/** Contract of the audit log. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { identityEndpoints } from "../endpoints.ts"
import { Invalid, readErrors } from "./errors.ts"

const { audit } = identityEndpoints

const text = (description: string) => Schema.optionalKey(Schema.String.annotate({ description }))

const params = {
  who: text("Id of the principal: alice, token:ci"),
  kind: text("basic, user, token, certificate, socket or anonymous"),
  action: text("request, or what was changed: login, user.created"),
  outcome: text("granted, refused, succeeded or failed"),
  on: text("How the permission, or the name of what was changed, begins: actions:run:"),
  address: text("Of the client"),
  request_id: text("As the X-Request-Id header of the answer had it"),
  since: text("RFC 3339 or UNIX seconds, inclusive"),
  until: text("RFC 3339 or UNIX seconds, exclusive"),
  after: text("Only entries with a greater seq"),
  before: text("Only entries with a smaller seq"),
  limit: text("At most this many, 1 to 10000; 1000 if not given, and all in an export"),
  order: text("newest or oldest first; without it, newest as JSON and oldest in an export"),
  format: text("json (a page), ndjson or csv (all that match)")
}

export const AuditRecord = Schema.Struct({
  seq: Schema.Int.annotate({ description: "Its place in the event log" }),
  received_at: Schema.String.annotate({ description: "RFC 3339 UTC with nanoseconds" }),
  action: Schema.String,
  outcome: Schema.Literals(["granted", "refused", "succeeded", "failed"]),
  who: Schema.optionalKey(Schema.String),
  kind: Schema.Literals(["basic", "user", "token", "certificate", "socket", "anonymous"]),
  address: Schema.String.annotate({
    description: "Of the client; of entries that stand for many, its network, or * for everywhere"
  }),
  listener: Schema.String,
  request_id: Schema.optionalKey(Schema.String),
  on: Schema.optionalKey(
    Schema.String.annotate({ description: "The permission that was asked for, or the name of what was changed" })
  ),
  method: Schema.optionalKey(Schema.String),
  path: Schema.optionalKey(Schema.String.annotate({ description: "Without the query" })),
  status: Schema.optionalKey(Schema.Int),
  duration_ms: Schema.optionalKey(Schema.Finite),
  justification: Schema.optionalKey(Schema.String),
  detail: Schema.optionalKey(Schema.String),
  credential: Schema.optionalKey(
    Schema.String.annotate({ description: "What was shown, named so that it can be revoked" })
  ),
  count: Schema.optionalKey(
    Schema.Int.annotate({
      description: "How many refusals this stands for, that came faster than each could be recorded"
    })
  ),
  first_at: Schema.optionalKey(Schema.String),
  last_at: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "AuditEntry" })

export const AuditPage = Schema.Struct({
  entries: Schema.Array(AuditRecord),
  next: Schema.NullOr(Schema.Int).annotate({
    description: "Goes on from here, as `before`, or as `after` with the oldest first; null: that is all"
  })
}).annotate({ identifier: "AuditPage" })

export class AuditGroup extends HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("listAudit", audit.listAudit.path, {
      query: params,
      success: AuditPage,
      error: [Invalid, ...readErrors]
    })
      .annotate(OpenApi.Summary, "Who did what")
      .annotate(
        OpenApi.Description,
        "Every refusal, every grant of what changes something, and every change of who may what. A page may have fewer " +
          "entries than asked for, or none, and still a `next`: so far it was searched. In CSV, what a spreadsheet would " +
          "take for a formula begins with an apostrophe."
      )
  )
  .annotate(OpenApi.Description, "Who did what: the audit entries of the event log") {}
