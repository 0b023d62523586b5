/**
 * `taskserv.create` and `taskserv.delete`: what failed or was cancelled is left as a server is (serverOperations.ts).
 *
 * A task service goes on servers of its workspace that run. Where the inventory is all there is, one that it does not have
 * does not exist; a program may know servers that it does not.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Json, Operation, OperationFailed } from "../operations/Operation.ts"
import type { OperationContext } from "../operations/OperationKinds.ts"
import type { OperationsUnavailable } from "../operations/Operations.ts"
import type { Taskserv } from "./Inventory.ts"
import {
  carryOut,
  chosen,
  claim,
  fault,
  idOf,
  move,
  orUnavailable,
  type Provisioning,
  readInput,
  rehearse,
  type Shelf,
  statusBefore
} from "./lifecycle.ts"
import type { Done } from "./Provisioner.ts"
import { DeleteTaskserv, NewTaskserv } from "./requests.ts"
import { driverName, TaskservRow } from "./rows.ts"

const Held = Schema.Struct({ driver: driverName, means: Schema.NullOr(Schema.String), taskserv: TaskservRow })
const decodeHeld = Schema.decodeUnknownEffect(Held)

/** The journal is ours. */
const readHeld = (kept: Json): Effect.Effect<typeof Held.Type> => Effect.orDie(decodeHeld(kept))

const readNew = readInput(NewTaskserv)
const readDelete = readInput(DeleteTaskserv)

const shelfOf = ({ inventory }: Provisioning): Shelf => ({
  change: inventory.changeTaskserv,
  remove: inventory.removeTaskserv
})

export const createTaskserv = (provisioning: Provisioning) => {
  const { alone, inventory, provisioners } = provisioning
  const shelf = shelfOf(provisioning)

  return Effect.fnUntraced(function* (operation: Operation, context: OperationContext) {
    const { check_mode, ...asked } = yield* readNew(operation.input)
    const id = idOf("tsk", operation.id)
    const now = yield* Clock.currentTimeMillis

    /** As it would be; fails where it cannot be. */
    const examined = Effect.gen(function* () {
      const all = yield* inventory.taskservs
      const twin = all.find(({ name, workspace }) => name === asked.name && workspace === asked.workspace)
      if (twin !== undefined) return yield* alreadyThere(twin)
      yield* serversRun(provisioning, asked)
      const taskserv: Taskserv = {
        ...asked,
        id,
        status: "creating",
        operation: operation.id,
        createdAt: now,
        updatedAt: now
      }
      return taskserv
    })

    if (check_mode === true) {
      const taskserv = yield* orUnavailable(alone(examined))
      const done = yield* rehearse(provisioning, { _tag: "taskserv.create", taskserv }, context)
      return { ...resultOf({ ...taskserv, id: null }, done), check_mode: true }
    }

    const held = Effect.gen(function* () {
      const before = yield* inventory.taskserv(id)
      const taskserv = before ?? (yield* examined)
      if (before === null) {
        yield* Effect.catchTag(inventory.addTaskserv(taskserv), "AlreadyProvisioned", () =>
          Effect.fail(alreadyThere(taskserv))
        )
      }
      return { ...chosen(provisioning, "taskserv.create"), taskserv: { ...taskserv } }
    })

    const find = inventory.taskserv(id)
    return yield* carryOut<typeof Held.Type>({
      hold: Effect.flatMap(context.once("hold", orUnavailable(alone(held)), { again: true }), readHeld),
      perform: ({ driver, means, taskserv }) =>
        provisioners[driver].perform({ _tag: "taskserv.create", taskserv }, means, context),
      keep: ({ taskserv }, done) =>
        Effect.as(move(provisioning, shelf, operation, find, "creating", "running"), resultOf(taskserv, done)),
      letGo: Effect.fnUntraced(function* (kept, begun) {
        const undone =
          kept !== null &&
          begun &&
          (yield* context.isCancelled) &&
          (yield* provisioners[kept.driver].undo({ _tag: "taskserv.create", taskserv: kept.taskserv }, context))
        yield* move(provisioning, shelf, operation, find, "creating", begun && !undone ? "failed" : null)
      })
    })
  })
}

export const deleteTaskserv = (provisioning: Provisioning) => {
  const { alone, inventory, provisioners } = provisioning
  const shelf = shelfOf(provisioning)

  return Effect.fnUntraced(function* (operation: Operation, context: OperationContext) {
    const asked = yield* readDelete(operation.input)
    const what =
      "taskserv_id" in asked ? `task service ${asked.taskserv_id}` : `task service ${asked.workspace}/${asked.name}`
    const find =
      "taskserv_id" in asked
        ? inventory.taskserv(asked.taskserv_id)
        : Effect.map(
            inventory.taskservs,
            (all) => all.find((each) => each.name === asked.name && each.workspace === asked.workspace) ?? null
          )

    if (asked.check_mode === true) {
      const taskserv = yield* orUnavailable(find)
      if (taskserv === null) return yield* fault("not_found", `there is no ${what}`)
      const done = yield* rehearse(provisioning, { _tag: "taskserv.delete", taskserv }, context)
      return { ...resultOf(taskserv, done), check_mode: true }
    }

    const held = Effect.map(claim(provisioning, shelf, operation, find, what), (taskserv) => ({
      ...chosen(provisioning, "taskserv.delete"),
      taskserv: { ...taskserv }
    }))

    return yield* carryOut<typeof Held.Type>({
      hold: Effect.flatMap(context.once("hold", orUnavailable(alone(held)), { again: true }), readHeld),
      perform: ({ driver, means, taskserv }) =>
        provisioners[driver].perform({ _tag: "taskserv.delete", taskserv }, means, context),
      keep: ({ taskserv }, done) =>
        Effect.as(
          move(provisioning, shelf, operation, inventory.taskserv(taskserv.id), "deleting", null),
          resultOf(taskserv, done)
        ),
      letGo: (kept, begun) =>
        move(
          provisioning,
          shelf,
          operation,
          kept === null ? find : inventory.taskserv(kept.taskserv.id),
          "deleting",
          begun ? "failed" : statusBefore(kept?.taskserv ?? null)
        )
    })
  })
}

const serversRun = (
  { driver, inventory, provisioners }: Provisioning,
  { servers, workspace }: Pick<Taskserv, "servers" | "workspace">
): Effect.Effect<void, OperationFailed | OperationsUnavailable> =>
  Effect.gen(function* () {
    const there = new Map(
      (yield* inventory.servers).flatMap((each) => (each.workspace === workspace ? [[each.hostname, each.status]] : []))
    )
    for (const hostname of servers) {
      const status = there.get(hostname)
      if (status === undefined && provisioners[driver()].isWhole) {
        return yield* fault("not_found", `there is no server ${workspace}/${hostname}`)
      }
      if (status !== undefined && status !== "running") {
        return yield* fault("conflict", `server ${workspace}/${hostname} does not run: ${status}`)
      }
    }
  })

const alreadyThere = ({ id, name, status, workspace }: Taskserv) =>
  fault(
    "already_exists",
    `task service ${workspace}/${name} is there already (${id}, ${status})${status === "failed" ? "; delete it first" : ""}`
  )

const resultOf = (
  { id, name, servers, workspace }: Omit<Taskserv, "id"> & { readonly id: string | null },
  done: Done
): Schema.JsonObject => ({ ...done.told, taskserv_id: id, name, workspace, servers })
