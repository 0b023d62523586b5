/** Task services over HTTP, as servers are (serverHandlers.ts). */
import * as Effect from "effect/Effect"
import type { Taskserv } from "../../services/provisioning/Inventory.ts"
import type { provisioningEndpoints } from "../api/endpoints.ts"
import type { TaskservEntry, TaskservStatus } from "../api/provisioning/Taskservs.ts"
import type { Call } from "../edge/Call.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handlers } from "../edge/routes.ts"
import { page } from "../identity/pages.ts"
import { timeText } from "../identity/times.ts"
import { idempotencyOf } from "../operations/idempotency.ts"
import { accepted, submit } from "../operations/submitting.ts"
import { found, inventoryFailure } from "./failures.ts"
import { bodyMaxBytes, checkModeOf, readNewTaskserv } from "./inputs.ts"
import type { ProvisioningHandlerServices } from "./serverHandlers.ts"

export const makeTaskservHandlers = ({
  inventory,
  operations
}: ProvisioningHandlerServices): Handlers<typeof provisioningEndpoints.taskservs> => {
  const named = (call: Call) => {
    const id = call.params["taskserv"] ?? ""
    return found(inventory.taskserv(id), "task service", id)
  }

  return {
    listTaskservs: (call) =>
      Effect.flatMap(Effect.mapError(inventory.taskservs, inventoryFailure), (all) => {
        const wanted = call.query.get("workspace")
        const shown = wanted === null ? all : all.filter(({ workspace }) => workspace === wanted)
        return page(call, shown, ({ name, workspace }) => `${workspace}/${name}`, entryOf)
      }),

    createTaskserv: Effect.fnUntraced(function* (call) {
      const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
      const asked = yield* readNewTaskserv(call)
      return accepted(
        operations,
        call,
        yield* submit(operations, call, { ...asked, kind: "taskserv.create", idempotency })
      )
    }),

    getTaskserv: (call) => Effect.map(named(call), (taskserv) => jsonResponse(entryOf(taskserv))),

    deleteTaskserv: Effect.fnUntraced(function* (call) {
      const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
      const check_mode = yield* checkModeOf(call)
      const { id, name, workspace } = yield* named(call)
      const input = { taskserv_id: id, workspace, name, check_mode }
      return accepted(
        operations,
        call,
        yield* submit(operations, call, { kind: "taskserv.delete", name: `${workspace}/${name}`, input, idempotency })
      )
    }),

    taskservStatus: (call) =>
      Effect.map(named(call), ({ id, name, operation, status, updatedAt }) => {
        const body: typeof TaskservStatus.Type = { id, name, status, updated_at: timeText(updatedAt), operation }
        return jsonResponse(body)
      })
  }
}

const entryOf = (taskserv: Taskserv): typeof TaskservEntry.Type => ({
  id: taskserv.id,
  name: taskserv.name,
  workspace: taskserv.workspace,
  servers: taskserv.servers,
  status: taskserv.status,
  created_at: timeText(taskserv.createdAt)
})
