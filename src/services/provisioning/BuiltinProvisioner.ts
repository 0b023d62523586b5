/**
 * The driver that needs no program: what the inventory has is what there is. Addresses come from `provisioning.network`;
 * where a template is configured, an action does the rest, as an operation of its own whose output is kept with it. Without
 * one only the inventory changes.
 *
 * An action is given those of its declared arguments that there is a value for: operation, server_id, hostname, provider,
 * plan, zone, tags (joined by commas), ip_address; taskserv_id, name, servers (joined by commas); workspace and check_mode
 * for both. A JSON object that it prints as its last line may say another ip_address.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isIP } from "node:net"
import type { ActionConfig, ProvisioningConfig } from "../config/Config.ts"
import { type Operation, OperationFailed } from "../operations/Operation.ts"
import type { OperationContext } from "../operations/OperationKinds.ts"
import { freeAddress, parseNetwork } from "./Network.ts"
import { type Done, DriverFailed, type Order, type Provisioner } from "./Provisioner.ts"

export interface BuiltinConfig {
  readonly provisioning: ProvisioningConfig
  readonly actions: ReadonlyMap<string, Pick<ActionConfig, "args">>
}

const nothingTold: Done = { id: null, ipAddress: null, told: {} }

export const makeBuiltinProvisioner = (config: () => BuiltinConfig): Provisioner => {
  const run = Effect.fnUntraced(function* (
    child: "template" | "undo",
    name: string,
    order: Order,
    context: OperationContext
  ) {
    // Of one that is configured no more the arguments are known to the operation that runs it, or it is not run.
    const input = { args: argumentsOf(order, config().actions.get(name)?.args ?? []) }
    const ended = yield* context
      .child(child, { kind: "action", name, input }, { keep: child === "undo" })
      .pipe(Effect.mapError((fault) => new DriverFailed({ fault, begun: true })))
    if (ended.status === "completed") return yield* doneOf(name, ended)
    const cancelled = ended.status === "cancelled" && (yield* context.isCancelled)
    return yield* new DriverFailed({
      fault: faultOf(name, ended, cancelled),
      begun: ended.startedAt !== null && !notRun.has(ended.error?.code)
    })
  })

  const templateOf = (tag: Order["_tag"]): string | null => config().provisioning.templates[keyOf[tag]] ?? null

  return {
    isWhole: true,
    address: (taken) =>
      Effect.suspend(() => {
        const { network: text } = config().provisioning
        const network = parseNetwork(text)
        if (network === undefined) return Effect.die(new Error(`provisioning.network: ${text}`))
        const free = freeAddress(network, taken())
        const message = `every address of provisioning.network, ${text}, is taken`
        return free === undefined
          ? Effect.fail(new OperationFailed({ code: "no_address", message }))
          : Effect.succeed(free)
      }),
    means: templateOf,
    perform: (order, means, context) =>
      means === null ? Effect.succeed(nothingTold) : run("template", means, order, context),
    rehearse: (order) => Effect.sync(() => ({ ...nothingTold, told: { template: templateOf(order._tag) } })),
    undo: Effect.fnUntraced(function* (order, context) {
      if (order._tag !== "server.create" && order._tag !== "taskserv.create") return false
      const means = templateOf(order._tag === "server.create" ? "server.delete" : "taskserv.delete")
      if (means === null) return false
      return yield* run("undo", means, order, context).pipe(
        Effect.as(true),
        Effect.catchTag("DriverFailed", (failed) => Effect.as(context.say(`not undone: ${failed.message}`), false))
      )
    })
  }
}

const keyOf = {
  "server.create": "server_create",
  "server.delete": "server_delete",
  "taskserv.create": "taskserv_create",
  "taskserv.delete": "taskserv_delete"
} as const

/** Of an action that was not run: nothing was begun. */
const notRun: ReadonlySet<string | undefined> = new Set(["invalid_input", "not_found", "not_started"])

/** What is declared and known; the rest is the declaration's default, or refused as missing. */
const argumentsOf = (
  order: Order,
  declared: ReadonlyArray<{ readonly name: string }>
): Readonly<Record<string, string>> => {
  const values: Readonly<Record<string, string | null>> = {
    ...("server" in order
      ? {
          workspace: order.server.workspace,
          server_id: order.server.id,
          hostname: order.server.hostname,
          provider: order.server.provider,
          plan: order.server.plan,
          zone: order.server.zone,
          tags: order.server.tags.join(","),
          ip_address: order.server.ipAddress
        }
      : {
          workspace: order.taskserv.workspace,
          taskserv_id: order.taskserv.id,
          name: order.taskserv.name,
          servers: order.taskserv.servers.join(",")
        }),
    operation: order._tag,
    check_mode: "false"
  }
  const given: Record<string, string> = {}
  for (const { name } of declared) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value !== undefined && value !== null) given[name] = value
  }
  return given
}

const faultOf = (name: string, { error, id, status }: Operation, cancelled: boolean): OperationFailed =>
  new OperationFailed({
    code: cancelled ? "cancelled" : "template_failed",
    message: `action ${name}: ${error?.message ?? status}`,
    details: { action: name, operation: id, ...(error === null ? {} : { error: error.code, ...error.details }) }
  })

const ActionOutput = Schema.Struct({ stdout: Schema.Struct({ head: Schema.String, tail: Schema.String }) })

const decodeOutput = Schema.decodeUnknownResult(ActionOutput)

const decodeTold = Schema.decodeUnknownResult(
  Schema.fromJsonString(Schema.Struct({ ip_address: Schema.optionalKey(Schema.String) }))
)

const doneOf = (action: string, { id, result }: Operation): Effect.Effect<Done, DriverFailed> => {
  const lines = Result.match(decodeOutput(result), {
    onFailure: () => [],
    onSuccess: ({ stdout }) => (stdout.tail === "" ? stdout.head : stdout.tail).trimEnd().split("\n")
  })
  const told = Result.getOrUndefined(decodeTold(lines.at(-1) ?? ""))
  const ipAddress = told?.ip_address ?? null
  if (ipAddress !== null && isIP(ipAddress) === 0) {
    const message = `action ${action}: its ip_address is none`
    return Effect.fail(
      new DriverFailed({
        fault: new OperationFailed({ code: "invalid_result", message, details: { operation: id } }),
        begun: true
      })
    )
  }
  return Effect.succeed({ ...nothingTold, ipAddress })
}
