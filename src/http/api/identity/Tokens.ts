/** Contract of service tokens. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { identityEndpoints } from "../endpoints.ts"
import { bodyErrors, changeErrors, Conflict, Invalid, NotFound, readErrors } from "./errors.ts"
import { NewToken } from "./inputs.ts"
import { pageParams } from "./pageParams.ts"

const { tokens } = identityEndpoints

const members = {
  id: Schema.String,
  name: Schema.String,
  owner: Schema.NullOr(Schema.String).annotate({ description: "null: it was made at the console of the machine" }),
  permissions: Schema.Array(Schema.String).annotate({
    description: "It may do what these and its owner's permissions of the moment both allow"
  }),
  created_at: Schema.String,
  expires_at: Schema.NullOr(Schema.String),
  last_used_at: Schema.NullOr(Schema.String).annotate({ description: "To the minute" }),
  revoked_at: Schema.NullOr(Schema.String)
}

export const TokenEntry = Schema.Struct(members).annotate({ identifier: "ServiceToken" })

export const CreatedToken = Schema.Struct({
  ...members,
  token: Schema.String.annotate({ description: "For Authorization: Bearer; told this once and kept nowhere" })
}).annotate({ identifier: "CreatedServiceToken" })

export class TokensGroup extends HttpApiGroup.make("tokens")
  .add(
    HttpApiEndpoint.get("listTokens", tokens.listTokens.path, {
      query: pageParams("id"),
      success: Schema.Array(TokenEntry),
      error: [Invalid, ...readErrors]
    })
      .annotate(OpenApi.Summary, "Service tokens by id")
      .annotate(
        OpenApi.Description,
        "One's own; everybody's with tokens:manage. Where there are more, the X-Next-Cursor header is the cursor that " +
          "goes on."
      ),
    HttpApiEndpoint.post("createToken", tokens.createToken.path, {
      payload: NewToken,
      success: CreatedToken.annotate({ httpApiStatus: 201 }),
      error: [...bodyErrors, Conflict, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Create a service token")
      .annotate(
        OpenApi.Description,
        "For a program. Made by users, who answer for it: it never does more than its owner may at that moment. Its " +
          "permissions must be within those of whoever makes it, and one that a service token makes does not outlive that."
      ),
    HttpApiEndpoint.delete("revokeToken", tokens.revokeToken.path, {
      params: { token: Schema.String },
      success: HttpApiSchema.NoContent,
      error: [NotFound, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Revoke a service token")
      .annotate(OpenApi.Description, "One's own; anybody's with tokens:manage. It is refused from now on.")
  )
  .annotate(OpenApi.Description, "Credentials of programs") {}
