/** Inventory over OperationsStorage: what each command answers as the contract's values and errors. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AlreadyProvisioned, Inventory, type Workspace } from "../provisioning/Inventory.ts"
import type { OperationsCommand } from "../storage/operations/commands.ts"
import { OperationsStorage } from "../storage/OperationsStorage.ts"
import { IdempotencyConflict, OperationsUnavailable } from "./Operations.ts"

const full = new OperationsUnavailable({ reason: "no more servers, task services or workspaces are kept", full: true })

interface WorkspaceMade {
  readonly workspace: Workspace
  readonly replayed: boolean
}

type NotMade = AlreadyProvisioned | IdempotencyConflict | OperationsUnavailable

const make = Effect.gen(function* () {
  const { ask } = yield* OperationsStorage
  const changed = (command: OperationsCommand) =>
    Effect.map(ask(command, "changed"), ({ changed: isChanged }) => isChanged)
  const added = (command: OperationsCommand, what: string) =>
    Effect.flatMap(
      ask(command, "added"),
      ({ outcome }): Effect.Effect<void, AlreadyProvisioned | OperationsUnavailable> => {
        switch (outcome) {
          case "added":
            return Effect.void
          case "there":
            return Effect.fail(new AlreadyProvisioned({ what }))
          case "full":
            return Effect.fail(full)
        }
      }
    )
  const servers = (id: string | null) => Effect.map(ask({ tag: "servers", id }, "servers"), (value) => value.servers)
  const taskservs = (id: string | null) =>
    Effect.map(ask({ tag: "taskservs", id }, "taskservs"), (value) => value.taskservs)

  return Inventory.of({
    servers: servers(null),
    server: (id) => Effect.map(servers(id), ([server]) => server ?? null),
    addServer: (server) =>
      added({ tag: "add-server", server }, `server ${server.hostname} in workspace ${server.workspace}`),
    changeServer: (id, change, now) =>
      Effect.flatMap(ask({ tag: "change-server", id, change, now }, "renamed"), ({ outcome }) =>
        outcome === "there"
          ? Effect.fail(new AlreadyProvisioned({ what: `server ${change.id ?? id}` }))
          : Effect.succeed(outcome === "changed")
      ),
    removeServer: (id) => changed({ tag: "remove-server", id }),
    taskservs: taskservs(null),
    taskserv: (id) => Effect.map(taskservs(id), ([taskserv]) => taskserv ?? null),
    addTaskserv: (taskserv) =>
      added({ tag: "add-taskserv", taskserv }, `task service ${taskserv.name} in workspace ${taskserv.workspace}`),
    changeTaskserv: (id, change, now) => changed({ tag: "change-taskserv", id, change, now }),
    removeTaskserv: (id) => changed({ tag: "remove-taskserv", id }),
    workspaces: Effect.map(ask({ tag: "workspaces" }, "workspaces"), ({ workspaces }) => workspaces),
    addWorkspace: (workspace, idempotency) =>
      Effect.flatMap(
        ask({ tag: "add-workspace", workspace, idempotency }, "workspace"),
        ({ outcome }): Effect.Effect<WorkspaceMade, NotMade> => {
          switch (outcome._tag) {
            case "made":
              return Effect.succeed({ workspace: outcome.workspace, replayed: outcome.replayed })
            case "there":
              return Effect.fail(new AlreadyProvisioned({ what: `workspace ${workspace.name}` }))
            case "conflict":
              return Effect.fail(new IdempotencyConflict({ key: idempotency?.key ?? "" }))
            case "full":
              return Effect.fail(full)
          }
        }
      )
  })
})

export const layer: Layer.Layer<Inventory, never, OperationsStorage> = Layer.effect(Inventory, make)
