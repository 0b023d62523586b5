/**
 * Entry point: the command line decides what runs; signals end it in order.
 *
 * What is not needed is not loaded: a plain wish to serve, which is what a service manager has at every boot, is read
 * without the parser, and every command has its own code.
 */
// oxlint-disable-next-line import/no-unassigned-import -- it is the first of all for what it does, and has nothing to give.
import "./cli/early.ts"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import { plainServe } from "./cli/argv.ts"
import type { Failure, Handlers } from "./cli/Cli.ts"
import { reported } from "./cli/CommandFailed.ts"
import { hangUps } from "./services/config/hangUps.ts"

const load = <A>(module: () => Promise<A>) => Effect.promise(module)

const handlers: Handlers<Failure, never> = {
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
}

const parsed = (argv: ReadonlyArray<string>) =>
  Effect.flatMap(
    load(() => Promise.all([import("./cli/Cli.ts"), import("@effect/platform-node/NodeServices")])),
    ([{ run }, { layer }]) => Effect.provide(run(handlers, argv), layer)
  )

const argv = process.argv.slice(2)
const plain = plainServe(argv)
const program = plain === undefined ? parsed(argv) : reported(handlers.serve(plain))

/** A daemon that was asked to stop and did has not failed. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

NodeRuntime.runMain(program, { teardown })
