/** Contract of users and roles. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { identityEndpoints } from "../endpoints.ts"
import { bodyErrors, changeErrors, Conflict, Invalid, NotFound, readErrors } from "./errors.ts"
import { NewPassword, NewUser, UserChange } from "./inputs.ts"
import { pageParams } from "./pageParams.ts"

const { users } = identityEndpoints

export const UserEntry = Schema.Struct({
  username: Schema.String,
  roles: Schema.Array(Schema.String),
  disabled: Schema.Boolean,
  has_password: Schema.Boolean.annotate({ description: "Without one the user cannot log in" }),
  created_at: Schema.String,
  updated_at: Schema.String
}).annotate({ identifier: "User" })

export const RoleEntry = Schema.Struct({
  name: Schema.String,
  permissions: Schema.Array(Schema.String),
  built_in: Schema.Boolean.annotate({ description: "Of the contract, and not of the configuration" }),
  description: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "Role" })

const params = { user: Schema.String }

const withinOwn = "Nobody gives more than they may themselves, nor changes a user who may more than they."

export class UsersGroup extends HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("listUsers", users.listUsers.path, {
      query: pageParams("username"),
      success: Schema.Array(UserEntry),
      error: [Invalid, ...readErrors]
    })
      .annotate(OpenApi.Summary, "Users by name")
      .annotate(OpenApi.Description, "Where there are more, the X-Next-Cursor header is the cursor that goes on."),
    HttpApiEndpoint.post("createUser", users.createUser.path, {
      payload: NewUser,
      success: UserEntry.annotate({ httpApiStatus: 201 }),
      error: [...bodyErrors, Conflict, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Create a user")
      .annotate(OpenApi.Description, withinOwn),
    HttpApiEndpoint.get("getUser", users.getUser.path, {
      params,
      success: UserEntry,
      error: [NotFound, ...readErrors]
    }).annotate(OpenApi.Summary, "One user"),
    HttpApiEndpoint.patch("changeUser", users.changeUser.path, {
      params,
      payload: UserChange,
      success: UserEntry,
      error: [...bodyErrors, NotFound, Conflict, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Change roles, disable or enable")
      .annotate(
        OpenApi.Description,
        `Counts at the next request of the user; disabling ends every login too. ${withinOwn} The last user who may do ` +
          "everything is neither demoted nor disabled by users or their tokens."
      ),
    HttpApiEndpoint.delete("deleteUser", users.deleteUser.path, {
      params,
      success: HttpApiSchema.NoContent,
      error: [NotFound, Conflict, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Remove a user, its logins and its service tokens")
      .annotate(OpenApi.Description, `${withinOwn} The last user who may do everything stays, as when demoting.`),
    HttpApiEndpoint.post("setPassword", users.setPassword.path, {
      params,
      payload: NewPassword,
      success: HttpApiSchema.NoContent,
      error: [...bodyErrors, NotFound, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Set a user's password")
      .annotate(OpenApi.Description, `Ends every login of the user. ${withinOwn}`),
    HttpApiEndpoint.post("endSessions", users.endSessions.path, {
      params,
      success: HttpApiSchema.NoContent,
      error: [NotFound, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "End every login of a user")
      .annotate(OpenApi.Description, "Access and refresh tokens issued before are refused from now on."),
    HttpApiEndpoint.get("listRoles", users.listRoles.path, { success: Schema.Array(RoleEntry) }).annotate(
      OpenApi.Summary,
      "Roles, and what each permits"
    )
  )
  .annotate(OpenApi.Description, "Who there is") {}
