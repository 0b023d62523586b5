/**
 * The daemon with a fault in it, for the test of the watchdog: its event store never finishes to write an event that says
 * "hang". Everything else goes on, as it would with a bug of that kind. `node stuckDaemon.ts CONFIG`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as Daemon from "../../src/cli/Daemon.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import { takeEnvironment } from "../../src/services/config/environment.ts"
import { EventStorage } from "../../src/services/storage/EventStorage.ts"
import * as EventStorageWorker from "../../src/services/storage/EventStorageWorker.ts"
import * as IdentityStorageHere from "../../src/services/storage/IdentityStorageHere.ts"
import { operationsFile } from "../../src/services/storage/OperationsStorage.ts"
import * as OperationsStorageHere from "../../src/services/storage/OperationsStorageHere.ts"
import { readServiceGiven } from "../../src/services/systemd/ServiceGiven.ts"
import { connect, ready } from "../../src/services/systemd/ServiceManager.ts"

const stuck = (directory: string) =>
  Layer.effect(
    EventStorage,
    Effect.map(EventStorage, (real) =>
      EventStorage.of({
        ...real,
        append: (runs) => (runs.some(({ messages }) => messages.includes("hang")) ? Effect.never : real.append(runs))
      })
    )
  ).pipe(Layer.provide(EventStorageWorker.layerWorker(directory)))

const program = Effect.gen(function* () {
  const env = takeEnvironment(process.env)
  const service = readServiceGiven(env, process.pid)
  const manager = yield* connect(service.notifySocket ?? "")
  if (manager === undefined) return yield* Effect.die(new Error("there is no way to the service manager"))
  const path = process.argv[2]
  const { config } = yield* load(path, env)
  const { directory } = config.store
  const storage = Layer.mergeAll(
    stuck(directory),
    IdentityStorageHere.layerAt(config.auth.identity_path),
    OperationsStorageHere.layerAt(operationsFile(directory))
  )
  const daemon = Daemon.layer({ config, version: "stuck", source: { path, env, flags: {} }, service }).pipe(
    Layer.provideMerge(Daemon.serviceManager(service, manager)),
    Layer.provideMerge(Daemon.platform(storage)),
    Layer.provideMerge(Daemon.processLog(config, env))
  )
  const context = yield* Layer.build(daemon)
  yield* manager.tell(ready)
  return yield* Effect.provideContext(
    Effect.flatMap(Supervisor, ({ join }) => join),
    context
  )
})

NodeRuntime.runMain(Effect.scoped(program))
