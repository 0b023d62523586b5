/** The Provisioning API: every endpoint of its contract with its handler, loaded when it is first asked. */
import * as Effect from "effect/Effect"
import { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import { EventLog } from "../../services/events/EventLog.ts"
import { Instance } from "../../services/Instance.ts"
import { Metrics } from "../../services/metrics/Metrics.ts"
import { Operations } from "../../services/operations/Operations.ts"
import { OperationStore } from "../../services/operations/OperationStore.ts"
import { Inventory } from "../../services/provisioning/Inventory.ts"
import { provisioningEndpoints } from "../api/endpoints.ts"
import { bind, bindAtFirstUse, type Route } from "../edge/routes.ts"
import { operationRoutes } from "../operations/operationRoutes.ts"
import { makeServiceHandlers } from "./serviceHandlers.ts"

export const provisioningRoutes = Effect.gen(function* () {
  const operations = yield* Operations
  const services = { inventory: yield* Inventory, operations }
  const flows = { operations, config: yield* CurrentConfig, store: yield* OperationStore }
  // What health checks ask is there from the start.
  const itself = makeServiceHandlers({
    instance: yield* Instance,
    log: yield* EventLog,
    metrics: yield* Metrics,
    operations
  })
  const { servers, service, taskservs, workflows, workspaces } = provisioningEndpoints
  const routes: ReadonlyArray<Route> = [
    ...bind(service, itself),
    ...bindAtFirstUse(servers, async () => (await import("./serverHandlers.ts")).makeServerHandlers(services)),
    ...bindAtFirstUse(taskservs, async () => (await import("./taskservHandlers.ts")).makeTaskservHandlers(services)),
    ...bindAtFirstUse(workflows, async () => (await import("./workflowHandlers.ts")).makeWorkflowHandlers(flows)),
    ...bindAtFirstUse(workspaces, async () => (await import("./workspaceHandlers.ts")).makeWorkspaceHandlers(services)),
    ...operationRoutes(provisioningEndpoints.operations, operations)
  ]
  return routes
})
