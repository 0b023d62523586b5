/** An identity file whose disk or connection fails: nothing that cannot be verified is ever shown, and it heals by itself. */
import { copyFile, mkdir, open as openFile, readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { IdentityStore } from "../../../src/services/identity/IdentityStore.ts"
import * as StoredIdentities from "../../../src/services/identity/StoredIdentities.ts"
import * as IdentityStorageWorker from "../../../src/services/storage/IdentityStorageWorker.ts"
import { StorageWorker } from "../../../src/services/storage/StorageWorker.ts"
import type { Worker } from "node:worker_threads"
import { identitiesAt } from "../../harness/identities.ts"
import { readOnly, smallDisk } from "../../harness/smallDisk.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { userOf } from "./rows.ts"

const open = (path: string) =>
  Effect.map(Layer.build(identitiesAt(path)), (context) => Context.get(context, IdentityStore))

describe("an identity file", () => {
  it.live("is made when its full disk has room, and until then says that there is none", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const disk = yield* smallDisk(folder, 2048)
      yield* disk.fill()
      const store = yield* open(join(folder, "identity.sqlite"))
      assert.isUndefined(store.current())
      const error = yield* Effect.flip(store.fresh)
      assert.deepStrictEqual([error._tag, error.full], ["IdentityUnavailable", true])
      yield* disk.free
      yield* store.createUser(userOf("ann"))
      assert.isTrue((yield* store.fresh).users.has("ann"))
    })
  )

  it.live("is read on a full disk, refuses what is new, and takes it when there is room", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const disk = yield* smallDisk(folder, 2048)
      const path = join(folder, "identity.sqlite")
      yield* Effect.scoped(Effect.flatMap(open(path), (store) => store.createUser(userOf("ann"))))
      yield* disk.fill()
      const store = yield* open(path)
      assert.isTrue((yield* store.fresh).users.has("ann"))
      let refused = yield* Effect.exit(store.createUser(userOf("u0")))
      for (let i = 1; i < 100 && refused._tag === "Success"; i++) {
        refused = yield* Effect.exit(store.createUser(userOf(`u${i}`)))
      }
      const error = yield* Effect.flip(refused)
      assert.isTrue(error._tag === "IdentityUnavailable" && error.full)
      assert.isTrue((yield* store.fresh).users.has("ann"))
      yield* disk.free
      yield* store.createUser(userOf("late"))
      assert.isTrue((yield* store.fresh).users.has("late"))
    })
  )

  it.live("is missed on a read-only disk, and the start goes on without", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const fixed = join(folder, "fixed")
      yield* Effect.promise(() => mkdir(fixed))
      yield* readOnly(fixed)
      const store = yield* open(join(fixed, "identity.sqlite"))
      assert.isUndefined(store.current())
      const error = yield* Effect.flip(store.createUser(userOf("ann")))
      assert.isTrue(error._tag === "IdentityUnavailable" && error.full)
    })
  )

  it.live("that is damaged keeps the daemon from starting, and SQLite's log beside it is left, too", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = join(folder, "identity.sqlite")
      const killed = join(folder, "killed.sqlite")
      const store = yield* open(path)
      for (let i = 0; i < 200; i++) yield* store.createUser(userOf(`u${i}`))
      for (const suffix of ["", "-wal"]) yield* Effect.promise(() => copyFile(path + suffix, killed + suffix))
      const log = yield* Effect.promise(() => readFile(`${killed}-wal`))
      const damaged = yield* Effect.promise(() => openFile(killed, "r+"))
      yield* Effect.promise(() => damaged.write(Buffer.alloc(4096, 0x55), 0, 4096, 0))
      yield* Effect.promise(() => damaged.close())
      const emptied = yield* Effect.promise(() => openFile(`${killed}-wal`, "r+"))
      yield* Effect.promise(() => emptied.write(Buffer.alloc(100, 0x55), 0, 100, 0))
      yield* Effect.promise(() => emptied.close())
      const error = yield* Effect.flip(open(killed))
      assert.match(
        error.message,
        /^identity store .*killed\.sqlite: .*To recover what can be read: \.recover of sqlite3/u
      )
      const after = yield* Effect.promise(() => readFile(`${killed}-wal`))
      assert.isTrue(after.subarray(100).equals(log.subarray(100)))
    })
  )
})

describe("the storage thread", () => {
  it.live("that dies leaves no snapshot that holds, and the next request opens the file anew", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const identityPath = join(folder, "identity.sqlite")
      const workers: Array<Worker> = []
      const onWorker = (worker: Worker) => void workers.push(worker)
      yield* Effect.acquireRelease(
        Effect.sync(() => process.on("worker", onWorker)),
        () => Effect.sync(() => process.off("worker", onWorker))
      )
      const identities = StoredIdentities.layer.pipe(
        Layer.provide(IdentityStorageWorker.layer(identityPath)),
        Layer.provide(
          StorageWorker.layer({ directory: join(folder, "events"), identityPath, operationsPath: undefined })
        )
      )
      const store = Context.get(yield* Layer.build(Layer.fresh(identities)), IdentityStore)
      yield* store.createUser(userOf("ann"))
      assert.isDefined(store.current())
      yield* Effect.promise(() => workers.at(-1)?.terminate() ?? Promise.resolve(0))
      assert.isUndefined(store.current())
      // Meanwhile another changes it, with an index of its own.
      yield* Effect.scoped(
        Effect.flatMap(open(identityPath), (other) => other.changeUser("ann", { disabled: true }, 5))
      )
      assert.isTrue((yield* store.fresh).users.get("ann")?.disabled)
      yield* store.fresh
      assert.isDefined(store.current())
      assert.strictEqual(workers.length, 2)
    })
  )
})
