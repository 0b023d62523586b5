/**
 * The driver that calls a program for each operation: `provisioning.cli_path` with an argument vector (cliArguments.ts),
 * and reads what it says (cliAnswers.ts). The program is the authority: it may know servers that the inventory does not.
 *
 * It gets a few variables of the daemon's environment that programs need to find their way, and no other; its credentials
 * are its own affair. It is ended after `timeout_seconds`, TERM first, KILL `killGrace` later.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { isIP } from "node:net"
import { describeExit } from "../actions/describeExit.ts"
import type { RunResult } from "../commands/Executor.ts"
import type { ProvisioningConfig } from "../config/Config.ts"
import { OperationFailed } from "../operations/Operation.ts"
import type { OperationContext } from "../operations/OperationKinds.ts"
import { type Answers, answersOf, clip, progressOf } from "./cliAnswers.ts"
import { cliArguments } from "./cliArguments.ts"
import { type Done, DriverFailed, type Order, type Provisioner } from "./Provisioner.ts"
import { isId } from "./requests.ts"

const passedOn = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_CONFIG_HOME"]

/** A result is a line or two; what is said before it is for people, and kept as the operation's output. */
const keptBytes = 64 * 1024

/** What a wrapper's children still write when it has ended is no part of the answer. */
const outputGrace = Duration.seconds(1)

/** A provider's call that has to be taken back takes its time. */
const killGrace = Duration.seconds(10)

export const makeCliProvisioner = (
  config: () => ProvisioningConfig,
  environment: Readonly<Record<string, string | undefined>>
): Provisioner => {
  const call = Effect.fnUntraced(function* (order: Order, checkMode: boolean, context: OperationContext) {
    const { cli_path: program, max_concurrent_operations: concurrency, timeout_seconds: timeoutSeconds } = config()
    if (program === undefined) {
      // An earlier daemon, whose configuration had one, may have called it.
      const message = "provisioning.cli_path is not set any more"
      return yield* new DriverFailed({ fault: new OperationFailed({ code: "not_started", message }), begun: true })
    }
    const ran = yield* context
      .command(
        {
          name: "provisioning",
          argv: [program, ...cliArguments(order, checkMode)],
          env: Object.fromEntries(passedOn.flatMap((name) => pairOf(name, environment[name]))),
          headBytes: keptBytes,
          tailBytes: keptBytes,
          timeout: Duration.seconds(timeoutSeconds),
          outputGrace,
          killGrace,
          concurrency,
          onLine: (line) => {
            const progress = progressOf(line)
            return progress === undefined ? Effect.void : context.progress(progress.fraction, progress.text)
          }
        },
        { again: checkMode }
      )
      .pipe(Effect.mapError((fault) => new DriverFailed({ fault, begun: fault.code !== "not_started" })))
    const answers = answersOf(ran.stdout.truncated ? ran.stdout.tail : ran.stdout.head + ran.stdout.tail)
    const fault = faultOf(order, ran, answers, timeoutSeconds)
    if (fault !== undefined) return yield* new DriverFailed({ fault, begun: true })
    return yield* doneOf(order, answers)
  })

  return {
    isWhole: false,
    address: () => Effect.succeed(null),
    means: () => null,
    perform: (order, _means, context) => call(order, false, context),
    rehearse: (order, context) => call(order, true, context),
    // What the provider has made of half a call only its program can tell: the failed row remains, to be deleted through it.
    undo: () => Effect.succeed(false)
  }
}

const pairOf = (name: string, value: string | undefined): ReadonlyArray<readonly [string, string]> =>
  value === undefined ? [] : [[name, value]]

/** Undefined: it ended well. */
const faultOf = (
  order: Order,
  ran: RunResult,
  { error }: Answers,
  timeoutSeconds: number
): OperationFailed | undefined => {
  const ending = describeExit(ran, timeoutSeconds * 1000)
  if (ending === undefined && error === undefined) return undefined
  const said = lastLineOf(ran.stderr.tail === "" ? ran.stderr.head : ran.stderr.tail)
  const why = [ending, error ?? said].filter((part) => part !== undefined && part !== "").join(": ")
  return new OperationFailed({
    code: ran.timedOut ? "timed_out" : "command_failed",
    message: `provisioning ${order._tag.replace(".", " ")}: ${why}`,
    details: {
      exit_code: ran.exit._tag === "Exited" ? ran.exit.code : null,
      signal: ran.exit._tag === "Signaled" ? ran.exit.signal : null,
      stderr: said
    }
  })
}

const lastLineOf = (text: string): string =>
  clip(
    text
      .split("\n")
      .findLast((line) => line.trim() !== "")
      ?.trim() ?? ""
  )

const doneOf = (order: Order, { hasText, result }: Answers): Effect.Effect<Done, DriverFailed> => {
  const invalid = (what: string) =>
    new DriverFailed({
      fault: new OperationFailed({
        code: "invalid_result",
        message: `provisioning ${order._tag.replace(".", " ")}: it ended well, but ${what}`
      }),
      begun: true
    })
  // Of what is gone there is nothing to be told.
  if (result === undefined && hasText && order._tag.endsWith("create")) {
    return Effect.fail(invalid("printed no JSON object that says what came of it"))
  }
  const { ip_address: ipAddress = null, server_id: serverId = null, ...rest } = result ?? {}
  if (order._tag !== "server.create") return Effect.succeed({ id: null, ipAddress: null, told: { ...result } })
  if (serverId !== null && (typeof serverId !== "string" || !isId(serverId))) {
    return Effect.fail(invalid("its server_id is none"))
  }
  if (ipAddress !== null && (typeof ipAddress !== "string" || isIP(ipAddress) === 0)) {
    return Effect.fail(invalid("its ip_address is none"))
  }
  const told: Schema.JsonObject = rest
  return Effect.succeed({ id: serverId, ipAddress, told })
}
