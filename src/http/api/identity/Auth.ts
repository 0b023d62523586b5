/** Contract of logins, of who one is, and of the keys that sign tokens. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { identityEndpoints } from "../endpoints.ts"
import { bodyErrors, changeErrors, Conflict, Forbidden, readErrors, TooManyRequests, Unauthorized } from "./errors.ts"
import { Login, Logout, PasswordChange, Refresh } from "./inputs.ts"

const { auth } = identityEndpoints

export const TokenAnswer = Schema.Struct({
  token: Schema.String.annotate({ description: "Access token, for Authorization: Bearer" }),
  refresh_token: Schema.String.annotate({ description: "Works once, and gives the next one" }),
  expires_in: Schema.Int.annotate({ description: "Seconds that the access token is good for" })
}).annotate({ identifier: "Tokens" })

export const Me = Schema.Struct({
  id: Schema.String,
  kind: Schema.Literals(["basic", "user", "token", "certificate", "socket", "anonymous"]),
  roles: Schema.Array(Schema.String),
  permissions: Schema.Array(Schema.String).annotate({ description: "A * at the end stands for whatever follows" }),
  owner: Schema.String.annotate({ description: "Who answers for it: of a service token, whoever made it" }),
  authenticated_by: Schema.Literals(["basic", "bearer", "certificate", "socket", "none"]),
  authenticated_at: Schema.String,
  credential: Schema.NullOr(Schema.String).annotate({
    description: "What was shown, named so that it can be revoked: token id, fingerprint of the certificate"
  }),
  session: Schema.NullOr(Schema.String),
  expires_at: Schema.NullOr(Schema.String)
}).annotate({ identifier: "Me" })

export const KeyEntry = Schema.Struct({
  kid: Schema.String,
  alg: Schema.Literals(["HS256", "EdDSA"]),
  created_at: Schema.String,
  retired_at: Schema.NullOr(Schema.String).annotate({ description: "It signs no more since then" }),
  expires_at: Schema.NullOr(Schema.String).annotate({ description: "What it signed counts until then" })
}).annotate({ identifier: "SigningKey" })

export class AuthGroup extends HttpApiGroup.make("auth")
  .add(
    HttpApiEndpoint.post("login", auth.login.path, {
      payload: Login,
      success: TokenAnswer,
      error: [...bodyErrors, Unauthorized, TooManyRequests, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Log in")
      .annotate(
        OpenApi.Description,
        "A wrong user and a wrong password are answered alike, and take alike long. Too many of them are slowed down."
      ),
    HttpApiEndpoint.post("refresh", auth.refresh.path, {
      payload: Refresh,
      success: TokenAnswer,
      error: [...bodyErrors, Unauthorized, TooManyRequests, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Go on with a login")
      .annotate(
        OpenApi.Description,
        "Each refresh token works once. One that was used before ends its login, for somebody else may have it."
      ),
    HttpApiEndpoint.post("logout", auth.logout.path, {
      payload: Logout,
      success: HttpApiSchema.NoContent,
      error: [...bodyErrors, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Log out")
      .annotate(
        OpenApi.Description,
        "From now on neither the access token nor the refresh token of this login is taken. The body may be empty."
      ),
    HttpApiEndpoint.get("me", auth.me.path, { success: Me }).annotate(OpenApi.Summary, "Who one is, and what one may"),
    HttpApiEndpoint.post("changePassword", auth.changePassword.path, {
      payload: PasswordChange,
      success: HttpApiSchema.NoContent,
      error: [...bodyErrors, Forbidden, TooManyRequests, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Change one's own password")
      .annotate(
        OpenApi.Description,
        "Of users alone. Ends every login of the user, this one too: what knew the old password has to know the new one."
      ),
    HttpApiEndpoint.get("jwks", auth.jwks.path, {
      success: Schema.Struct({ keys: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) }),
      error: [...readErrors]
    })
      .annotate(OpenApi.Summary, "Public keys of access tokens")
      .annotate(
        OpenApi.Description,
        "JWK set (RFC 7517); empty where tokens are signed with HS256, whose key is secret."
      ),
    HttpApiEndpoint.get("listKeys", auth.listKeys.path, {
      success: Schema.Array(KeyEntry),
      error: [...readErrors]
    }).annotate(OpenApi.Summary, "Keys that sign tokens, the newest first; never the keys themselves"),
    HttpApiEndpoint.post("rotateKey", auth.rotateKey.path, {
      success: Schema.Struct({ kid: Schema.String }),
      error: [Conflict, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Sign with a new key from now on")
      .annotate(
        OpenApi.Description,
        "Tokens that the key before has signed count until they expire. 409 where the configuration gives the key."
      )
  )
  .annotate(OpenApi.Description, "Logins, and the keys behind them") {}
