/**
 * The kind of operations that are workflows. What one does is loaded with the first of them.
 *
 * Bounds: `runningMax` run at once, and of one type as many as it says; the others wait.
 */
import * as Effect from "effect/Effect"
import type { CurrentConfig } from "../config/CurrentConfig.ts"
import type { OperationKind } from "../operations/OperationKinds.ts"
import { workflowOf } from "./builtInWorkflows.ts"
import type { WorkflowServices } from "./workflowChildren.ts"

export const workflowKindName = "workflow"

/** Each has its operations in memory, a thousand at most, and does nothing but wait for them. */
const runningMax = 64

export interface WorkflowKindServices extends WorkflowServices {
  readonly config: CurrentConfig["Service"]
}

export const makeWorkflowKind = ({ config, ...services }: WorkflowKindServices): OperationKind => ({
  kind: workflowKindName,
  limits: (name) => ({
    group: workflowKindName,
    concurrency: runningMax,
    // One whose type is not configured any more goes on as it was stored.
    perName: workflowOf(config.get().workflows, name)?.concurrency ?? 1
  }),
  run: (operation, context) =>
    Effect.flatMap(
      Effect.promise(() => import("./runWorkflow.ts")),
      ({ runWorkflow }) => runWorkflow(services)(operation, context)
    )
})
