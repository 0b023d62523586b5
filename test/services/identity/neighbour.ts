/**
 * Another process on the same identity file, through the real storage thread:
 *
 *   node neighbour.ts obey PATH      does what each line of standard input says, and says `done` (or what became of it)
 *   node neighbour.ts write PATH     makes users and rotates the refresh token of session `s`, and says each one that was
 *                                    acknowledged, until it is killed
 */
import { writeSync } from "node:fs"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { IdentityStore } from "../../../src/services/identity/IdentityStore.ts"
import * as StoredIdentities from "../../../src/services/identity/StoredIdentities.ts"
import * as IdentityStorageWorker from "../../../src/services/storage/IdentityStorageWorker.ts"
import { StorageWorker } from "../../../src/services/storage/StorageWorker.ts"
import { hashOf, userOf } from "./rows.ts"

const [, , mode = "", path = ""] = process.argv

/** Synchronous: what was acknowledged must be out before the next thing begins. */
const say = (line: string) => Effect.sync(() => void writeSync(1, `${line}\n`))

const far = 4_000_000_000_000

const write = Effect.gen(function* () {
  const store = yield* IdentityStore
  for (let next = 2; ; next++) {
    yield* store.createUser(userOf(`u${next}`))
    yield* say(`user ${next}`)
    const rotation = {
      session: "s",
      shown: hashOf(next - 1),
      next: hashOf(next),
      now: next,
      expiresAt: far,
      graceMs: 0
    }
    const { _tag } = yield* store.rotate(rotation)
    yield* say(`${_tag} ${next}`)
  }
})

const obeyLine = (store: IdentityStore["Service"], line: string): Effect.Effect<string, Error> => {
  const [verb = "", name = ""] = line.split(" ")
  switch (verb) {
    case "create":
      return Effect.as(store.createUser(userOf(name)), "done")
    case "disable":
      return Effect.as(store.changeUser(name, { disabled: true }, 1), "done")
    case "rotate":
      return Effect.map(
        store.rotate({
          session: name,
          shown: hashOf(1),
          next: hashOf(process.pid),
          now: 1,
          expiresAt: far,
          graceMs: 0
        }),
        ({ _tag }) => _tag
      )
    default:
      return Effect.succeed(`what is ${verb}?`)
  }
}

const obey = Effect.gen(function* () {
  const store = yield* IdentityStore
  const lines = yield* Queue.unbounded<string>()
  const input = createInterface(process.stdin)
  input.on("line", (line) => void Queue.offerUnsafe(lines, line))
  yield* say("ready")
  return yield* Effect.forever(Effect.flatMap(Queue.take(lines), (line) => Effect.flatMap(obeyLine(store, line), say)))
})

const identities = StoredIdentities.layer.pipe(
  Layer.provide(IdentityStorageWorker.layer(path)),
  Layer.provide(
    StorageWorker.layer({
      directory: join(dirname(path), `events-${process.pid}`),
      identityPath: path,
      operationsPath: undefined
    })
  )
)

const program: Effect.Effect<never, Error, IdentityStore> = mode === "write" ? write : obey
Effect.runFork(Effect.provide(program, identities))
