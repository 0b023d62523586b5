import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as ConfigReloader from "../../src/actors/ConfigReloader.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { BasicSecret } from "../../src/services/auth/BasicSecret.ts"
import { SecretFileUnusable } from "../../src/services/auth/SecretFile.ts"
import { hangUps } from "../../src/services/config/hangUps.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import type { LogSettings } from "../../src/services/log/ProcessLog.ts"
import { ServiceManager } from "../../src/services/systemd/ServiceManager.ts"
import { mockEventLog, mockProcessLog } from "../harness/mocks.ts"
import { temporaryFolder } from "../harness/temporaryFolder.ts"

const firstText = `[general]
log_json = false
[actions]
echo_test = "echo test"
`

/** Everything a reload touches, over a file that the test writes. */
const start = Effect.fnUntraced(function* (
  faults: {
    readonly secret?: Effect.Effect<void, SecretFileUnusable>
    readonly other?: Effect.Effect<void, { readonly message: string }>
  } = {},
  signals?: Queue.Dequeue<void>
) {
  const path = join(yield* temporaryFolder, "systemapi-config.toml")
  const write = (text: string) => Effect.promise(() => writeFile(path, text))
  yield* write(firstText)
  const { config } = yield* load(path, {})
  const recorded = yield* Queue.unbounded<readonly [string, string | undefined]>()
  const configured: Array<LogSettings> = []
  const told = yield* Queue.unbounded<string>()
  const services = Layer.mergeAll(
    CurrentConfig.layer(config),
    Supervisor.layer,
    mockEventLog({
      record: (message, options) => Effect.asVoid(Queue.offer(recorded, [message, options?.level] as const))
    }),
    Layer.succeed(ServiceManager, {
      listens: true,
      tell: (...assignments) =>
        Queue.offerAll(
          told,
          assignments.map(([name]) => name)
        )
    }),
    mockProcessLog({ configure: (settings) => Effect.sync(() => void configured.push(settings)) }),
    Layer.mock(BasicSecret, {
      reload: faults.secret ?? Effect.void,
      verifyNow: () => "open",
      version: () => 0,
      checkBootstrap: () => true
    })
  )
  const layer = ConfigReloader.layer({ path, env: {}, flags: {}, alsoReload: [faults.other ?? Effect.void], signals })
  const context = yield* Layer.build(Layer.provideMerge(layer, services))
  const { get } = yield* Effect.provideContext(CurrentConfig, context)
  return { path, write, get, configured, told, recorded: Queue.take(recorded), left: Queue.size(recorded) }
})

/** As the system delivers it, without a system in between. */
const hangUp = Effect.sync(() => void process.emit("SIGHUP", "SIGHUP"))

describe("SIGHUP", () => {
  it.live("puts in force what may change, and names what waits for a restart", () =>
    Effect.gen(function* () {
      const { configured, get, recorded, write } = yield* start()
      yield* write(`[general]\nlog_json = true\nlisten_addr = ":1"\n[actions]\nnew_one = "true"\n`)
      yield* hangUp
      const [message, level] = yield* recorded
      assert.strictEqual(
        message,
        "configuration reloaded: changed general.log_json, actions.echo_test, actions.new_one; a restart is needed for general.listen_addr"
      )
      assert.isUndefined(level)
      assert.deepStrictEqual([...get().actions.keys()], ["new_one"])
      assert.deepStrictEqual(configured, [{ json: true, level: "Info" }])
    })
  )

  it.live("is told to the service manager from its beginning to its end, whatever becomes of it", () =>
    Effect.gen(function* () {
      const { told, write } = yield* start()
      const reload = ["RELOADING", "MONOTONIC_USEC", "READY"]
      yield* hangUp
      assert.deepStrictEqual(yield* Queue.takeN(told, 3), reload)
      yield* write("[general")
      yield* hangUp
      assert.deepStrictEqual(yield* Queue.takeN(told, 3), reload)
      const dying = yield* start({ other: Effect.die("a bug") })
      yield* hangUp
      assert.deepStrictEqual(yield* Queue.takeN(dying.told, 3), reload)
    })
  )

  it.live("says so when nothing changed", () =>
    Effect.gen(function* () {
      const { recorded } = yield* start()
      yield* hangUp
      assert.deepStrictEqual(yield* recorded, ["configuration reloaded: nothing changed", undefined])
    })
  )

  it.live("with a wrong file changes nothing and tells where it is wrong", () =>
    Effect.gen(function* () {
      const { configured, get, path, recorded, write } = yield* start()
      yield* write(`[general]\nlog_json = "yes"\n[actions]\n`)
      yield* hangUp
      const [message, level] = yield* recorded
      assert.match(message, /^configuration not reloaded, nothing changed: .*:2: general\.log_json: found "yes"/u)
      assert.include(message, path)
      assert.strictEqual(level, "error")
      assert.deepStrictEqual([...get().actions.keys()], ["echo_test"])
      assert.deepStrictEqual(configured, [])
      yield* write(firstText)
      yield* hangUp
      assert.strictEqual((yield* recorded)[0], "configuration reloaded: nothing changed")
    })
  )

  it.live("reads the secret and the certificates again, each for itself", () =>
    Effect.gen(function* () {
      const damaged = new SecretFileUnusable({ path: "secret.txt", found: "12 bytes" })
      const { left, recorded } = yield* start({
        secret: Effect.fail(damaged),
        other: Effect.fail({ message: "the certificate has expired" })
      })
      yield* hangUp
      const told = [yield* recorded, yield* recorded, yield* recorded]
      assert.deepStrictEqual(told, [
        ["configuration reloaded: nothing changed", undefined],
        [`basic auth secret not reloaded: ${damaged.message}`, "error"],
        ["not reloaded: the certificate has expired", "error"]
      ])
      assert.strictEqual(yield* left, 0)
    })
  )

  it.live("that came while the daemon started is remembered, and ends nothing", () =>
    Effect.gen(function* () {
      const before = process.listenerCount("SIGHUP")
      const signals = yield* hangUps
      assert.strictEqual(process.listenerCount("SIGHUP"), before + 1)
      yield* hangUp
      yield* hangUp
      const { left, recorded } = yield* start({}, signals)
      assert.deepStrictEqual(yield* recorded, ["configuration reloaded: nothing changed", undefined])
      assert.strictEqual(process.listenerCount("SIGHUP"), before + 1, "and one listener is enough")
      assert.strictEqual(yield* left, 0)
    })
  )

  it.live("does nothing any more once the daemon has stopped", () =>
    Effect.gen(function* () {
      const before = process.listenerCount("SIGHUP")
      yield* Effect.scoped(
        Effect.andThen(
          start(),
          Effect.sync(() => assert.strictEqual(process.listenerCount("SIGHUP"), before + 1))
        )
      )
      assert.strictEqual(process.listenerCount("SIGHUP"), before)
    })
  )
})
