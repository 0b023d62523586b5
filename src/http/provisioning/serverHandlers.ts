/**
 * Servers over HTTP. What is asked for is checked by its form alone; whether it can be done the operation finds out when its
 * turn has come, for by then things may be otherwise.
 */
import * as Effect from "effect/Effect"
import type { Operations } from "../../services/operations/Operations.ts"
import type { Inventory, Server } from "../../services/provisioning/Inventory.ts"
import type { provisioningEndpoints } from "../api/endpoints.ts"
import type { ServerEntry, ServerStatus } from "../api/provisioning/Servers.ts"
import type { Call } from "../edge/Call.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handlers } from "../edge/routes.ts"
import { page } from "../identity/pages.ts"
import { timeText } from "../identity/times.ts"
import { idempotencyOf } from "../operations/idempotency.ts"
import { accepted, submit } from "../operations/submitting.ts"
import { found, inventoryFailure } from "./failures.ts"
import { bodyMaxBytes, checkModeOf, readNewServer } from "./inputs.ts"

export interface ProvisioningHandlerServices {
  readonly inventory: Inventory["Service"]
  readonly operations: Pick<Operations["Service"], "submit" | "position">
}

export const makeServerHandlers = ({
  inventory,
  operations
}: ProvisioningHandlerServices): Handlers<typeof provisioningEndpoints.servers> => {
  const named = (call: Call) => {
    const id = call.params["server"] ?? ""
    return found(inventory.server(id), "server", id)
  }

  return {
    listServers: (call) =>
      Effect.flatMap(Effect.mapError(inventory.servers, inventoryFailure), (all) => {
        const wanted = call.query.get("workspace")
        const shown = wanted === null ? all : all.filter(({ workspace }) => workspace === wanted)
        return page(call, shown, ({ hostname, workspace }) => `${workspace}/${hostname}`, entryOf)
      }),

    createServer: Effect.fnUntraced(function* (call) {
      const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
      const asked = yield* readNewServer(call)
      return accepted(
        operations,
        call,
        yield* submit(operations, call, { ...asked, kind: "server.create", idempotency })
      )
    }),

    getServer: (call) => Effect.map(named(call), (server) => jsonResponse(entryOf(server))),

    deleteServer: Effect.fnUntraced(function* (call) {
      const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
      const check_mode = yield* checkModeOf(call)
      const { hostname, id, workspace } = yield* named(call)
      const input = { server_id: id, workspace, hostname, check_mode }
      const name = `${workspace}/${hostname}`
      return accepted(
        operations,
        call,
        yield* submit(operations, call, { kind: "server.delete", name, input, idempotency })
      )
    }),

    serverStatus: (call) =>
      Effect.map(named(call), ({ hostname, id, ipAddress, operation, status, updatedAt }) => {
        const body: typeof ServerStatus.Type = {
          id,
          hostname,
          status,
          ip_address: ipAddress,
          updated_at: timeText(updatedAt),
          operation
        }
        return jsonResponse(body)
      })
  }
}

const entryOf = (server: Server): typeof ServerEntry.Type => ({
  id: server.id,
  hostname: server.hostname,
  provider: server.provider,
  plan: server.plan,
  zone: server.zone,
  ip_address: server.ipAddress,
  status: server.status,
  created_at: timeText(server.createdAt),
  workspace: server.workspace,
  tags: server.tags
})
