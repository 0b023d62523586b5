/**
 * The command line of `systemapi`: which commands and flags there are, and what the help says about them.
 *
 * What a command does comes in as handlers, each of which loads its own code: serving must not pay for the others.
 * A failure is one message on standard error and exit code 1; a command line that makes no sense as well, with a hint at
 * the help of the command it was meant for.
 */
import * as Argument from "effect/cli/Argument"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { normalize, type ServeOptions } from "./argv.ts"
import { CommandFailed, report } from "./CommandFailed.ts"
import { identityCommands } from "./identityCommands.ts"
import { orUndefined } from "./orUndefined.ts"
import { version } from "./version.ts"

export interface ExportOptions {
  /** Undefined: where a daemon started here without a configuration keeps it. */
  readonly store: string | undefined
  readonly after: number
  /** `-` for standard output. */
  readonly output: string
}

export interface ImportOptions {
  readonly store: string | undefined
  /** `-` for standard input. */
  readonly input: string
}

export interface Failure {
  readonly message: string
}

/** Each should import its module when it is called, not before. */
export interface Handlers<E extends Failure, R> {
  readonly serve: (options: ServeOptions) => Effect.Effect<void, E, R>
  readonly exportEvents: (options: ExportOptions) => Effect.Effect<void, E, R>
  readonly importEvents: (options: ImportOptions) => Effect.Effect<void, E, R>
}

/** Runs the command that `argv` (without program and script) asks for. */
export const run = <E extends Failure, R>(handlers: Handlers<E, R>, argv: ReadonlyArray<string>) =>
  Command.runWith(rootCommand(handlers), { version: version() })(normalize(argv)).pipe(
    Effect.catch((error) => (error instanceof CliError.ShowHelp ? afterHelp(error) : report(error))),
    Effect.provide(Layer.merge(CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] }), presenter))
  )

/** A wrong command line has been told by the presenter, and help that was asked for is no failure. */
const afterHelp = ({ errors }: CliError.ShowHelp): Effect.Effect<void, CommandFailed> =>
  errors.length === 0
    ? Effect.void
    : Effect.fail(new CommandFailed({ why: errors.map((error) => error.message).join("; ") }))

/** Whoever mistypes a flag wants to see which, not a page of help that scrolls it away. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.gen(function* () {
          const formatter = yield* CliOutput.Formatter
          for (const error of event.errors) yield* Console.error(formatter.formatCliError(error))
          yield* Console.error(`Run '${event.commandPath.join(" ")} --help' for what there is.`)
        })
      : CliOutput.defaultPresenter.present(event)
})

const serveFlags = {
  config: orUndefined(
    Flag.String("config").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Configuration file; without it no file is read and every key has its default")
    )
  ),
  listenAddr: orUndefined(
    Flag.String("listen-addr").pipe(
      Flag.withMetavar("ADDR"),
      Flag.withDescription("Address to listen on, instead of what the configuration says (default 127.0.0.1:3535)")
    )
  ),
  pipeFile: orUndefined(
    Flag.String("pipe-file").pipe(
      Flag.withMetavar("PATH"),
      Flag.withDescription(
        "FIFO for events, instead of general.pipe_file of the configuration; empty for none (default pipe.fifo)"
      )
    )
  ),
  host: orUndefined(
    Flag.String("host").pipe(
      Flag.withMetavar("HOST"),
      Flag.withDescription("Host of a listener for the Provisioning API, instead of server.host (default 0.0.0.0)")
    )
  ),
  port: orUndefined(
    Flag.String("port").pipe(
      Flag.withMetavar("PORT"),
      Flag.withDescription("Port of that listener, instead of server.port (default 8083)")
    )
  ),
  jwtSecret: orUndefined(
    Flag.String("jwt-secret").pipe(
      Flag.withMetavar("SECRET"),
      Flag.withDescription("Secret that signs tokens; whoever may list processes can read it: prefer JWT_SECRET")
    )
  ),
  cliPath: orUndefined(
    Flag.String("cli-path").pipe(
      Flag.withMetavar("PATH"),
      Flag.withDescription("The provisioning program, instead of provisioning.cli_path; empty for none")
    )
  ),
  logLevel: orUndefined(
    Flag.String("log-level").pipe(
      Flag.withMetavar("LEVEL"),
      Flag.withDescription("What the process log shows: trace, debug, info, warn or error (default info)")
    )
  )
}

interface ServeInput {
  readonly config: string | undefined
  readonly listenAddr: string | undefined
  readonly pipeFile: string | undefined
  readonly host: string | undefined
  readonly port: string | undefined
  readonly jwtSecret: string | undefined
  readonly cliPath: string | undefined
  readonly logLevel: string | undefined
}

/** As data: the help, man pages and completions are made of it. */
export const rootCommand = <E extends Failure, R>(handlers: Handlers<E, R>) => {
  const handleServe = ({ cliPath, config, host, jwtSecret, listenAddr, logLevel, pipeFile, port }: ServeInput) =>
    handlers.serve({
      config,
      flags: {
        listen_addr: listenAddr,
        pipe_file: pipeFile,
        host,
        port,
        jwt_secret: jwtSecret,
        cli_path: cliPath,
        log_level: logLevel
      }
    })
  const serve = Command.make("serve", serveFlags, handleServe).pipe(
    Command.withDescription(
      "Run the daemon in the foreground, until SIGTERM or SIGINT. What happens without a command, too."
    )
  )
  return Command.make("systemapi", serveFlags, handleServe).pipe(
    Command.withDescription(
      "One daemon for machines nobody may log into: durable event log, allow-listed actions, uploads, one password. " +
        "Without a command it serves."
    ),
    Command.withSubcommands([serve, configCommands, eventsCommands(handlers), ...identityCommands])
  )
}

const configCommands = Command.make("config").pipe(
  Command.withDescription("Check a configuration file, or print the schema of one"),
  Command.withSubcommands([
    Command.make(
      "check",
      { file: Argument.String("FILE").pipe(Argument.withDescription("The configuration file")) },
      ({ file }) =>
        Effect.flatMap(
          Effect.promise(() => import("./configCommand.ts")),
          (command) => command.check(file)
        )
    ).pipe(
      Command.withDescription("Tell everything that is wrong with a configuration file; exit 1 when something is")
    ),
    Command.make("schema", {}, () =>
      Effect.flatMap(
        Effect.promise(() => import("./configCommand.ts")),
        (command) => command.schema
      )
    ).pipe(Command.withDescription("Print the JSON Schema (2020-12) of the configuration file, for editors"))
  ])
)

const store = orUndefined(
  Flag.String("store").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("Folder of the event log (default: the first of $STATE_DIRECTORY, else systemapi-state)")
  )
)

const eventsCommands = <E extends Failure, R>(handlers: Handlers<E, R>) =>
  Command.make("events").pipe(
    Command.withDescription("Take the event log out of a store, or put events into one"),
    Command.withSubcommands([
      Command.make(
        "export",
        {
          store,
          after: Flag.Int("after").pipe(
            Flag.withMetavar("N"),
            Flag.withDescription("Only events with a higher sequence number (default 0: all)"),
            Flag.withSchema(Schema.Natural),
            Flag.withDefault(0)
          ),
          output: Flag.String("output").pipe(
            Flag.withMetavar("FILE"),
            Flag.withDescription("Where to write (default -: standard output)"),
            Flag.withDefault("-")
          )
        },
        handlers.exportEvents
      ).pipe(Command.withDescription("Write events as NDJSON, one JSON object per line")),
      Command.make(
        "import",
        { store, input: Argument.String("FILE").pipe(Argument.withDescription("NDJSON file; - for standard input")) },
        handlers.importEvents
      ).pipe(Command.withDescription("Append the events of an export to a store whose daemon is stopped"))
    ])
  )
