import { rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { layer } from "../../src/actors/ClientTrustReloader.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { Disk } from "../../src/services/files/Disk.ts"
import type { ClientTrust } from "../../src/services/tls/ClientTrust.ts"
import { ClientTrustStore } from "../../src/services/tls/ClientTrustStore.ts"
import { mockEventLog } from "../harness/mocks.ts"
import { inDays, root } from "../harness/pki.ts"
import { temporaryFolder } from "../services/files/support.ts"

const replaced = (path: string, content: string) =>
  Effect.promise(async () => {
    await writeFile(`${path}.new`, content)
    await rename(`${path}.new`, path)
  })

/** The reloader on files of a CA of its own, with what it publishes, logs and records to be waited for. */
const started = Effect.fnUntraced(function* () {
  yield* TestClock.setTime(Date.now())
  const folder = yield* temporaryFolder
  const ca = yield* Effect.promise(() => root(folder, "ours"))
  const caPath = join(folder, "bundle")
  const crlPath = join(folder, "lists")
  yield* replaced(caPath, ca.cert)
  yield* replaced(crlPath, yield* Effect.promise(() => ca.crl({ next: inDays(2) })))
  const recorded = yield* Queue.unbounded<string>()
  const warnings = yield* Queue.unbounded<string>()
  const logger = Logger.make(({ logLevel, message }) => {
    if (logLevel !== "Debug" && logLevel !== "Info") Queue.offerUnsafe(warnings, [message].flat().join(" "))
  })
  const eventLog = mockEventLog({ record: (message) => Effect.asVoid(Queue.offer(recorded, message)) })
  const context = yield* Layer.build(
    layer({ caPath, crlPath }).pipe(
      Layer.provide([Supervisor.layer, Disk.layer, eventLog]),
      Layer.provide(Logger.layer([logger]))
    )
  )
  const store = Context.get(context, ClientTrustStore)
  const published = yield* Queue.unbounded<ClientTrust>()
  yield* Effect.forkScoped(Stream.runForEach(store.changes, (trust) => Queue.offer(published, trust)))
  const first = yield* Queue.take(published)
  return {
    ca,
    caPath,
    crlPath,
    folder,
    store,
    first,
    next: Queue.take(published),
    recorded: Queue.take(recorded),
    silent: Effect.map(Queue.clear(recorded), (all) => all.length === 0),
    warned: Queue.take(warnings)
  }
})

describe("ClientTrustReloader", () => {
  it.effect("publishes a new list, and a new bundle, within ten seconds", () =>
    Effect.gen(function* () {
      const { ca, caPath, crlPath, first, folder, next, recorded, store } = yield* started()
      const client = yield* Effect.promise(() => ca.issue("client"))
      yield* Effect.promise(() => ca.revoke(client))
      yield* replaced(crlPath, yield* Effect.promise(() => ca.crl()))
      yield* TestClock.adjust("10 seconds")
      const second = yield* next
      assert.strictEqual(second, store.current())
      assert.strictEqual(second.bundle, first.bundle)
      assert.strictEqual(second.lists[0]?.size, 1)
      assert.strictEqual(yield* recorded, `client CAs ${caPath} replaced: 1 CA certificates, 1 revoked in 1 lists`)
      const other = yield* Effect.promise(() => root(folder, "other"))
      yield* replaced(caPath, ca.cert + other.cert)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* next).bundle.roots.length, 2)
      assert.isUndefined(store.degraded())
    })
  )

  it.effect("keeps what is in force where the files are wrong, says so once, and recovers", () =>
    Effect.gen(function* () {
      const { ca, caPath, crlPath, first, folder, next, recorded, silent, store } = yield* started()
      const other = yield* Effect.promise(() => root(folder, "other"))
      // Half of a change: the lists are those of the next CA already.
      yield* replaced(crlPath, yield* Effect.promise(() => other.crl()))
      const failure = yield* Effect.flip(store.reload)
      assert.match(failure.message, /^.*lists: revocation list 1: its issuer CN=other is no CA of ours/u)
      assert.strictEqual(store.current(), first)
      assert.match(
        store.degraded() ?? "",
        /^client CAs and revocation lists not replaced, the old ones stay: .*lists: /u
      )
      assert.isTrue(yield* silent)
      yield* TestClock.adjust("70 seconds")
      assert.match(yield* recorded, /^client CAs and revocation lists not replaced, the old ones stay: /u)
      yield* replaced(caPath, other.cert)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* next).bundle.roots[0]?.shown.subject, "CN=other")
      assert.match(yield* recorded, / replaced: 1 CA certificates/u)
      assert.strictEqual(yield* store.reload, "unchanged")
      assert.isUndefined(store.degraded())
      // A file that is gone does not take away what it said.
      yield* Effect.promise(() => rm(crlPath))
      assert.match((yield* Effect.flip(store.reload)).message, /lists: no such file or directory$/u)
      assert.strictEqual(store.current().lists.length, 1)
      assert.notStrictEqual(store.current().bundle.pem, ca.cert)
    })
  )

  it.effect("goes on using a list that is out of date, and says so", () =>
    Effect.gen(function* () {
      const { ca, crlPath, first, next, recorded, store, warned } = yield* started()
      assert.strictEqual(yield* store.reload, "unchanged")
      assert.isUndefined(store.degraded())
      yield* TestClock.adjust("49 hours")
      assert.match(
        yield* warned,
        /lists: the revocation list of CN=ours was to be replaced by .*; it goes on being used$/u
      )
      assert.match(yield* recorded, /the revocation list of CN=ours was to be replaced by /u)
      assert.match(store.degraded() ?? "", /the revocation list of CN=ours was to be replaced by /u)
      assert.strictEqual(store.current(), first)
      yield* replaced(crlPath, yield* Effect.promise(() => ca.crl({ next: inDays(9) })))
      yield* TestClock.adjust("10 seconds")
      yield* next
      yield* store.reload
      assert.isUndefined(store.degraded())
    })
  )

  it.effect("does not start with files that are wrong", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const caPath = join(folder, "absent")
      const error = yield* Effect.flip(
        Layer.build(
          layer({ caPath, crlPath: undefined }).pipe(Layer.provide([Supervisor.layer, Disk.layer, mockEventLog({})]))
        )
      )
      assert.strictEqual(error.message, `${caPath}: no such file or directory`)
    })
  )
})
