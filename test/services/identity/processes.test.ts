/** Several processes on one identity file, each with its own storage thread. */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { IdentityStore } from "../../../src/services/identity/IdentityStore.ts"
import * as StoredIdentities from "../../../src/services/identity/StoredIdentities.ts"
import * as IdentityStorageWorker from "../../../src/services/storage/IdentityStorageWorker.ts"
import { StorageWorker } from "../../../src/services/storage/StorageWorker.ts"
import { random } from "../../harness/random.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { hashOf, userOf } from "./rows.ts"

const program = fileURLToPath(new URL("neighbour.ts", import.meta.url))
const far = 4_000_000_000_000

const open = Effect.fnUntraced(function* (folder: string) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const identityPath = join(folder, "identity.sqlite")
  const identities = StoredIdentities.layer.pipe(
    Layer.provide(IdentityStorageWorker.layer(identityPath)),
    Layer.provide(StorageWorker.layer({ directory: join(folder, "events"), identityPath, operationsPath: undefined }))
  )
  const context = yield* Layer.buildWithScope(Layer.fresh(identities), scope)
  return { ...Context.get(context, IdentityStore), close: Scope.close(scope, Exit.void) }
})

const start = (mode: string, folder: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
        process.execPath,
        [program, mode, join(folder, "identity.sqlite")],
        { stdio: ["pipe", "pipe", "inherit"] }
      )
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
      const next = Effect.promise(async () => String((await lines.next()).value))
      const tell = (line: string) =>
        Effect.suspend(() => {
          child.stdin.write(`${line}\n`)
          return next
        })
      const left = Effect.promise(async () => {
        const all: Array<string> = []
        for (let line = await lines.next(); line.done !== true; line = await lines.next()) all.push(line.value)
        return all
      })
      return { child, next, tell, left }
    }),
    ({ child }) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const exit = once(child, "exit")
        child.kill("SIGKILL")
        await exit
      })
  )

describe("processes on one identity file", { timeout: 60_000 }, () => {
  it.live("what one changes counts with the other's next request", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* open(folder)
      const neighbour = yield* start("obey", folder)
      assert.strictEqual(yield* neighbour.next, "ready")
      for (let i = 0; i < 50; i++) {
        yield* store.fresh
        assert.isDefined(store.current())
        assert.strictEqual(yield* neighbour.tell(`create u${i}`), "done")
        assert.isUndefined(store.current())
        assert.isTrue((yield* store.fresh).users.has(`u${i}`))
        yield* store.changeUser(`u${i}`, { roles: ["admin"] }, 1)
        assert.strictEqual(yield* neighbour.tell(`disable u${i}`), "done")
        assert.isUndefined(store.current())
        const user = (yield* store.fresh).users.get(`u${i}`)
        assert.deepStrictEqual([user?.disabled, user?.roles], [true, ["admin"]])
      }
    })
  )

  it.live("of two that are shown the same refresh token at the same time, one gives the next", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = yield* open(folder)
      yield* store.createUser(userOf("ann"))
      const neighbours = [yield* start("obey", folder), yield* start("obey", folder)] as const
      for (const { next } of neighbours) assert.strictEqual(yield* next, "ready")
      for (let i = 0; i < 50; i++) {
        const session = { id: `s${i}`, user: "ann", refreshHash: hashOf(1), createdAt: i, expiresAt: far }
        yield* store.startSession(session)
        const told = yield* Effect.all(
          neighbours.map(({ tell }) => tell(`rotate s${i}`)),
          { concurrency: "unbounded" }
        )
        assert.sameMembers(told, ["rotated", "reused"])
        assert.isTrue((yield* store.fresh).endedSessions.has(`s${i}`))
      }
    })
  )

  it.live("kill -9 loses nothing that was acknowledged, and no refresh token is good twice", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const draw = random(7)
      for (let round = 0; round < 3; round++) {
        const place = join(folder, String(round))
        const first = yield* open(place)
        yield* first.createUser(userOf("ann"))
        yield* first.startSession({ id: "s", user: "ann", refreshHash: hashOf(1), createdAt: 1, expiresAt: far })
        yield* first.close
        const { child, left, next } = yield* start("write", place)
        const lines: Array<string> = []
        const enough = 10 + Math.floor(draw() * 200)
        while (lines.length < enough) lines.push(yield* next)
        child.kill("SIGKILL")
        lines.push(...(yield* left))
        const numbers = (word: string) =>
          lines.filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.split(" ")[1]))
        const store = yield* open(place)
        const { users } = yield* store.fresh
        for (const number of numbers("user")) assert.isTrue(users.has(`u${number}`), `user ${number}`)
        const last = Math.max(1, ...numbers("rotated"))
        assert.deepStrictEqual(numbers("reused"), [])
        // The rotation in hand when it was killed is there or not: the answer to it was lost.
        const show = (number: number, graceMs: number) =>
          store.rotate({
            session: "s",
            shown: hashOf(number),
            next: hashOf(1_000_000 + number),
            now: last + 1,
            expiresAt: far,
            graceMs
          })
        assert.strictEqual((yield* show(last, 1000))._tag, "rotated")
        assert.strictEqual((yield* show(last - 1, 1000))._tag, "reused")
        yield* store.close
      }
    })
  )
})
