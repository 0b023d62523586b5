/**
 * `systemapi serve`: loads the configuration, builds the daemon and stays until a signal or a fault ends it.
 *
 * The storage's thread starts as soon as the configuration says where the store is, and opens it while this thread loads
 * the rest of the code: together they are most of a start.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Queue from "effect/Queue"
import * as Duration from "effect/Duration"
import * as Scope from "effect/Scope"
import { Supervisor } from "../actors/kernel/Supervisor.ts"
import type { Config } from "../services/config/Config.ts"
import { load } from "../services/config/ConfigFile.ts"
import { takeEnvironment } from "../services/config/environment.ts"
import * as EventStorageWorker from "../services/storage/EventStorageWorker.ts"
import * as IdentityStorageWorker from "../services/storage/IdentityStorageWorker.ts"
import { operationsFile } from "../services/storage/OperationsStorage.ts"
import * as OperationsStorageWorker from "../services/storage/OperationsStorageWorker.ts"
import { StorageWorker } from "../services/storage/StorageWorker.ts"
import { readServiceGiven, type ServiceGiven } from "../services/systemd/ServiceGiven.ts"
import {
  connect,
  extendTimeout,
  nobody,
  ready,
  ServiceManager,
  type ServiceManagerShape,
  status,
  stopping
} from "../services/systemd/ServiceManager.ts"
import type { ServeOptions } from "./argv.ts"
import { hideSecret } from "./hideSecret.ts"
import { version } from "./version.ts"

/** The event log, the identities and what is kept of operations, in one thread. */
const storages = ({ auth: { identity_path: identityPath }, store: { directory } }: Config) =>
  Layer.mergeAll(
    EventStorageWorker.layer(directory),
    IdentityStorageWorker.layer(identityPath),
    OperationsStorageWorker.layer
  ).pipe(Layer.provide(StorageWorker.layer({ directory, identityPath, operationsPath: operationsFile(directory) })))

/** Undefined: there is one, and no way to it but a program's, which nothing can be started with yet. */
const serviceManager = ({ notifySocket }: ServiceGiven) =>
  notifySocket === undefined ? Effect.succeed(nobody) : connect(notifySocket)

/** Within the shortest deadline for a start that makes sense; and how much longer each time. */
const askEvery = Duration.seconds(5)
const askFor = Duration.seconds(15)

/** Bringing a large store to the form of this version takes minutes; what takes longer than hours hangs. */
const asksMax = Duration.toSeconds("2 hours") / Duration.toSeconds(askEvery)

/** Nobody knows how long the store takes to open: as long as it does, the service manager is asked to wait. */
const patiently = <A, E>({ listens, tell }: ServiceManagerShape, opening: Effect.Effect<A, E>) => {
  if (!listens) return opening
  const ask = Effect.andThen(Effect.sleep(askEvery), tell(extendTimeout(askFor), status("opening the store")))
  const asking = Effect.andThen(Effect.repeat(ask, { times: asksMax }), Effect.never)
  return Effect.raceFirst(opening, asking)
}

export const serve = Effect.fn("serve")(function* (
  { config: path, flags }: ServeOptions,
  signals: Queue.Dequeue<void>
) {
  const env = takeEnvironment(process.env)
  if (flags.jwt_secret !== undefined) hideSecret()
  const source = { path, env, flags, signals }
  const service = readServiceGiven(env, process.pid)
  const manager = yield* serviceManager(service)
  const { config, warnings } = yield* load(path, env, flags)
  for (const warning of warnings) yield* Console.error(`warning: ${warning}`)
  // A scope that is there before all others: the store is closed when everything else has ended.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const opening = yield* Effect.forkScoped(Layer.buildWithScope(storages(config), scope), { startImmediately: true })
  const storage = Layer.effectContext(
    manager === undefined ? Fiber.join(opening) : patiently(manager, Fiber.join(opening))
  )
  const Daemon = yield* Effect.promise(() => import("./Daemon.ts"))
  const options = { config, version: version(), source, service }
  const daemon = Daemon.layer(options).pipe(
    Layer.provideMerge(Daemon.serviceManager(service, manager)),
    Layer.provideMerge(Daemon.platform(storage)),
    Layer.provideMerge(Daemon.processLog(config, env))
  )
  return yield* Effect.flatMap(Layer.build(daemon), (context) =>
    Effect.provideContext(
      Effect.gen(function* () {
        const supervisor = yield* Supervisor
        const { tell } = yield* ServiceManager
        yield* tell(ready)
        yield* Effect.logInfo(`systemapi ${options.version} is ready`)
        return yield* supervisor.join.pipe(
          // Whoever pressed Ctrl-C sees that it was heard: work in hand may take its grace.
          Effect.onInterrupt(() => Effect.logInfo("stopping")),
          // From here on the service manager's deadline for a stop counts, and its watchdog no more.
          Effect.ensuring(tell(stopping, status("stopping")))
        )
      }),
      context
    )
  )
}, Effect.scoped)
