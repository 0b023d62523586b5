/** Contract of workflows. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { stepStatuses } from "../../../services/workflows/stepStates.ts"
import { NewWorkflow } from "../../../services/workflows/requests.ts"
import { provisioningEndpoints } from "../endpoints.ts"
import { OperationEntry, OperationFaultEntry, operationShapes } from "../Operations.ts"
import { bodyErrors, changeErrors, Conflict, Invalid, NoRoom, NotFound, readErrors, Unavailable } from "./errors.ts"
import { idempotent } from "./parameters.ts"
import { accepted } from "./Servers.ts"

const { workflows } = provisioningEndpoints

const StepEntry = Schema.Struct({
  name: Schema.String,
  status: Schema.Literals(stepStatuses).annotate({
    description:
      "skipped: never begun, because something else failed or the whole was cancelled; compensated: it was done, and undone; " +
      "compensation_failed: it was done, and could not be undone"
  }),
  attempt: Schema.Int.annotate({ description: "The latest; 0: none has been made" }),
  operation_ids: Schema.Array(Schema.String).annotate({
    description: "The operations behind it, those that undo it too: their output is what it writes"
  }),
  started_at: Schema.NullOr(Schema.String),
  ended_at: Schema.NullOr(Schema.String),
  error: Schema.NullOr(OperationFaultEntry)
}).annotate({ identifier: "WorkflowStep" })

const members = {
  ...OperationEntry.fields,
  workspace: Schema.NullOr(Schema.String),
  workflow_type: Schema.String,
  parameters: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])).annotate({
    description: "As they were given, with those that were left out"
  })
}

export const WorkflowEntry = Schema.Struct(members).annotate({ identifier: "Workflow" })

export const WorkflowDetails = Schema.Struct({
  ...members,
  steps: Schema.Array(StepEntry).annotate({ description: "Each behind those that it needs" })
}).annotate({ identifier: "WorkflowDetails" })

export const WorkflowStatus = Schema.Struct({
  id: Schema.String,
  status: OperationEntry.fields.status,
  progress: OperationEntry.fields.progress,
  current_steps: Schema.Array(Schema.String).annotate({ description: "Those that are being done, or undone" })
}).annotate({ identifier: "WorkflowStatus" })

const params = { workflow: Schema.String.annotate({ description: "The id of its operation" }) }

const { kind: _kind, ...listQuery } = operationShapes.listOperations.query

export class WorkflowsGroup extends HttpApiGroup.make("workflows")
  .add(
    HttpApiEndpoint.get("listWorkflows", workflows.listWorkflows.path, {
      query: listQuery,
      success: Schema.Array(WorkflowEntry),
      error: [Invalid, ...readErrors]
    })
      .annotate(OpenApi.Summary, "Workflows, newest first")
      .annotate(OpenApi.Description, "Where there are more, the X-Next-Cursor header is the cursor that goes on."),
    HttpApiEndpoint.post("submitWorkflow", workflows.submitWorkflow.path, {
      headers: idempotent,
      payload: NewWorkflow,
      success: accepted,
      error: [...bodyErrors, ...changeErrors]
    })
      .annotate(OpenApi.Summary, "Submit a workflow")
      .annotate(
        OpenApi.Description,
        "What it does is in the configuration, under [workflows]; cluster_create (cluster_name, node_count, and provider and " +
          "plan with defaults) is there without one: it makes servers and installs kubernetes on them. Steps that need " +
          "nothing of each other are done side by side. When one fails for good, the whole takes too long or is cancelled, " +
          "what runs is cancelled and what was done is undone, the latest first; the operation's error has step_failed, " +
          "timed_out, cancelled or compensation_failed, and what could not be undone in details.compensation_failed."
      ),
    HttpApiEndpoint.get("getWorkflow", workflows.getWorkflow.path, {
      params,
      query: operationShapes.getOperation.query,
      success: WorkflowDetails,
      error: [Invalid, NotFound, ...readErrors]
    }).annotate(OpenApi.Summary, "One workflow and its steps"),
    HttpApiEndpoint.get("workflowStatus", workflows.workflowStatus.path, {
      params,
      success: WorkflowStatus,
      error: [NotFound, ...readErrors]
    }).annotate(OpenApi.Summary, "How far a workflow has come"),
    HttpApiEndpoint.post("cancelWorkflow", workflows.cancelWorkflow.path, {
      params,
      success: [
        WorkflowEntry.annotate({ httpApiStatus: 200, description: "It waited, and is cancelled" }),
        WorkflowEntry.annotate({ httpApiStatus: 202, description: "It runs: what it has done is being undone" })
      ],
      error: [NotFound, Conflict, Unavailable, NoRoom]
    })
      .annotate(OpenApi.Summary, "Cancel a workflow and undo what it has done")
      .annotate(OpenApi.Description, "One that has ended stays as it is (409).")
  )
  .annotate(OpenApi.Description, "Several operations in an order, done as a whole or undone") {}
