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
import { freeAddress, networkAllowed, parseNetwork } from "./Network.ts"
import { type Done, DriverFailed, type Order, type Provisioner } from "./Provisioner.ts"

export interface BuiltinConfig {
  readonly provisioning: ProvisioningConfig
  readonly actions: ReadonlyMap<string, ActionConfig>
}

const nothingTold: Done = { id: null, ipAddress: null, told: {} }

export const makeBuiltinProvisioner = (config: () => BuiltinConfig): Provisioner => {
  const run = Effect.fnUntraced(function* (
    name: string,
    tag: Order["_tag"],
    order: Order,
    context: OperationContext,
    keep: boolean
  ) {
    const action = yield* templateOf(config(), tag)
    if (action === undefined) return nothingTold
    const input = { args: argumentsOf(order, action) }
    const child = yield* context
      .child(name, { kind: "action", name: action.name, input }, { keep })
      .pipe(Effect.mapError((fault) => new DriverFailed({ fault, begun: true })))
    if (child.status === "completed") return yield* doneOf(action, child)
    const cancelled = child.status === "cancelled" && (yield* context.isCancelled)
    return yield* new DriverFailed({ fault: faultOf(action, child, cancelled), begun: child.startedAt !== null })
  })

  return {
    isWhole: true,
    address: (taken) =>
      Effect.suspend(() => {
        const { network: text } = config().provisioning
        const network = parseNetwork(text)
        if (network === undefined) {
          return refused("invalid_input", `provisioning.network: ${JSON.stringify(text)}, allowed: ${networkAllowed}`)
        }
        const free = freeAddress(network, taken())
        return free === undefined
          ? refused("no_address", `every address of provisioning.network, ${text}, is taken`)
          : Effect.succeed(free)
      }),
    perform: (order, checkMode, context) =>
      checkMode
        ? Effect.map(templateOf(config(), order._tag), (action) => ({
            ...nothingTold,
            told: { template: action?.name ?? null }
          }))
        : run("template", order._tag, order, context, false),
    undo: Effect.fnUntraced(function* (order, context) {
      if (order._tag !== "server.create" && order._tag !== "taskserv.create") return false
      const tag = order._tag === "server.create" ? "server.delete" : "taskserv.delete"
      const action = yield* Effect.orElseSucceed(templateOf(config(), tag), () => undefined)
      if (action === undefined) return false
      return yield* run("undo", tag, order, context, true).pipe(
        Effect.as(true),
        Effect.catchTag("DriverFailed", (failed) => Effect.as(context.say(`not undone: ${failed.message}`), false))
      )
    })
  }
}

const refused = (code: string, message: string) => Effect.fail(new OperationFailed({ code, message }))

const keyOf = {
  "server.create": "server_create",
  "server.delete": "server_delete",
  "taskserv.create": "taskserv_create",
  "taskserv.delete": "taskserv_delete"
} as const

/** Undefined: none is configured. */
const templateOf = (
  { actions, provisioning }: BuiltinConfig,
  tag: Order["_tag"]
): Effect.Effect<ActionConfig | undefined, DriverFailed> => {
  const key = keyOf[tag]
  const name = provisioning.templates[key]
  const action = name === undefined ? undefined : actions.get(name)
  if (name === undefined || action !== undefined) return Effect.succeed(action)
  const message = `provisioning.templates.${key}: there is no action ${JSON.stringify(name)}`
  return Effect.fail(new DriverFailed({ fault: new OperationFailed({ code: "not_started", message }), begun: false }))
}

/** What is declared and known; the rest is the declaration's default, or refused as missing. */
const argumentsOf = (order: Order, { args }: ActionConfig): Readonly<Record<string, string>> => {
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
  for (const { name } of args) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value !== undefined && value !== null) given[name] = value
  }
  return given
}

const faultOf = ({ name }: ActionConfig, { error, id, status }: Operation, cancelled: boolean): OperationFailed =>
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

const doneOf = (action: ActionConfig, { id, result }: Operation): Effect.Effect<Done, DriverFailed> => {
  const lines = Result.match(decodeOutput(result), {
    onFailure: () => [],
    onSuccess: ({ stdout }) => (stdout.tail === "" ? stdout.head : stdout.tail).trimEnd().split("\n")
  })
  const told = Result.getOrUndefined(decodeTold(lines.at(-1) ?? ""))
  const ipAddress = told?.ip_address ?? null
  if (ipAddress !== null && isIP(ipAddress) === 0) {
    const message = `action ${action.name}: its ip_address is none`
    return Effect.fail(
      new DriverFailed({
        fault: new OperationFailed({ code: "invalid_result", message, details: { operation: id } }),
        begun: true
      })
    )
  }
  return Effect.succeed({ ...nothingTold, ipAddress })
}
