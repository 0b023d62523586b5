/** Operations in one API: the same handlers in each, whose errors are told in the words of the path. */
import type { Operations } from "../../services/operations/Operations.ts"
import type { provisioningEndpoints, systemEndpoints } from "../api/endpoints.ts"
import { bind, type Route } from "../edge/routes.ts"
import { makeOperationHandlers } from "./operationHandlers.ts"
import { makeOutputHandler } from "./outputHandler.ts"

type Endpoints = typeof systemEndpoints.operations | typeof provisioningEndpoints.operations

export const operationRoutes = (endpoints: Endpoints, operations: Operations["Service"]): ReadonlyArray<Route> =>
  bind(endpoints, { ...makeOperationHandlers(operations), operationOutput: makeOutputHandler(operations) })
