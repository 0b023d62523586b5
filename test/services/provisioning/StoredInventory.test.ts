import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Server, Taskserv, Workspace } from "../../../src/services/provisioning/Inventory.ts"
import { inMemory } from "../../../src/services/storage/databaseFile.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { askedOf, many, openAt } from "../operations/rows.ts"

const serverOf = (id: string, more: Partial<Server> = {}): Server => ({
  id,
  workspace: "prod",
  hostname: `host-${id}`,
  provider: "builtin",
  plan: "small",
  zone: null,
  ipAddress: null,
  status: "creating",
  tags: ["web", "grün"],
  operation: `op-${id}`,
  createdAt: 1,
  updatedAt: 1,
  ...more
})

const taskservOf = (id: string, more: Partial<Taskserv> = {}): Taskserv => ({
  id,
  workspace: "prod",
  name: `name-${id}`,
  servers: ["web-1", "web-2"],
  status: "creating",
  operation: `op-${id}`,
  createdAt: 1,
  updatedAt: 1,
  ...more
})

const workspaceOf = (name: string, more: Partial<Workspace> = {}): Workspace => ({
  name,
  description: "",
  who: "ann",
  createdAt: 1,
  ...more
})

const keyOf = (fingerprint: string, key = "k") => ({ owner: "user:ann", key, fingerprint })

describe("servers", () => {
  it.effect("are listed in the order in which they were made, changed and removed by their id", () =>
    Effect.gen(function* () {
      const { inventory } = yield* openAt(inMemory)
      yield* inventory.addServer(serverOf("b"))
      yield* inventory.addServer(serverOf("a"))
      assert.deepStrictEqual(yield* inventory.servers, [serverOf("b"), serverOf("a")])
      const change = { status: "running", ipAddress: "10.0.0.7", operation: "op2" } as const
      assert.isTrue(yield* inventory.changeServer("b", change, 9))
      assert.deepStrictEqual(yield* inventory.server("b"), serverOf("b", { ...change, updatedAt: 9 }))
      yield* inventory.changeServer("b", { zone: "z1", ipAddress: null }, 10)
      assert.deepInclude(yield* inventory.server("b"), { zone: "z1", ipAddress: null, status: "running" })
      assert.deepStrictEqual(
        [yield* inventory.removeServer("b"), yield* inventory.removeServer("b"), yield* inventory.server("b")],
        [true, false, null]
      )
      assert.isFalse(yield* inventory.changeServer("b", change, 11))
      assert.deepStrictEqual(yield* inventory.servers, [serverOf("a")])
    })
  )

  it.effect("have a host name of their own within the workspace, and an id of their own everywhere", () =>
    Effect.gen(function* () {
      const { inventory } = yield* openAt(inMemory)
      yield* inventory.addServer(serverOf("a", { hostname: "web" }))
      const same = yield* Effect.flip(inventory.addServer(serverOf("b", { hostname: "web" })))
      assert.strictEqual(same.message, "server web in workspace prod is there already")
      const sameId = yield* Effect.flip(inventory.addServer(serverOf("a", { hostname: "other", workspace: "test" })))
      assert.strictEqual(sameId._tag, "AlreadyProvisioned")
      yield* inventory.addServer(serverOf("c", { hostname: "web", workspace: "test" }))
      assert.deepStrictEqual(
        (yield* inventory.servers).map(({ id }) => id),
        ["a", "c"]
      )
      // Nothing of what was refused is left.
      assert.deepStrictEqual(
        (yield* inventory.workspaces).map(({ name }) => name),
        ["prod", "test"]
      )
    })
  )

  it.effect("that an operation adds a second time are added", () =>
    Effect.gen(function* () {
      const { inventory } = yield* openAt(inMemory)
      yield* inventory.addServer(serverOf("a"))
      yield* inventory.changeServer("a", { ipAddress: "10.0.0.1" }, 5)
      yield* inventory.addServer(serverOf("a"))
      assert.deepStrictEqual(yield* inventory.servers, [serverOf("a", { ipAddress: "10.0.0.1", updatedAt: 5 })])
      assert.strictEqual(
        (yield* Effect.flip(inventory.addServer(serverOf("a", { operation: "x" }))))._tag,
        "AlreadyProvisioned"
      )
    })
  )

  it.effect("make their workspace, which who asked for them has made", () =>
    Effect.gen(function* () {
      const { inventory, store } = yield* openAt(inMemory)
      yield* store.submit(askedOf("op-a", { who: "bob" }), 1, many)
      yield* inventory.addServer(serverOf("a", { workspace: "new", createdAt: 7 }))
      yield* inventory.addServer(serverOf("b", { workspace: "new", createdAt: 8 }))
      yield* inventory.addTaskserv(taskservOf("c", { workspace: "newer", createdAt: 9 }))
      assert.deepStrictEqual(yield* inventory.workspaces, [
        workspaceOf("new", { who: "bob", createdAt: 7 }),
        workspaceOf("newer", { who: "anonymous", createdAt: 9 })
      ])
      assert.strictEqual(
        (yield* Effect.flip(inventory.addWorkspace(workspaceOf("new"), null)))._tag,
        "AlreadyProvisioned"
      )
    })
  )
})

describe("task services", () => {
  it.effect("are kept as servers are", () =>
    Effect.gen(function* () {
      const { inventory } = yield* openAt(inMemory)
      yield* inventory.addTaskserv(taskservOf("a"))
      yield* inventory.addTaskserv(taskservOf("a"))
      const same = yield* Effect.flip(inventory.addTaskserv(taskservOf("b", { name: "name-a" })))
      assert.strictEqual(same.message, "task service name-a in workspace prod is there already")
      yield* inventory.addTaskserv(taskservOf("b", { name: "name-a", workspace: "test" }))
      assert.isTrue(yield* inventory.changeTaskserv("a", { status: "failed", operation: "op2" }, 9))
      assert.isFalse(yield* inventory.changeTaskserv("x", { status: "failed" }, 9))
      assert.deepStrictEqual(
        yield* inventory.taskserv("a"),
        taskservOf("a", { status: "failed", operation: "op2", updatedAt: 9 })
      )
      assert.deepStrictEqual(
        [yield* inventory.removeTaskserv("a"), yield* inventory.removeTaskserv("a")],
        [true, false]
      )
      assert.deepStrictEqual(
        (yield* inventory.taskservs).map(({ id }) => id),
        ["b"]
      )
      assert.isNull(yield* inventory.taskserv("a"))
    })
  )
})

describe("workspaces", () => {
  it.effect("are made once for a key", () =>
    Effect.gen(function* () {
      const { inventory } = yield* openAt(inMemory)
      const prod = workspaceOf("prod", { description: "live" })
      assert.deepStrictEqual(yield* inventory.addWorkspace(prod, keyOf("f")), { workspace: prod, replayed: false })
      const again = yield* inventory.addWorkspace(workspaceOf("prod", { createdAt: 5 }), keyOf("f"))
      assert.deepStrictEqual(again, { workspace: prod, replayed: true })
      assert.strictEqual(
        (yield* Effect.flip(inventory.addWorkspace(workspaceOf("test"), keyOf("g"))))._tag,
        "IdempotencyConflict"
      )
      const there = yield* Effect.flip(inventory.addWorkspace(workspaceOf("prod"), keyOf("f", "l")))
      assert.strictEqual(there.message, "workspace prod is there already")
      assert.deepStrictEqual(yield* inventory.workspaces, [prod])
    })
  )

  it.effect("share their keys with operations: one stands for one request", () =>
    Effect.gen(function* () {
      const { inventory, store } = yield* openAt(inMemory)
      yield* store.submit(askedOf("a", { idempotency: keyOf("f") }), 1, many)
      yield* inventory.addWorkspace(workspaceOf("prod"), keyOf("w", "l"))
      const workspace = yield* Effect.flip(inventory.addWorkspace(workspaceOf("test"), keyOf("w")))
      const operation = yield* Effect.flip(store.submit(askedOf("b", { idempotency: keyOf("f", "l") }), 2, many))
      assert.deepStrictEqual([workspace._tag, operation._tag], ["IdempotencyConflict", "IdempotencyConflict"])
    })
  )
})

describe("the inventory", () => {
  it.live("is empty where there is no file, makes none by being read, and is there after a restart", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "operations.sqlite")
      const first = yield* openAt(path)
      assert.deepStrictEqual(
        [yield* first.inventory.servers, yield* first.inventory.taskservs, yield* first.inventory.workspaces],
        [[], [], []]
      )
      assert.isNull(yield* first.inventory.server("a"))
      assert.isFalse(yield* first.inventory.removeServer("a"))
      yield* first.inventory.addServer(serverOf("a"))
      yield* first.close
      const second = yield* openAt(path)
      assert.deepStrictEqual(yield* second.inventory.servers, [serverOf("a")])
    })
  )

  it.live("has a bound for each kind, and refuses more as a full disk would", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "operations.sqlite")
      const first = yield* openAt(path)
      yield* first.inventory.addServer(serverOf("a", { workspace: "w1" }))
      yield* first.close
      const db = new DatabaseSync(path)
      const upTo = (rows: number) => `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})`
      db.exec(`${upTo(10_000)} INSERT INTO workspaces (name, description, who, created_at)
        SELECT 'w' || i, '', 'ann', 1 FROM n`)
      db.exec(`${upTo(100_000)} INSERT INTO taskservs (id, workspace, name, servers, status, operation, created_at, updated_at)
        SELECT 't' || i, 'w1', 'n' || i, '[]', 'running', 'op', 1, 1 FROM n`)
      db.close()
      const { inventory } = yield* openAt(path)
      yield* inventory.addTaskserv(taskservOf("last", { workspace: "w1" }))
      const refused = [
        inventory.addWorkspace(workspaceOf("new"), null),
        inventory.addServer(serverOf("b", { workspace: "new" })),
        inventory.addTaskserv(taskservOf("more", { workspace: "w1" }))
      ]
      for (const refusal of refused) {
        const error = yield* Effect.flip(Effect.asVoid(refusal))
        assert.isTrue(error._tag === "OperationsUnavailable" && error.full, error.message)
      }
      yield* inventory.addServer(serverOf("b", { workspace: "w10000" }))
      assert.strictEqual((yield* inventory.servers).length, 2)
    })
  )
})
