/**
 * Which operations a caller may know of: whoever has a role that permits it, all of them. Whoever comes in because the
 * System API has no password, the runs of actions that such callers can ask for, and nothing of the other APIs.
 */
import * as Effect from "effect/Effect"
import { actionKindName } from "../../services/actions/actionKind.ts"
import { isOpenToAll } from "../../services/identity/Principal.ts"
import type { Operation } from "../../services/operations/Operation.ts"
import { OperationNotFound, type Operations, type OperationsUnavailable } from "../../services/operations/Operations.ts"
import type { Call } from "../edge/Call.ts"

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u

export const mayKnow = ({ principal }: Call): ((operation: Operation) => boolean) =>
  principal !== undefined && isOpenToAll(principal)
    ? // One that a workflow or the provisioning asked for is theirs.
      ({ kind, parent }) => kind === actionKindName && parent === null
    : () => true

/** The operation of the path; what is no id is the id of none. */
export const operationOf = (
  operations: Pick<Operations["Service"], "get">,
  call: Call
): Effect.Effect<Operation, OperationNotFound | OperationsUnavailable> => {
  const given = call.params["operation"] ?? ""
  const id = given.toLowerCase()
  const none = new OperationNotFound({ id: given })
  if (!uuid.test(id)) return Effect.fail(none)
  return Effect.filterOrFail(operations.get(id), mayKnow(call), () => none)
}
