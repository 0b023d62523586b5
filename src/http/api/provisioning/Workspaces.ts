/** Contract of workspaces: names that servers and task services belong to. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { NewWorkspace } from "../../../services/provisioning/requests.ts"
import { provisioningEndpoints } from "../endpoints.ts"
import { pageParams } from "../identity/pageParams.ts"
import { bodyErrors, Conflict, Invalid, KeyReused, NoRoom, NotFound, readErrors } from "./errors.ts"
import { idempotent } from "./parameters.ts"

const { workspaces } = provisioningEndpoints

const members = {
  name: Schema.String,
  description: Schema.String,
  created_at: Schema.String,
  created_by: Schema.String,
  server_count: Schema.Int,
  taskserv_count: Schema.Int
}

export const WorkspaceEntry = Schema.Struct(members).annotate({ identifier: "Workspace" })

export const WorkspaceDetails = Schema.Struct({
  ...members,
  servers: Schema.Array(Schema.String).annotate({ description: "Host names" }),
  taskservs: Schema.Array(Schema.String).annotate({ description: "Names" })
}).annotate({ identifier: "WorkspaceDetails" })

export class WorkspacesGroup extends HttpApiGroup.make("workspaces")
  .add(
    HttpApiEndpoint.get("listWorkspaces", workspaces.listWorkspaces.path, {
      query: pageParams("name"),
      success: Schema.Array(WorkspaceEntry),
      error: [Invalid, ...readErrors]
    })
      .annotate(OpenApi.Summary, "Workspaces by name")
      .annotate(OpenApi.Description, "Where there are more, the X-Next-Cursor header is the cursor that goes on."),
    HttpApiEndpoint.post("createWorkspace", workspaces.createWorkspace.path, {
      headers: idempotent,
      payload: NewWorkspace,
      success: WorkspaceDetails.annotate({ httpApiStatus: 201 }),
      error: [...bodyErrors, Conflict, KeyReused, ...readErrors, NoRoom]
    })
      .annotate(OpenApi.Summary, "Create a workspace")
      .annotate(OpenApi.Description, "At once, without an operation. One is also made with the first thing in it."),
    HttpApiEndpoint.get("getWorkspace", workspaces.getWorkspace.path, {
      params: { workspace: Schema.String },
      success: WorkspaceDetails,
      error: [NotFound, ...readErrors]
    }).annotate(OpenApi.Summary, "One workspace, and what is in it")
  )
  .annotate(OpenApi.Description, "What servers and task services belong to") {}
