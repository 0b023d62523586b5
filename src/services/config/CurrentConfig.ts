/** The configuration in force: read at each use by whatever may change without a restart, replaced by a reload. */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Config } from "./Config.ts"

export class CurrentConfig extends Context.Service<
  CurrentConfig,
  {
    readonly get: () => Config
    readonly set: (config: Config) => void
  }
>()("systemapi/services/config/CurrentConfig") {
  static readonly layer = (initial: Config): Layer.Layer<CurrentConfig> =>
    Layer.sync(CurrentConfig, () => {
      let current = initial
      return CurrentConfig.of({
        get: () => current,
        set: (config) => {
          current = config
        }
      })
    })
}
