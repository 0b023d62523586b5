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

export const serve = Effect.fn("serve")(function* (
  { config: path, flags }: ServeOptions,
  signals: Queue.Dequeue<void>
) {
  const env = takeEnvironment(process.env)
  if (flags.jwt_secret !== undefined) hideSecret()
  const source = { path, env, flags, signals }
  const { config, warnings } = yield* load(path, env, flags)
  for (const warning of warnings) yield* Console.error(`warning: ${warning}`)
  // A scope that is there before all others: the store is closed when everything else has ended.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const opening = yield* Effect.forkScoped(Layer.buildWithScope(storages(config), scope), { startImmediately: true })
  const storage = Layer.effectContext(Fiber.join(opening))
  const Daemon = yield* Effect.promise(() => import("./Daemon.ts"))
  const options = { config, version: version(), source }
  const daemon = Daemon.layer(options).pipe(
    Layer.provideMerge(Daemon.platform(storage)),
    Layer.provideMerge(Daemon.processLog(config))
  )
  return yield* Effect.flatMap(Layer.build(daemon), (context) =>
    Effect.provideContext(
      Effect.gen(function* () {
        const supervisor = yield* Supervisor
        yield* Effect.logInfo(`systemapi ${options.version} is ready`)
        // Whoever pressed Ctrl-C sees that it was heard: work in hand may take its grace.
        return yield* Effect.onInterrupt(supervisor.join, () => Effect.logInfo("stopping"))
      }),
      context
    )
  )
}, Effect.scoped)
