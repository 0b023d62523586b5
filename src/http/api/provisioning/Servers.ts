/** Contract of servers. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { NewServer } from "../../../services/provisioning/requests.ts"
import { provisioningEndpoints } from "../endpoints.ts"
import { OperationEntry } from "../Operations.ts"
import { bodyErrors, changeErrors, Invalid, NotFound, readErrors } from "./errors.ts"
import { dryRun, idempotent, listParams } from "./parameters.ts"

const { servers } = provisioningEndpoints

export const ProvisionState = Schema.Literals(["creating", "running", "failed", "deleting"]).annotate({
  description: "failed: an operation has begun to make or to remove it and did not end well; delete it to be rid of it"
})

export const ServerEntry = Schema.Struct({
  id: Schema.String.annotate({ description: "srv-… or what the provider calls it" }),
  hostname: Schema.String,
  provider: Schema.String,
  plan: Schema.String,
  zone: Schema.NullOr(Schema.String),
  ip_address: Schema.NullOr(Schema.String).annotate({ description: "null until it is known" }),
  status: ProvisionState,
  created_at: Schema.String,
  workspace: Schema.String,
  tags: Schema.Array(Schema.String)
}).annotate({ identifier: "Server" })

export const ServerStatus = Schema.Struct({
  id: Schema.String,
  hostname: Schema.String,
  status: ProvisionState,
  ip_address: Schema.NullOr(Schema.String),
  updated_at: Schema.String,
  operation: Schema.String.annotate({ description: "Id of the operation that changed it last" })
}).annotate({ identifier: "ServerStatus" })

const params = { server: Schema.String }

export const accepted = OperationEntry.annotate({
  httpApiStatus: 202,
  description: "Asked for, and durable; Location is where the operation is found"
})

export class ServersGroup extends HttpApiGroup.make("servers")
  .add(
    HttpApiEndpoint.get("listServers", servers.listServers.path, {
      query: listParams("workspace and host name"),
      success: Schema.Array(ServerEntry),
      error: [Invalid, ...readErrors]
    })
      .annotate(OpenApi.Summary, "Servers by workspace and host name")
      .annotate(OpenApi.Description, "Where there are more, the X-Next-Cursor header is the cursor that goes on."),
    HttpApiEndpoint.post("createServer", servers.createServer.path, {
      headers: idempotent,
      payload: NewServer,
      success: accepted,
      error: [...bodyErrors, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Create a server")
      .annotate(
        OpenApi.Description,
        "Its workspace is made with it where there is none. The operation's result has server_id, ip_address, hostname and " +
          "workspace, and what else the provisioning program tells. It fails with already_exists where the workspace has a " +
          "server of that name. One that fails or is cancelled when it had begun leaves a server that says failed, to be " +
          "deleted; what a template has begun a cancelled one takes back by the template that deletes."
      ),
    HttpApiEndpoint.get("getServer", servers.getServer.path, {
      params,
      success: ServerEntry,
      error: [NotFound, ...readErrors]
    }).annotate(OpenApi.Summary, "One server"),
    HttpApiEndpoint.delete("deleteServer", servers.deleteServer.path, {
      params,
      headers: idempotent,
      query: dryRun,
      success: accepted,
      error: [Invalid, NotFound, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Delete a server")
      .annotate(
        OpenApi.Description,
        "The operation fails with conflict while a task service is on the server, or another operation has it. One that " +
          "fails may be tried again."
      ),
    HttpApiEndpoint.get("serverStatus", servers.serverStatus.path, {
      params,
      success: ServerStatus,
      error: [NotFound, ...readErrors]
    }).annotate(OpenApi.Summary, "How a server is")
  )
  .annotate(OpenApi.Description, "Machines that are provisioned") {}
