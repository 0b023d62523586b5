/** Contract of task services: what runs on servers. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { NewTaskserv } from "../../../services/provisioning/requests.ts"
import { provisioningEndpoints } from "../endpoints.ts"
import { bodyErrors, changeErrors, Invalid, NotFound, readErrors } from "./errors.ts"
import { dryRun, idempotent, listParams } from "./parameters.ts"
import { accepted, ProvisionState } from "./Servers.ts"

const { taskservs } = provisioningEndpoints

export const TaskservEntry = Schema.Struct({
  id: Schema.String.annotate({ description: "tsk-…" }),
  name: Schema.String,
  workspace: Schema.String,
  servers: Schema.Array(Schema.String).annotate({ description: "Host names" }),
  status: ProvisionState,
  created_at: Schema.String
}).annotate({ identifier: "Taskserv" })

export const TaskservStatus = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  status: ProvisionState,
  updated_at: Schema.String,
  operation: Schema.String.annotate({ description: "Id of the operation that changed it last" })
}).annotate({ identifier: "TaskservStatus" })

const params = { taskserv: Schema.String }

export class TaskservsGroup extends HttpApiGroup.make("taskservs")
  .add(
    HttpApiEndpoint.get("listTaskservs", taskservs.listTaskservs.path, {
      query: listParams("workspace and name"),
      success: Schema.Array(TaskservEntry),
      error: [Invalid, ...readErrors]
    })
      .annotate(OpenApi.Summary, "Task services by workspace and name")
      .annotate(OpenApi.Description, "Where there are more, the X-Next-Cursor header is the cursor that goes on."),
    HttpApiEndpoint.post("createTaskserv", taskservs.createTaskserv.path, {
      headers: idempotent,
      payload: NewTaskserv,
      success: accepted,
      error: [...bodyErrors, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Create a task service on servers")
      .annotate(
        OpenApi.Description,
        "The operation's result has taskserv_id, name, workspace and servers, and what else the provisioning program " +
          "tells. It fails with already_exists where the workspace has one of that name, and with not_found or conflict " +
          "where a server is not there or does not run when its turn has come. What is left of one that fails or is " +
          "cancelled is as with servers."
      ),
    HttpApiEndpoint.get("getTaskserv", taskservs.getTaskserv.path, {
      params,
      success: TaskservEntry,
      error: [NotFound, ...readErrors]
    }).annotate(OpenApi.Summary, "One task service"),
    HttpApiEndpoint.delete("deleteTaskserv", taskservs.deleteTaskserv.path, {
      params,
      headers: idempotent,
      query: dryRun,
      success: accepted,
      error: [Invalid, NotFound, ...changeErrors]
    }).annotate(OpenApi.Summary, "Delete a task service"),
    HttpApiEndpoint.get("taskservStatus", taskservs.taskservStatus.path, {
      params,
      success: TaskservStatus,
      error: [NotFound, ...readErrors]
    }).annotate(OpenApi.Summary, "How a task service is")
  )
  .annotate(OpenApi.Description, "What is installed on servers") {}
