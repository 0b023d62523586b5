/** What may be asked of workflows. What its parameters may be the workflow says, one by one (planWorkflow.ts). */
import * as Schema from "effect/Schema"
import { workspaceName } from "../provisioning/requests.ts"

/** Any configured name is shorter; what is longer is told with those that there are. */
const typeLengthMax = 256

export const NewWorkflow = Schema.Struct({
  workspace: workspaceName,
  workflow_type: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(typeLengthMax)).annotate({
    description: "Name of a configured workflow, or cluster_create"
  }),
  parameters: Schema.optionalKey(
    Schema.NullOr(
      Schema.Record(Schema.String, Schema.Unknown).annotate({
        description: "What the workflow declares: texts, whole numbers, true or false, by name"
      })
    )
  ),
  check_mode: Schema.optionalKey(
    Schema.NullOr(
      Schema.Boolean.annotate({ description: "A dry run: its output tells what would be asked for, and nothing is" })
    )
  )
}).annotate({ identifier: "NewWorkflow" })
