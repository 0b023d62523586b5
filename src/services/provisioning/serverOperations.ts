/**
 * `server.create` and `server.delete`.
 *
 * A create that fails once its driver has begun leaves a server that says "failed", which a delete removes; one that is
 * cancelled does too, where what was begun cannot be undone. A delete that fails leaves "failed" likewise, and may be tried
 * again. A server that a task service is on is not deleted.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Json, Operation } from "../operations/Operation.ts"
import type { OperationContext } from "../operations/OperationKinds.ts"
import type { Server } from "./Inventory.ts"
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
  settled,
  type Shelf,
  statusBefore
} from "./lifecycle.ts"
import type { Done } from "./Provisioner.ts"
import { DeleteServer, NewServer } from "./requests.ts"
import { driverName, ServerRow } from "./rows.ts"

const Held = Schema.Struct({ driver: driverName, means: Schema.NullOr(Schema.String), server: ServerRow })
const decodeHeld = Schema.decodeUnknownEffect(Held)

/** The journal is ours. */
const readHeld = (kept: Json): Effect.Effect<typeof Held.Type> => Effect.orDie(decodeHeld(kept))

const readNew = readInput(NewServer)
const readDelete = readInput(DeleteServer)

const shelfOf = ({ inventory }: Provisioning): Shelf => ({
  // An id stays as it is here, so that it cannot be another's.
  change: (id, change, now) =>
    Effect.catchTag(inventory.changeServer(id, change, now), "AlreadyProvisioned", Effect.die),
  remove: inventory.removeServer
})

export const createServer = (provisioning: Provisioning) => {
  const { alone, inventory, provisioners } = provisioning
  const shelf = shelfOf(provisioning)

  return Effect.fnUntraced(function* (operation: Operation, context: OperationContext) {
    const { check_mode, tags, zone, ...asked } = yield* readNew(operation.input)
    const id = idOf("srv", operation.id)
    const now = yield* Clock.currentTimeMillis

    /** As it would be; fails where it cannot be. */
    const examined = Effect.gen(function* () {
      const all = yield* inventory.servers
      const twin = all.find(({ hostname, workspace }) => hostname === asked.hostname && workspace === asked.workspace)
      if (twin !== undefined) return yield* alreadyThere(twin)
      const taken = () => new Set(all.flatMap(({ ipAddress }) => ipAddress ?? []))
      const server: Server = {
        ...asked,
        id,
        zone: zone ?? null,
        tags: tags ?? [],
        ipAddress: yield* provisioners[provisioning.driver()].address(taken),
        status: "creating",
        operation: operation.id,
        createdAt: now,
        updatedAt: now
      }
      return server
    })

    if (check_mode === true) {
      const server = yield* orUnavailable(alone(examined))
      const done = yield* rehearse(provisioning, { _tag: "server.create", server }, context)
      return { ...resultOf({ ...server, id: done.id ?? null }, done), check_mode: true }
    }

    const held = Effect.gen(function* () {
      const before = yield* inventory.server(id)
      const server = before ?? (yield* examined)
      if (before === null) {
        yield* Effect.catchTag(inventory.addServer(server), "AlreadyProvisioned", () =>
          Effect.fail(alreadyThere(server))
        )
      }
      return { ...chosen(provisioning, "server.create"), server: { ...server } }
    })

    const find = inventory.server(id)
    return yield* carryOut<typeof Held.Type>({
      hold: Effect.flatMap(context.once("hold", orUnavailable(alone(held)), { again: true }), readHeld),
      perform: ({ driver, means, server }) =>
        provisioners[driver].perform({ _tag: "server.create", server }, means, context),
      keep: Effect.fnUntraced(function* ({ server }, done) {
        const made: Server = { ...server, id: done.id ?? id, ipAddress: done.ipAddress ?? server.ipAddress }
        if (yield* nowRunning(provisioning, operation, id, made)) return resultOf(made, done)
        yield* move(provisioning, shelf, operation, find, "creating", "failed")
        return yield* fault("invalid_result", `its server_id, ${made.id}, is another server's`)
      }),
      letGo: Effect.fnUntraced(function* (kept, begun) {
        const undone =
          kept !== null &&
          begun &&
          (yield* context.isCancelled) &&
          (yield* provisioners[kept.driver].undo({ _tag: "server.create", server: kept.server }, context))
        yield* move(provisioning, shelf, operation, find, "creating", begun && !undone ? "failed" : null)
      })
    })
  })
}

export const deleteServer = (provisioning: Provisioning) => {
  const { alone, inventory, provisioners } = provisioning
  const shelf = shelfOf(provisioning)

  return Effect.fnUntraced(function* (operation: Operation, context: OperationContext) {
    const asked = yield* readDelete(operation.input)
    const what = "server_id" in asked ? `server ${asked.server_id}` : `server ${asked.workspace}/${asked.hostname}`
    const find =
      "server_id" in asked
        ? inventory.server(asked.server_id)
        : Effect.map(
            inventory.servers,
            (all) => all.find((each) => each.hostname === asked.hostname && each.workspace === asked.workspace) ?? null
          )

    const unneeded = Effect.gen(function* () {
      const server = yield* find
      if (server === null) return yield* fault("not_found", `there is no ${what}`)
      const needing = (yield* inventory.taskservs).find(
        ({ servers, workspace }) => workspace === server.workspace && servers.includes(server.hostname)
      )
      if (needing !== undefined) {
        return yield* fault(
          "conflict",
          `${what}: the task service ${needing.name} (${needing.id}) is on it; delete that first`
        )
      }
      return server
    })

    if (asked.check_mode === true) {
      const server = yield* orUnavailable(alone(unneeded))
      const done = yield* rehearse(provisioning, { _tag: "server.delete", server }, context)
      return { ...resultOf(server, done), check_mode: true }
    }

    const held = Effect.gen(function* () {
      yield* unneeded
      const server = yield* claim(provisioning, shelf, operation, find, what)
      return { ...chosen(provisioning, "server.delete"), server: { ...server } }
    })

    return yield* carryOut<typeof Held.Type>({
      hold: Effect.flatMap(context.once("hold", orUnavailable(alone(held)), { again: true }), readHeld),
      perform: ({ driver, means, server }) =>
        provisioners[driver].perform({ _tag: "server.delete", server }, means, context),
      keep: ({ server }, done) =>
        Effect.as(
          move(provisioning, shelf, operation, inventory.server(server.id), "deleting", null),
          resultOf(server, done)
        ),
      letGo: (kept, begun) =>
        move(
          provisioning,
          shelf,
          operation,
          kept === null ? find : inventory.server(kept.server.id),
          "deleting",
          begun ? "failed" : statusBefore(kept?.server ?? null)
        )
    })
  })
}

const alreadyThere = ({ hostname, id, status, workspace }: Server) =>
  fault(
    "already_exists",
    `server ${workspace}/${hostname} is there already (${id}, ${status})${status === "failed" ? "; delete it first" : ""}`
  )

/** The row gets what the driver told, its provider's id too; false: that id is another server's. */
const nowRunning = (
  { alone, inventory }: Provisioning,
  operation: Operation,
  id: string,
  { id: given, ipAddress }: Server
): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const row = yield* inventory.server(id)
    // Done before a restart, and perhaps deleted since.
    if (row === null || row.operation !== operation.id || row.status !== "creating") return true
    const change = { ipAddress, status: "running" as const, ...(given === id ? {} : { id: given }) }
    return yield* inventory.changeServer(id, change, yield* Clock.currentTimeMillis).pipe(
      Effect.as(true),
      Effect.catchTag("AlreadyProvisioned", () => Effect.succeed(false))
    )
  }).pipe(alone, settled)

const resultOf = (
  { hostname, id, ipAddress, workspace }: Omit<Server, "id"> & { readonly id: string | null },
  done: Done
): Schema.JsonObject => ({ ...done.told, server_id: id, ip_address: ipAddress, hostname, workspace })
