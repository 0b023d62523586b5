/** Workspaces over HTTP: made at once, without an operation, for there is nothing to wait for but the disk. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Server, Taskserv, Workspace } from "../../services/provisioning/Inventory.ts"
import type { provisioningEndpoints } from "../api/endpoints.ts"
import type { WorkspaceDetails, WorkspaceEntry } from "../api/provisioning/Workspaces.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handlers } from "../edge/routes.ts"
import { page } from "../identity/pages.ts"
import { timeText } from "../identity/times.ts"
import { idempotencyOf } from "../operations/idempotency.ts"
import { replayedField, whoOf } from "../operations/submitting.ts"
import { found, inventoryFailure } from "./failures.ts"
import { bodyMaxBytes, readNewWorkspace } from "./inputs.ts"
import type { ProvisioningHandlerServices } from "./serverHandlers.ts"

interface Whole {
  readonly servers: ReadonlyArray<Server>
  readonly taskservs: ReadonlyArray<Taskserv>
}

export const makeWorkspaceHandlers = ({
  inventory
}: Pick<ProvisioningHandlerServices, "inventory">): Handlers<typeof provisioningEndpoints.workspaces> => {
  const contents = Effect.mapError(
    Effect.all({ servers: inventory.servers, taskservs: inventory.taskservs }),
    inventoryFailure
  )
  const workspaces = Effect.mapError(inventory.workspaces, inventoryFailure)

  return {
    listWorkspaces: (call) =>
      Effect.flatMap(Effect.all([workspaces, contents]), ([all, { servers, taskservs }]) => {
        const counts = { servers: countsOf(servers), taskservs: countsOf(taskservs) }
        return page(
          call,
          all,
          ({ name }) => name,
          (workspace): typeof WorkspaceEntry.Type => ({
            ...entryOf(workspace),
            server_count: counts.servers.get(workspace.name) ?? 0,
            taskserv_count: counts.taskservs.get(workspace.name) ?? 0
          })
        )
      }),

    createWorkspace: Effect.fnUntraced(function* (call) {
      const idempotency = yield* idempotencyOf(call, bodyMaxBytes)
      const { description, name } = yield* readNewWorkspace(call)
      const asked = {
        name,
        description: description ?? "",
        who: whoOf(call),
        createdAt: yield* Clock.currentTimeMillis
      }
      const { replayed, workspace } = yield* Effect.mapError(
        inventory.addWorkspace(asked, idempotency),
        inventoryFailure
      )
      return HttpServerResponse.setHeaders(jsonResponse(detailsOf(workspace, yield* contents), 201), {
        location: `/v1/workspaces/${workspace.name}`,
        ...replayedField(replayed)
      })
    }),

    getWorkspace: Effect.fnUntraced(function* (call) {
      const wanted = call.params["workspace"] ?? ""
      const one = Effect.map(inventory.workspaces, (all) => all.find(({ name }) => name === wanted) ?? null)
      return jsonResponse(detailsOf(yield* found(one, "workspace", wanted), yield* contents))
    })
  }
}

const entryOf = ({ createdAt, description, name, who }: Workspace) => ({
  name,
  description,
  created_at: timeText(createdAt),
  created_by: who
})

const countsOf = (rows: ReadonlyArray<{ readonly workspace: string }>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const { workspace } of rows) counts.set(workspace, (counts.get(workspace) ?? 0) + 1)
  return counts
}

const detailsOf = (workspace: Workspace, whole: Whole): typeof WorkspaceDetails.Type => {
  const servers = whole.servers.flatMap((each) => (each.workspace === workspace.name ? each.hostname : []))
  const taskservs = whole.taskservs.flatMap((each) => (each.workspace === workspace.name ? each.name : []))
  return {
    ...entryOf(workspace),
    server_count: servers.length,
    taskserv_count: taskservs.length,
    servers: servers.sort(),
    taskservs: taskservs.sort()
  }
}
