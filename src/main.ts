/** Entry point: the command line decides what runs; signals end it in order. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import { run } from "./cli/Cli.ts"
import { hangUps } from "./services/config/hangUps.ts"

const load = <A>(module: () => Promise<A>) => Effect.promise(module)

const program = run<{ readonly message: string }, never>(
  {
    // Before the daemon's code is even loaded: from its first moment SIGHUP means reload, not the end.
    serve: (options) =>
      Effect.scoped(
        Effect.flatMap(hangUps, (signals) =>
          Effect.flatMap(
            load(() => import("./cli/serve.ts")),
            ({ serve }) => serve(options, signals)
          )
        )
      ),
    exportEvents: (options) =>
      Effect.flatMap(
        load(() => import("./cli/eventsCommand.ts")),
        ({ exportEvents }) => exportEvents(options)
      ),
    importEvents: (options) =>
      Effect.flatMap(
        load(() => import("./cli/eventsCommand.ts")),
        ({ importEvents }) => importEvents(options)
      )
  },
  process.argv.slice(2)
)

/** A daemon that was asked to stop and did has not failed. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

NodeRuntime.runMain(Effect.provide(program, NodeServices.layer), { teardown })
