/**
 * Operations in one API: the same handlers in each, whose errors are told in the words of the path. Loaded when they are
 * first asked.
 */
import type { Operations } from "../../services/operations/Operations.ts"
import type { provisioningEndpoints, systemEndpoints } from "../api/endpoints.ts"
import { bindAtFirstUse, type Route } from "../edge/routes.ts"

type Endpoints = typeof systemEndpoints.operations | typeof provisioningEndpoints.operations

export const operationRoutes = (endpoints: Endpoints, operations: Operations["Service"]): ReadonlyArray<Route> =>
  bindAtFirstUse(endpoints, async () => {
    const [{ makeOperationHandlers }, { makeOutputHandler }] = await Promise.all([
      import("./operationHandlers.ts"),
      import("./outputHandler.ts")
    ])
    return { ...makeOperationHandlers(operations), operationOutput: makeOutputHandler(operations) }
  })
