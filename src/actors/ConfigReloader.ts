/**
 * ConfigReloader: on SIGHUP reads the configuration again and puts in force what can change without a restart; says in
 * the event log what changed, what waits for a restart, or what is wrong. A wrong file changes nothing.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { BasicSecret } from "../services/auth/BasicSecret.ts"
import { type ConfigError, load, type Loaded } from "../services/config/ConfigFile.ts"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { hangUps } from "../services/config/hangUps.ts"
import type { Environment, Flags } from "../services/config/environment.ts"
import { diff } from "../services/config/Reload.ts"
import { logSettings } from "../services/config/resolveLogging.ts"
import { EventLog } from "../services/events/EventLog.ts"
import { ProcessLog } from "../services/log/ProcessLog.ts"
import { ready, reloading, ServiceManager } from "../services/systemd/ServiceManager.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

export interface ReloadOptions {
  /** Undefined: there is no file, and a reload reads the secret and the certificates only. */
  readonly path: string | undefined
  readonly env: Environment
  readonly flags: Flags
  /** How the configuration is read; default: from the file. */
  readonly read?: Effect.Effect<Loaded, ConfigError> | undefined
  /** What else is read again, after the configuration; each says what became of it. */
  readonly alsoReload: ReadonlyArray<Effect.Effect<void, { readonly message: string }>>
  /** Signals that came during the start are here; default: those that come from now on. */
  readonly signals?: Queue.Dequeue<void> | undefined
}

const make = Effect.fnUntraced(function* ({ alsoReload, env, flags, path, ...options }: ReloadOptions) {
  const current = yield* CurrentConfig
  const log = yield* EventLog
  const processLog = yield* ProcessLog
  const secret = yield* BasicSecret
  const manager = yield* ServiceManager
  const supervisor = yield* Supervisor

  const reloadConfig = Effect.gen(function* () {
    const loaded = yield* options.read ?? load(path, env, flags)
    for (const warning of loaded.warnings) yield* Effect.logWarning(warning)
    const { config, live, restart } = diff(current.get(), loaded.config)
    current.set(config)
    yield* processLog.configure(logSettings(config))
    yield* log.record(
      `configuration reloaded: ${live.length === 0 ? "nothing changed" : `changed ${live.join(", ")}`}` +
        (restart.length === 0 ? "" : `; a restart is needed for ${restart.join(", ")}`)
    )
  })

  const tellWrong = (what: string) => (error: { readonly message: string }) =>
    Effect.andThen(
      Effect.logError(`${what}: ${error.message}`),
      log.record(`${what}: ${error.message}`, { level: "error" })
    )

  const reread = Effect.gen(function* () {
    yield* Effect.catch(reloadConfig, (error: ConfigError) =>
      tellWrong("configuration not reloaded, nothing changed")(error)
    )
    yield* Effect.catch(secret.reload, tellWrong("basic auth secret not reloaded"))
    for (const each of alsoReload) yield* Effect.catch(each, tellWrong("not reloaded"))
  })

  /** Whoever has asked a service manager for it waits until it is over, however it ends. */
  const reload = Effect.andThen(
    Effect.flatMap(reloading, (begun) => manager.tell(...begun)),
    Effect.ensuring(reread, manager.tell(ready))
  )

  const signals = options.signals ?? (yield* hangUps)
  yield* supervisor.start({
    name: "ConfigReloader",
    run: Effect.forever(Effect.andThen(Queue.take(signals), reload)),
    restart: "permanent",
    limits: endlessLimits
  })
})

export const layer = (options: ReloadOptions) => Layer.effectDiscard(make(options))
