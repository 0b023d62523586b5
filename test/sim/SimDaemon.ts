/**
 * The daemon itself: the layers of src/cli/Daemon.ts over a simulated machine, and in place of listening sockets
 * connections that the simulation opens, feeds, reads and cuts. Every actor can be ended from outside, at any point at
 * which it waits or lets others go first.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as CommandExecutor from "../../src/actors/CommandExecutor.ts"
import * as ConfigReloader from "../../src/actors/ConfigReloader.ts"
import * as EventStore from "../../src/actors/EventStore.ts"
import * as IdentityKeeper from "../../src/actors/IdentityKeeper.ts"
import * as JournalFeed from "../../src/actors/JournalFeed.ts"
import * as JournalReader from "../../src/actors/JournalReader.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as LifeRecorder from "../../src/actors/LifeRecorder.ts"
import * as Operations from "../../src/actors/Operations.ts"
import * as OperationsRetention from "../../src/actors/OperationsRetention.ts"
import * as OperationsRunner from "../../src/actors/OperationsRunner.ts"
import * as PipeReader from "../../src/actors/PipeReader.ts"
import * as Retention from "../../src/actors/Retention.ts"
import { operationKinds } from "../../src/cli/operationKinds.ts"
import { makeEdge } from "../../src/http/edge/Edge.ts"
import { rateLimitGuard } from "../../src/http/edge/rateLimitGuard.ts"
import { makeLiveAnswers } from "../../src/http/edge/liveAnswers.ts"
import type { App } from "../../src/http/listener/Serving.ts"
import { stopAll } from "../../src/http/bindListeners.ts"
import { systemRoutes } from "../../src/http/system/systemRoutes.ts"
import { Actions } from "../../src/services/actions/Actions.ts"
import { Audit } from "../../src/services/audit/Audit.ts"
import { Authenticator } from "../../src/services/auth/Authenticator.ts"
import { BasicAuth } from "../../src/services/auth/BasicAuth.ts"
import { BasicSecret } from "../../src/services/auth/BasicSecret.ts"
import { FailureThrottle } from "../../src/services/auth/FailureThrottle.ts"
import { SlowHash } from "../../src/services/auth/SlowHash.ts"
import { Executor } from "../../src/services/commands/Executor.ts"
import type { ConfigError, Loaded } from "../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { Fifo } from "../../src/services/fifo/Fifo.ts"
import { Pipes } from "../../src/services/fifo/Pipes.ts"
import { Disk } from "../../src/services/files/Disk.ts"
import type { Journal } from "../../src/services/journal/Journal.ts"
import { FileUploads } from "../../src/services/files/FileUploads.ts"
import { cleanLeftovers } from "../../src/services/files/Leftovers.ts"
import { Uploads } from "../../src/services/files/Uploads.ts"
import { CurrentRoles } from "../../src/services/identity/CurrentRoles.ts"
import * as StoredIdentities from "../../src/services/identity/StoredIdentities.ts"
import { Instance } from "../../src/services/Instance.ts"
import { Processes } from "../../src/services/operations/leftovers/Processes.ts"
import { storedLayer } from "../../src/services/operations/storedLayer.ts"
import { RateLimits } from "../../src/services/limits/RateLimits.ts"
import { ProcessLog } from "../../src/services/log/ProcessLog.ts"
import { Metrics } from "../../src/services/metrics/Metrics.ts"
import { EventStorage } from "../../src/services/storage/EventStorage.ts"
import type { IdentityStorage } from "../../src/services/storage/IdentityStorage.ts"
import type { OperationsStorage } from "../../src/services/storage/OperationsStorage.ts"
import type { Spawner } from "../../src/services/commands/Spawner.ts"
import { Units } from "../../src/services/units/Units.ts"
import { mockProcessLog, nobodyStored, shownListener } from "../harness/mocks.ts"
import { type Setup, secretPath, uploadPaths } from "./Setup.ts"
import type { Process } from "./World.ts"

export interface Machine {
  readonly storage: Layer.Layer<EventStorage>
  readonly identities: Layer.Layer<IdentityStorage>
  readonly operations: Layer.Layer<OperationsStorage>
  readonly spawner: Layer.Layer<Spawner>
  readonly disk: Layer.Layer<Disk>
  readonly fifo: Layer.Layer<Fifo>
  readonly journal: Layer.Layer<Journal>
}

/** What a mutation puts in the place of a part, made of the real one. */
export interface Replaced {
  readonly storage?: (real: EventStorage["Service"]) => EventStorage["Service"]
  readonly disk?: (real: Disk["Service"]) => Disk["Service"]
  readonly fifo?: (real: Fifo["Service"]) => Fifo["Service"]
  readonly supervisor?: (real: Supervisor["Service"]) => Supervisor["Service"]
  readonly log?: (real: EventLog["Service"]) => EventLog["Service"]
  readonly executor?: (real: Executor["Service"]) => Executor["Service"]
  readonly auth?: (real: BasicAuth["Service"]) => BasicAuth["Service"]
  readonly authenticator?: (real: Authenticator["Service"]) => Authenticator["Service"]
}

export interface DaemonOptions {
  readonly owner: Process
  readonly machine: Machine
  readonly setup: Setup
  readonly replaced: Replaced
  /** What a reload finds. */
  readonly reread: Effect.Effect<Loaded, ConfigError>
  /** Told of every line of the process log. */
  readonly log: (level: string, text: string, detail: string) => void
  /** Cuts the connections that are still open when the grace of the stop is over. */
  readonly cutAll: () => void
  /** Completes when no connection has a request in hand. */
  readonly drained: Effect.Effect<void>
}

export interface RunningDaemon {
  readonly log: EventLog["Service"]
  readonly audit: Audit["Service"]
  readonly executor: Executor["Service"]
  readonly pipes: Pipes["Service"]
  readonly supervisor: Supervisor["Service"]
  readonly config: CurrentConfig["Service"]
  readonly secret: BasicSecret["Service"]
  readonly app: App
  /** Completes when the daemon begins to stop. */
  readonly stopping: Deferred.Deferred<void>
  /** Ends the actor as told, if it runs; false where it does not. */
  readonly endActor: (name: string, how: Exit.Exit<never, unknown>) => boolean
  readonly actors: () => ReadonlyArray<string>
  /** As at SIGTERM. */
  readonly stop: Effect.Effect<void>
  /** As SIGHUP. */
  readonly hangUp: () => void
}

/** A command's number is not looked up, and a daemon that was killed has left nothing. */
const noProcesses = Layer.succeed(Processes, {
  mark: () => Effect.succeed(null),
  endLeftovers: () => Effect.succeed([])
})

const replace = <I, S, E, R>(
  key: Context.Key<I, S>,
  layer: Layer.Layer<I, E, R>,
  by: ((real: S) => S) | undefined
): Layer.Layer<I, E, R> =>
  by === undefined ? layer : Layer.effect(key, Effect.map(key, by)).pipe(Layer.provide(layer))

export const startDaemon = Effect.fnUntraced(function* (options: DaemonOptions) {
  const { machine, replaced, setup } = options
  const { config, recent } = setup
  const ends = new Map<string, Deferred.Deferred<never, unknown>>()

  /** Every actor under the real supervisor, with an end that comes from outside. */
  const exposed = (real: Supervisor["Service"]): Supervisor["Service"] => ({
    ...real,
    start: (child) =>
      real.start({
        ...child,
        run: Effect.suspend(() => {
          const end = Deferred.makeUnsafe<never, unknown>()
          ends.set(child.name, end)
          return Effect.ensuring(
            Effect.raceFirst(child.run, Deferred.await(end)),
            Effect.sync(() => void ends.delete(child.name))
          )
        })
      })
  })

  const base = Layer.mergeAll(
    replace(Supervisor, replace(Supervisor, Supervisor.layer, replaced.supervisor), exposed),
    Layer.mergeAll(CurrentRoles.layer, RateLimits.layer).pipe(Layer.provideMerge(CurrentConfig.layer(config))),
    replace(Instance, Instance.layer("simulated"), (real) => ({ ...real, bootId: "simulated" })),
    Metrics.layer,
    FailureThrottle.layer,
    SlowHash.layer
  )
  const platform = Layer.mergeAll(
    replace(EventStorage, machine.storage, replaced.storage),
    replace(Disk, machine.disk, replaced.disk),
    replace(Fifo, machine.fifo, replaced.fifo),
    machine.identities,
    machine.operations,
    machine.spawner,
    machine.journal,
    noProcesses,
    FileSystem.layerNoop({})
  )
  const { general } = config
  const secret = BasicSecret.layer({ path: secretPath, salt: general.basic_auth_secret_salt, format: "sha256" })
  const auth = replace(Authenticator, Authenticator.layer, replaced.authenticator).pipe(
    Layer.provideMerge(replace(BasicAuth, BasicAuth.layer, replaced.auth)),
    Layer.provide(nobodyStored),
    Layer.provideMerge(secret)
  )
  const log = Audit.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(replace(EventLog, EventStore.layer({ recent }), replaced.log), auth)),
    Layer.provideMerge(Layer.merge(StoredIdentities.layer, storedLayer)),
    Layer.provideMerge(base)
  )
  const executor = replace(Executor, CommandExecutor.layer, replaced.executor)
  const commands = Layer.mergeAll(executor, Uploads.layer).pipe(Layer.provideMerge(log))
  const actions = FileUploads.layer.pipe(Layer.provideMerge(Actions.layer), Layer.provideMerge(commands))
  const work = Layer.merge(Operations.layerWith(Effect.succeed(OperationsRunner)), OperationsRetention.layer).pipe(
    Layer.provide(Layer.provide(operationKinds({}), Units.layer)),
    Layer.provideMerge(actions)
  )
  const pipes = PipeReader.layerNoDeps(
    config.pipes.map(({ given_time, line_max_bytes, mode, path, skip_empty, source, trim }) => ({
      path,
      source,
      mode,
      trim,
      skipEmpty: skip_empty,
      givenTime: given_time,
      lineMaxBytes: line_max_bytes
    }))
  )
  const { max_age_s: maxAgeSeconds, max_bytes: maxBytes, max_count: maxCount } = config.events
  const audit = () => ({ maxCount: config.audit.max_count, maxAgeSeconds: config.audit.max_age_s })
  const retention = Retention.layer({ maxCount, maxBytes, maxAgeSeconds, audit })
  const journals = JournalReader.layerWith(Effect.succeed(JournalFeed))
  const parts = Layer.mergeAll(pipes, retention, IdentityKeeper.layer, journals, LifeRecorder.layer).pipe(
    Layer.provideMerge(work),
    Layer.provideMerge(platform)
  )
  const quiet = Layer.mergeAll(mockProcessLog({ configure: () => Effect.void }), Logger.layer([loggerTo(options.log)]))

  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(Layer.fresh(Layer.provideMerge(parts, quiet)), scope).pipe(
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  yield* Effect.provideContext(cleanLeftovers([...Object.values(uploadPaths), secretPath]), context)
  const routes = yield* Effect.provideContext(
    systemRoutes(config, () => [shownListener]),
    Context.add(context, Scope.Scope, scope)
  )
  const stopping = yield* Deferred.make<void>()
  const listener = {
    stop: (grace: Duration.Input) =>
      Effect.gen(function* () {
        yield* Deferred.succeed(stopping, undefined)
        yield* Effect.timeoutOption(options.drained, grace)
        options.cutAll()
      })
  }
  const commandsOf = Context.get(context, Executor)
  // Last in, first out: the listeners end first, as in the daemon.
  yield* Scope.addFinalizer(scope, stopAll([listener], commandsOf.stop, config.limits.stop_timeout_ms))
  const app = makeEdge({
    routes,
    surface: { address: "127.0.0.1:3535", providers: ["basic", "bearer"], roles: ["admin"] },
    audit: Context.get(context, Audit),
    authenticator: Context.get(context, Authenticator),
    config: Context.get(context, CurrentConfig).get,
    guards: [rateLimitGuard(Context.get(context, RateLimits))],
    live: yield* Effect.provideService(makeLiveAnswers, Scope.Scope, scope),
    clock: yield* Clock.Clock,
    log: Context.get(context, ProcessLog),
    observe: () => {}
  })
  const signals = yield* Queue.dropping<void>(1)
  const reloader = ConfigReloader.layer({
    path: undefined,
    env: {},
    flags: {},
    alsoReload: [],
    read: options.reread,
    signals
  })
  yield* Effect.provideContext(Layer.buildWithScope(reloader, scope), context)
  const daemon: RunningDaemon = {
    log: Context.get(context, EventLog),
    audit: Context.get(context, Audit),
    executor: commandsOf,
    pipes: Context.get(context, Pipes),
    supervisor: Context.get(context, Supervisor),
    config: Context.get(context, CurrentConfig),
    secret: Context.get(context, BasicSecret),
    app: (request) => Effect.provideContext(app(request), context),
    stopping,
    endActor: (name, how) => {
      const end = ends.get(name)
      return end !== undefined && Deferred.doneUnsafe(end, how)
    },
    actors: () => [...ends.keys()],
    stop: Scope.close(scope, Exit.void),
    hangUp: () => void Queue.offerUnsafe(signals, undefined)
  }
  return daemon
})

const loggerTo = (log: DaemonOptions["log"]) =>
  Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
    const why = cause.reasons.length === 0 ? "" : ` ${Cause.pretty(cause)}`
    const [first, ...rest] = parts.map(String)
    log(logLevel, `${first ?? ""}${why}`, rest.join(" "))
  })
