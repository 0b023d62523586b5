/**
 * The stored inventory, in memory, which lets others come between as a storage thread does. `step` runs before and after
 * each change, and may end the daemon there.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { storedLayer } from "../../src/services/operations/storedLayer.ts"
import { Inventory } from "../../src/services/provisioning/Inventory.ts"
import { inMemory } from "../../src/services/storage/databaseFile.ts"
import { layerAt } from "../../src/services/storage/OperationsStorageHere.ts"

export const steppedInventory = Effect.fnUntraced(function* (step: Effect.Effect<void> = Effect.void) {
  const context = yield* Layer.build(Layer.fresh(storedLayer.pipe(Layer.provide(layerAt(inMemory)))))
  const stored = Context.get(context, Inventory)

  const read = <A, E>(effect: Effect.Effect<A, E>) => Effect.tap(effect, () => Effect.yieldNow)

  const changes = <A, E>(change: Effect.Effect<A, E>) =>
    Effect.tap(Effect.andThen(Effect.andThen(step, Effect.yieldNow), change), () => step)

  return Inventory.of({
    servers: read(stored.servers),
    server: (id) => read(stored.server(id)),
    addServer: (server) => changes(stored.addServer(server)),
    changeServer: (id, change, now) => changes(stored.changeServer(id, change, now)),
    removeServer: (id) => changes(stored.removeServer(id)),
    taskservs: read(stored.taskservs),
    taskserv: (id) => read(stored.taskserv(id)),
    addTaskserv: (taskserv) => changes(stored.addTaskserv(taskserv)),
    changeTaskserv: (id, change, now) => changes(stored.changeTaskserv(id, change, now)),
    removeTaskserv: (id) => changes(stored.removeTaskserv(id)),
    workspaces: read(stored.workspaces),
    addWorkspace: (workspace, idempotency) => changes(stored.addWorkspace(workspace, idempotency))
  })
})
