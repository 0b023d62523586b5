/** The Provisioning API: every endpoint of its contract with its handler, loaded when it is first asked. */
import * as Effect from "effect/Effect"
import { Operations } from "../../services/operations/Operations.ts"
import { Inventory } from "../../services/provisioning/Inventory.ts"
import { provisioningEndpoints } from "../api/endpoints.ts"
import { bindAtFirstUse, type Route } from "../edge/routes.ts"
import { operationRoutes } from "../operations/operationRoutes.ts"

export const provisioningRoutes = Effect.gen(function* () {
  const services = { inventory: yield* Inventory, operations: yield* Operations }
  const { servers, taskservs, workspaces } = provisioningEndpoints
  const routes: ReadonlyArray<Route> = [
    ...bindAtFirstUse(servers, async () => (await import("./serverHandlers.ts")).makeServerHandlers(services)),
    ...bindAtFirstUse(taskservs, async () => (await import("./taskservHandlers.ts")).makeTaskservHandlers(services)),
    ...bindAtFirstUse(workspaces, async () => (await import("./workspaceHandlers.ts")).makeWorkspaceHandlers(services)),
    ...operationRoutes(provisioningEndpoints.operations, services.operations)
  ]
  return routes
})
