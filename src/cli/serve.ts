/** `systemapi serve`: loads the configuration, builds the daemon and stays until a signal or a fault ends it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Queue from "effect/Queue"
import { Supervisor } from "../actors/kernel/Supervisor.ts"
import { load } from "../services/config/ConfigFile.ts"
import type { ServeOptions } from "./argv.ts"
import * as Daemon from "./Daemon.ts"
import { version } from "./version.ts"

export const serve = Effect.fn("serve")(function* (
  { config: path, flags }: ServeOptions,
  signals: Queue.Dequeue<void>
) {
  const source = { path, env: process.env, flags, signals }
  const { config, warnings } = yield* load(path, process.env, flags)
  for (const warning of warnings) yield* Console.error(`warning: ${warning}`)
  const options = { config, version: version(), source }
  const daemon = Daemon.layer(options).pipe(
    Layer.provideMerge(Daemon.platform(options)),
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
