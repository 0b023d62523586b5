/**
 * The whole daemon in this process: its own folder, configuration and free port, and any part of the platform replaced
 * by a layer of the test's. Ends with the scope, as it ends at SIGTERM, or at `stop`.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { FileSystem } from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as Daemon from "../../src/cli/Daemon.ts"
import type { Spawner } from "../../src/services/commands/Spawner.ts"
import * as SpawnerWorker from "../../src/services/commands/SpawnerWorker.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { Fifo } from "../../src/services/fifo/Fifo.ts"
import { Disk } from "../../src/services/files/Disk.ts"
import type { ServiceGiven } from "../../src/services/systemd/ServiceGiven.ts"
import type { IdentityStorage, IdentityUnusable } from "../../src/services/storage/IdentityStorage.ts"
import * as IdentityStorageHere from "../../src/services/storage/IdentityStorageHere.ts"
import type { EventStorage, StoreUnusable } from "../../src/services/storage/EventStorage.ts"
import * as EventStorageWorker from "../../src/services/storage/EventStorageWorker.ts"
import { operationsFile, type OperationsStorage } from "../../src/services/storage/OperationsStorage.ts"
import * as OperationsStorageHere from "../../src/services/storage/OperationsStorageHere.ts"
import * as LinuxProcesses from "../../src/services/operations/leftovers/LinuxProcesses.ts"
import { mockProcessLog } from "./mocks.ts"
import { temporaryFolder } from "./temporaryFolder.ts"

export interface HarnessOptions {
  /** Another run's folder, for a restart; default: a new one. */
  readonly folder?: string
  /** Lines of `[general]`, beside the address and the FIFO. */
  readonly general?: string
  /** Whole sections. */
  readonly sections?: string
  readonly storage?: Layer.Layer<EventStorage, StoreUnusable>
  readonly identities?: Layer.Layer<IdentityStorage, IdentityUnusable>
  readonly operations?: Layer.Layer<OperationsStorage>
  readonly spawner?: Layer.Layer<Spawner>
  readonly disk?: Layer.Layer<Disk>
  readonly fifo?: Layer.Layer<Fifo>
  readonly fileSystem?: Layer.Layer<FileSystem>
  /** What a service manager has told. */
  readonly service?: ServiceGiven
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export const startDaemon = Effect.fnUntraced(function* (options: HarnessOptions = {}) {
  const folder = options.folder ?? (yield* temporaryFolder)
  const path = join(folder, "systemapi-config.toml")
  const pipe = join(folder, "pipe.fifo")
  const text = `[general]
listen_addr = "127.0.0.1:0"
pipe_file = "${pipe}"
${options.general ?? ""}
[store]
directory = "${join(folder, "state")}"
${options.sections ?? ""}
`
  yield* Effect.promise(() => writeFile(path, text))
  const { config } = yield* load(path, {})
  const daemonOptions: Daemon.DaemonOptions = {
    config,
    version: "0.0.0-test",
    source: { path, env: {}, flags: {} },
    service: options.service
  }
  const platform: Layer.Layer<Daemon.Platform, StoreUnusable | IdentityUnusable> = Layer.mergeAll(
    options.storage ?? EventStorageWorker.layerWorker(config.store.directory),
    options.identities ?? IdentityStorageHere.layerAt(config.auth.identity_path),
    options.operations ?? OperationsStorageHere.layerAt(operationsFile(config.store.directory)),
    options.spawner ?? SpawnerWorker.layerWorker,
    LinuxProcesses.layer,
    options.disk ?? Disk.layer,
    options.fifo ?? Fifo.layer,
    options.fileSystem ?? NodeFileSystem.layer
  )
  const quiet = Layer.merge(mockProcessLog({ configure: () => Effect.void }), Logger.layer([]))
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(
    Layer.fresh(Daemon.layer(daemonOptions).pipe(Layer.provide(platform), Layer.provideMerge(quiet))),
    scope
  )
  const [listener] = Context.get(context, Daemon.Daemon).listeners
  const url = listener?.url ?? ""
  const request = (target: string, init: RequestInit = {}): Effect.Effect<Reply> =>
    Effect.promise(async (signal) => {
      const response = await fetch(`${url}${target}`, { signal, ...init })
      return { status: response.status, headers: response.headers, text: await response.text() }
    })
  return {
    folder,
    pipe,
    url,
    config,
    log: Context.get(context, EventLog),
    supervisor: Context.get(context, Supervisor),
    /** A request over a socket of its own client. */
    request,
    stop: Scope.close(scope, Exit.void)
  }
})
