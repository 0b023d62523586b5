/** Contract of operations as the Provisioning API has them: what the System API has, in its paths and its errors. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { provisioningEndpoints } from "../endpoints.ts"
import { operationsDescription, operationShapes, operationWords } from "../Operations.ts"
import { Conflict, Forbidden, Invalid, NoRoom, NotFound, Unauthorized, Unavailable } from "./errors.ts"

const { operations } = provisioningEndpoints

/** Named apart from the System API's: names of operations are unique in a document. */
export class ProvisioningOperationsGroup extends HttpApiGroup.make("provisioning_operations")
  .add(
    HttpApiEndpoint.get("listOperations", operations.listOperations.path, {
      ...operationShapes.listOperations,
      error: [Invalid, Unauthorized, Forbidden, Unavailable]
    }).annotateMerge(operationWords.listOperations),
    HttpApiEndpoint.get("getOperation", operations.getOperation.path, {
      ...operationShapes.getOperation,
      error: [Invalid, NotFound, Unavailable]
    }).annotateMerge(operationWords.getOperation),
    HttpApiEndpoint.get("operationOutput", operations.operationOutput.path, {
      ...operationShapes.operationOutput,
      error: [Invalid, NotFound, Unavailable]
    }).annotateMerge(operationWords.operationOutput),
    HttpApiEndpoint.post("cancelOperation", operations.cancelOperation.path, {
      ...operationShapes.cancelOperation,
      error: [NotFound, Conflict, Unavailable, NoRoom]
    }).annotateMerge(operationWords.cancelOperation)
  )
  .annotate(OpenApi.Description, operationsDescription) {}
