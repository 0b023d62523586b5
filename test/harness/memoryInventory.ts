/**
 * An inventory in memory, which lets others come between as a real one does. `step` runs before and after each change, and
 * may end the daemon there.
 */
import * as Effect from "effect/Effect"
import {
  AlreadyProvisioned,
  Inventory,
  type Server,
  type Taskserv,
  type Workspace
} from "../../src/services/provisioning/Inventory.ts"
import { IdempotencyConflict } from "../../src/services/operations/Operations.ts"

export const memoryInventory = (step: Effect.Effect<void> = Effect.void): Inventory["Service"] => {
  const servers = new Map<string, Server>()
  const taskservs = new Map<string, Taskserv>()
  const workspaces = new Map<string, Workspace>()
  const keys = new Map<string, { readonly fingerprint: string; readonly name: string }>()

  const read = <A>(evaluate: () => A) => Effect.tap(Effect.sync(evaluate), () => Effect.yieldNow)

  const changes = <A, E>(change: Effect.Effect<A, E>) =>
    Effect.tap(Effect.andThen(Effect.andThen(step, Effect.yieldNow), change), () => step)

  const enter = ({ createdAt, workspace }: Server | Taskserv) => {
    if (!workspaces.has(workspace)) workspaces.set(workspace, { name: workspace, description: "", who: "", createdAt })
  }

  return Inventory.of({
    servers: read(() => [...servers.values()]),
    server: (id) => read(() => servers.get(id) ?? null),
    addServer: (server) =>
      changes(
        Effect.suspend(() => {
          const twin = [...servers.values()].some(
            (each) =>
              each.id === server.id || (each.workspace === server.workspace && each.hostname === server.hostname)
          )
          if (twin) return Effect.fail(new AlreadyProvisioned({ what: `server ${server.hostname}` }))
          servers.set(server.id, server)
          enter(server)
          return Effect.void
        })
      ),
    changeServer: (id, change, now) =>
      changes(
        Effect.suspend(() => {
          const server = servers.get(id)
          if (server === undefined) return Effect.succeed(false)
          const changed = { ...server, ...change, updatedAt: now }
          if (changed.id !== id && servers.has(changed.id)) {
            return Effect.fail(new AlreadyProvisioned({ what: `server ${changed.id}` }))
          }
          servers.delete(id)
          servers.set(changed.id, changed)
          return Effect.succeed(true)
        })
      ),
    removeServer: (id) => changes(Effect.sync(() => servers.delete(id))),
    taskservs: read(() => [...taskservs.values()]),
    taskserv: (id) => read(() => taskservs.get(id) ?? null),
    addTaskserv: (taskserv) =>
      changes(
        Effect.suspend(() => {
          const twin = [...taskservs.values()].some(
            (each) => each.workspace === taskserv.workspace && each.name === taskserv.name
          )
          if (twin) return Effect.fail(new AlreadyProvisioned({ what: `task service ${taskserv.name}` }))
          taskservs.set(taskserv.id, taskserv)
          enter(taskserv)
          return Effect.void
        })
      ),
    changeTaskserv: (id, change, now) =>
      changes(
        Effect.sync(() => {
          const taskserv = taskservs.get(id)
          if (taskserv !== undefined) taskservs.set(id, { ...taskserv, ...change, updatedAt: now })
          return taskserv !== undefined
        })
      ),
    removeTaskserv: (id) => changes(Effect.sync(() => taskservs.delete(id))),
    workspaces: read(() => [...workspaces.values()]),
    addWorkspace: (workspace, idempotency) =>
      changes(
        Effect.gen(function* () {
          const key = idempotency === null ? undefined : `${idempotency.owner}\n${idempotency.key}`
          const before = key === undefined ? undefined : keys.get(key)
          const there = workspaces.get(before?.name ?? workspace.name)
          if (before !== undefined && idempotency !== null && there !== undefined) {
            if (before.fingerprint !== idempotency.fingerprint) {
              return yield* new IdempotencyConflict({ key: idempotency.key })
            }
            return { workspace: there, replayed: true }
          }
          if (there !== undefined) return yield* new AlreadyProvisioned({ what: `workspace ${workspace.name}` })
          workspaces.set(workspace.name, workspace)
          if (key !== undefined && idempotency !== null) {
            keys.set(key, { fingerprint: idempotency.fingerprint, name: workspace.name })
          }
          return { workspace, replayed: false }
        })
      )
  })
}
