/** Contract of operations as the Provisioning API has them: what the System API has, in its paths and its errors. */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { provisioningEndpoints } from "../endpoints.ts"
import { operationsDescription, operationShapes, operationWords } from "../Operations.ts"
import { Conflict, Forbidden, Invalid, NoRoom, NotFound, Unauthorized, Unavailable } from "./errors.ts"

const { operations } = provisioningEndpoints

/** Apart from the System API's, whose endpoints have these names too: in one document they are unique. */
const named = (name: keyof typeof operationWords) => OpenApi.annotations({ identifier: `provisioning.${name}` })

export class ProvisioningOperationsGroup extends HttpApiGroup.make("operations")
  .add(
    HttpApiEndpoint.get("listOperations", operations.listOperations.path, {
      ...operationShapes.listOperations,
      error: [Invalid, Unauthorized, Forbidden, Unavailable]
    })
      .annotateMerge(operationWords.listOperations)
      .annotateMerge(named("listOperations")),
    HttpApiEndpoint.get("getOperation", operations.getOperation.path, {
      ...operationShapes.getOperation,
      error: [Invalid, NotFound, Unavailable]
    })
      .annotateMerge(operationWords.getOperation)
      .annotateMerge(named("getOperation")),
    HttpApiEndpoint.get("operationOutput", operations.operationOutput.path, {
      ...operationShapes.operationOutput,
      error: [Invalid, NotFound, Unavailable]
    })
      .annotateMerge(operationWords.operationOutput)
      .annotateMerge(named("operationOutput")),
    HttpApiEndpoint.post("cancelOperation", operations.cancelOperation.path, {
      ...operationShapes.cancelOperation,
      error: [NotFound, Conflict, Unavailable, NoRoom]
    })
      .annotateMerge(operationWords.cancelOperation)
      .annotateMerge(named("cancelOperation"))
  )
  .annotateMerge(OpenApi.annotations({ title: "provisioning operations", description: operationsDescription })) {}
