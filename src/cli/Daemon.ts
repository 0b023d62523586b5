/**
 * The daemon as one layer: capabilities, actors, listeners. Everything it does starts when the layer is built and ends,
 * in the reverse order, when its scope closes: listeners first, then work in hand, then the last commit of the log.
 *
 * `platform` is where the daemon touches the machine; the test harness passes its own in place of any of it.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as CommandExecutor from "../actors/CommandExecutor.ts"
import * as ConfigReloader from "../actors/ConfigReloader.ts"
import * as EventStore from "../actors/EventStore.ts"
import * as IdentityKeeper from "../actors/IdentityKeeper.ts"
import * as JournalReader from "../actors/JournalReader.ts"
import { Supervisor } from "../actors/kernel/Supervisor.ts"
import * as LifeRecorder from "../actors/LifeRecorder.ts"
import * as Operations from "../actors/Operations.ts"
import * as OperationsRetention from "../actors/OperationsRetention.ts"
import * as PipeReader from "../actors/PipeReader.ts"
import * as Retention from "../actors/Retention.ts"
import * as StatusTeller from "../actors/StatusTeller.ts"
import * as Watchdog from "../actors/Watchdog.ts"
import { bindListeners, type BoundListeners } from "../http/bindListeners.ts"
import { identityRoutes } from "../http/identity/identityRoutes.ts"
import type { BoundListener } from "../http/listener/Listener.ts"
import { provisioningRoutes } from "../http/provisioning/provisioningRoutes.ts"
import { registerSamplers } from "../http/system/metricsSamplers.ts"
import { statusRoutes } from "../http/status/statusRoutes.ts"
import { readiness } from "../http/system/readiness.ts"
import { systemRoutes } from "../http/system/systemRoutes.ts"
import { Actions } from "../services/actions/Actions.ts"
import { Audit } from "../services/audit/Audit.ts"
import { Authenticator } from "../services/auth/Authenticator.ts"
import { BasicAuth } from "../services/auth/BasicAuth.ts"
import { BasicSecret } from "../services/auth/BasicSecret.ts"
import { readBootstrapToken } from "../services/auth/bootstrapToken.ts"
import { FailureThrottle } from "../services/auth/FailureThrottle.ts"
import { SlowHash } from "../services/auth/SlowHash.ts"
import { Executor } from "../services/commands/Executor.ts"
import { Spawner } from "../services/commands/Spawner.ts"
import * as SpawnerWorker from "../services/commands/SpawnerWorker.ts"
import type { Config } from "../services/config/Config.ts"
import type { Environment } from "../services/config/environment.ts"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { logSettings } from "../services/config/resolveLogging.ts"
import { EventLog } from "../services/events/EventLog.ts"
import { Disk } from "../services/files/Disk.ts"
import { FileUploads } from "../services/files/FileUploads.ts"
import { cleanLeftovers } from "../services/files/Leftovers.ts"
import { Uploads } from "../services/files/Uploads.ts"
import { Fifo } from "../services/fifo/Fifo.ts"
import { Pipes } from "../services/fifo/Pipes.ts"
import { CurrentRoles } from "../services/identity/CurrentRoles.ts"
import { IdentityStore } from "../services/identity/IdentityStore.ts"
import { identityLayer } from "../services/identity/identityLayer.ts"
import { Instance } from "../services/Instance.ts"
import { JournalFeeds } from "../services/journal/JournalFeeds.ts"
import { RateLimits } from "../services/limits/RateLimits.ts"
import * as ProcessLog from "../services/log/ProcessLog.ts"
import { Metrics } from "../services/metrics/Metrics.ts"
import * as StoredIdentities from "../services/identity/StoredIdentities.ts"
import type { EventStorage } from "../services/storage/EventStorage.ts"
import * as LinuxProcesses from "../services/operations/leftovers/LinuxProcesses.ts"
import type { Processes } from "../services/operations/leftovers/Processes.ts"
import { storedLayer } from "../services/operations/storedLayer.ts"
import type { IdentityStorage } from "../services/storage/IdentityStorage.ts"
import type { OperationsStorage } from "../services/storage/OperationsStorage.ts"
import { machine } from "./machine.ts"
import type { ServiceGiven } from "../services/systemd/ServiceGiven.ts"
import { throughProgram } from "../services/systemd/NotifyProgram.ts"
import { makePassedSockets, PassedSockets } from "../services/systemd/PassedSockets.ts"
import { ServiceManager, type ServiceManagerShape } from "../services/systemd/ServiceManager.ts"
import { statusLine } from "../services/systemd/statusLine.ts"
import { operationKinds } from "./operationKinds.ts"
import { tellExposures } from "./tellExposures.ts"

export interface DaemonOptions {
  readonly config: Config
  readonly version: string
  /** What a service manager has told; nothing where there is none. */
  readonly service?: ServiceGiven | undefined
  /** Where a reload reads from, and the signals that ask for one. */
  readonly source: Omit<ConfigReloader.ReloadOptions, "alsoReload">
}

/** What one thread keeps. */
export type Storages = EventStorage | IdentityStorage | OperationsStorage

/** Where the daemon touches the machine. */
export type Platform = Storages | Spawner | Processes | Disk | Fifo | FileSystem

/** The storage comes from outside: its thread is started before this module is loaded. */
export const platform = <E>(storage: Layer.Layer<Storages, E>): Layer.Layer<Platform, E> =>
  Layer.mergeAll(storage, SpawnerWorker.layerWorker, LinuxProcesses.layer, Disk.layer, Fifo.layer, NodeFileSystem.layer)

export class Daemon extends Context.Service<Daemon, { readonly listeners: ReadonlyArray<BoundListener> }>()(
  "systemapi/cli/Daemon"
) {}

/** Text the memory window of the newest events may weigh. */
const recentBytesMax = 16 * 1024 * 1024

/** Followers of the log read from memory while they are less than this many events behind. */
const recentEventsMin = 4096

/** Export to a collector, loaded where one is configured. */
const telemetry = ({ config, version }: DaemonOptions) => {
  const { otlp_headers_path: headersPath, otlp_url: url, service_name: serviceName } = config.telemetry
  if (url === "") return Layer.empty
  return Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("../services/telemetry/Telemetry.ts")),
      ({ layer }) => layer({ url, headersPath, serviceName, version })
    )
  )
}

const base = ({ config, version }: DaemonOptions) =>
  Layer.mergeAll(
    Supervisor.layer,
    Layer.mergeAll(CurrentRoles.layer, RateLimits.layer).pipe(Layer.provideMerge(CurrentConfig.layer(config))),
    Instance.layer(version),
    Metrics.layer,
    FailureThrottle.layer,
    SlowHash.layer
  )

const eventLog = ({ general }: Config) =>
  EventStore.layer({ recent: { events: Math.max(recentEventsMin, general.log_max_entries), bytes: recentBytesMax } })

const basicSecret = ({ general }: Config) => {
  const { basic_auth_bootstrap_token_path: tokenPath, basic_auth_secret_path: path } = general
  if (path === undefined) return BasicSecret.layerNone
  return Layer.unwrap(
    Effect.map(tokenPath === undefined ? Effect.undefined : readBootstrapToken(tokenPath), (bootstrapToken) =>
      BasicSecret.layer({
        path,
        salt: general.basic_auth_secret_salt,
        format: general.basic_auth_secret_format,
        bootstrapToken
      })
    )
  )
}

const pipes = ({ pipes: configured }: Config) =>
  PipeReader.layerNoDeps(
    configured.map(({ given_time, line_max_bytes, mode, path, skip_empty, source, trim }) => ({
      path,
      source,
      mode,
      trim,
      skipEmpty: skip_empty,
      givenTime: given_time,
      lineMaxBytes: line_max_bytes
    }))
  )

const retention = ({ events }: Config) =>
  Layer.unwrap(
    Effect.map(CurrentConfig, (current) =>
      Retention.layer({
        maxCount: events.max_count,
        maxBytes: events.max_bytes,
        maxAgeSeconds: events.max_age_s,
        audit: () => {
          const { max_age_s: maxAgeSeconds, max_count: maxCount } = current.get().audit
          return { maxCount, maxAgeSeconds }
        }
      })
    )
  )

/** What a service manager is told while the daemon runs; where nobody listens, there is nothing to tell. */
const serviceActors = ({ service }: DaemonOptions, { listeners: bound, seen }: BoundListeners) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const manager = yield* ServiceManager
      if (!manager.listens) return Layer.empty
      const { watchdogMs } = service ?? {}
      const executor = yield* Executor
      const problems = readiness({
        audit: yield* Audit,
        identities: yield* IdentityStore,
        journals: yield* JournalFeeds,
        log: yield* EventLog,
        pipes: yield* Pipes,
        supervisor: yield* Supervisor,
        listeners: seen
      })
      const line = Effect.map(Effect.all([problems, executor.report]), ([found, { lanes }]) =>
        statusLine({
          problems: found,
          listeners: bound.map(({ url }) => url),
          running: lanes.reduce((sum, { running }) => sum + running.length, 0),
          waiting: lanes.reduce((sum, { waiting }) => sum + waiting.length, 0)
        })
      )
      return Layer.merge(
        StatusTeller.layer(line),
        watchdogMs === undefined ? Layer.empty : Watchdog.layer(Duration.millis(watchdogMs))
      )
    })
  )

const listeners = (options: DaemonOptions) =>
  Layer.effect(
    Daemon,
    Effect.gen(function* () {
      const { config } = options
      yield* cleanLeftovers(writtenPaths(config))
      yield* tellExposures(config)
      const bound = yield* bindListeners(config, (own) =>
        Effect.all({
          system: systemRoutes(config, own),
          identity: identityRoutes,
          provisioning: provisioningRoutes,
          status: statusRoutes
        })
      )
      yield* tellExposures(config, bound.reached)
      yield* registerSamplers(() => bound.listeners)
      yield* Layer.build(serviceActors(options, bound))
      yield* Layer.build(ConfigReloader.layer({ ...options.source, alsoReload: bound.reloads }))
      return Daemon.of({ listeners: bound.listeners })
    })
  )

/** What this daemon replaces as a whole: a kill may have left its temporary file beside it. */
const writtenPaths = ({ file_uploads, general, listeners: configured }: Config): ReadonlyArray<string> => [
  ...[...file_uploads.values()].map(({ path }) => path),
  ...(general.basic_auth_secret_path === undefined ? [] : [general.basic_auth_secret_path]),
  ...configured.flatMap(({ tls }) => (tls === undefined ? [] : [tls.cert_path, tls.key_path]))
]

/** Needs the process log from outside: what goes wrong while this is built is logged too. */
export const layer = (options: DaemonOptions) => {
  const { config } = options
  const auth = Authenticator.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(BasicAuth.layer, identityLayer)),
    Layer.provideMerge(basicSecret(config))
  )
  const foundation = Layer.mergeAll(telemetry(options), StoredIdentities.layer, storedLayer).pipe(
    Layer.provideMerge(base(options))
  )
  const log = Audit.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(eventLog(config), auth)),
    Layer.provideMerge(foundation)
  )
  const commands = Layer.mergeAll(CommandExecutor.layer, Uploads.layer).pipe(Layer.provideMerge(log))
  const work = FileUploads.layer.pipe(Layer.provideMerge(Actions.layer), Layer.provideMerge(commands))
  const operations = Layer.merge(Operations.layer, OperationsRetention.layer).pipe(
    Layer.provide(operationKinds(process.env)),
    Layer.provideMerge(machine),
    Layer.provideMerge(work)
  )
  const parts = Layer.mergeAll(
    pipes(config),
    retention(config),
    IdentityKeeper.layer,
    JournalReader.layer,
    LifeRecorder.layer
  ).pipe(Layer.provideMerge(operations))
  return listeners(options).pipe(Layer.provideMerge(parts))
}

export const processLog = (config: Config, env: Environment) => ProcessLog.layer(logSettings(config), env)

/** Whoever has started us, to be told things, and what it has opened. `direct`: undefined where its program has to be asked. */
export const serviceManager = ({ notifySocket = "", sockets }: ServiceGiven, direct: ServiceManagerShape | undefined) =>
  Layer.merge(
    Layer.succeed(PassedSockets, makePassedSockets(sockets)),
    direct === undefined
      ? Layer.effect(
          ServiceManager,
          Effect.map(Spawner, (spawner) => throughProgram(spawner, notifySocket, process.env["PATH"]))
        )
      : Layer.succeed(ServiceManager, direct)
  )
