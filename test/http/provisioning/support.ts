/** Servers, task services and workspaces over HTTP: the stored inventory and operations in memory, which nobody runs. */
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { provisioningEndpoints } from "../../../src/http/api/endpoints.ts"
import { bind } from "../../../src/http/edge/routes.ts"
import { makeServerHandlers } from "../../../src/http/provisioning/serverHandlers.ts"
import { makeTaskservHandlers } from "../../../src/http/provisioning/taskservHandlers.ts"
import { makeWorkspaceHandlers } from "../../../src/http/provisioning/workspaceHandlers.ts"
import { OperationStore } from "../../../src/services/operations/OperationStore.ts"
import { storedLayer } from "../../../src/services/operations/storedLayer.ts"
import { Inventory, type Server, type Taskserv } from "../../../src/services/provisioning/Inventory.ts"
import { inMemory } from "../../../src/services/storage/databaseFile.ts"
import { layerAt } from "../../../src/services/storage/OperationsStorageHere.ts"
import { admitted, makeTestEdge, user } from "../edge/support.ts"

export const server = (id: string, rest: Partial<Server> = {}): Server => ({
  id,
  workspace: "production",
  hostname: `host-of-${id}`,
  provider: "upcloud",
  plan: "2xCPU-4GB",
  zone: null,
  ipAddress: "10.0.0.1",
  status: "running",
  tags: [],
  operation: "op",
  createdAt: 0,
  updatedAt: 1000,
  ...rest
})

export const taskserv = (id: string, rest: Partial<Taskserv> = {}): Taskserv => ({
  id,
  workspace: "production",
  name: `name-of-${id}`,
  servers: ["web-01"],
  status: "running",
  operation: "op",
  createdAt: 0,
  updatedAt: 1000,
  ...rest
})

export interface AppOptions {
  readonly grants?: ReadonlyArray<string>
  readonly maxPending?: number
  readonly inventory?: Partial<Inventory["Service"]>
}

export const makeProvisioningApp = Effect.fnUntraced(function* ({
  grants = ["*"],
  inventory: own,
  maxPending = 100
}: AppOptions = {}) {
  const context = yield* Layer.build(Layer.fresh(storedLayer.pipe(Layer.provide(layerAt(inMemory)))))
  const store = Context.get(context, OperationStore)
  const inventory = Context.get(context, Inventory)
  const services = {
    inventory: { ...inventory, ...own },
    operations: {
      submit: (asked: Omit<Parameters<typeof store.submit>[0], "id">) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => store.submit({ ...asked, id: randomUUID() }, now, maxPending)),
      position: () => 1
    }
  }
  const edge = yield* makeTestEdge({
    outcome: admitted(user("ann", ...grants)),
    routes: [
      ...bind(provisioningEndpoints.servers, makeServerHandlers(services)),
      ...bind(provisioningEndpoints.taskservs, makeTaskservHandlers(services)),
      ...bind(provisioningEndpoints.workspaces, makeWorkspaceHandlers(services))
    ]
  })
  const call = Effect.fnUntraced(function* (
    target: string,
    {
      body,
      headers = {},
      method
    }: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>>; readonly method?: string } = {}
  ) {
    const {
      headers: fields,
      status,
      text
    } = yield* edge.ask(target, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      ...(body === undefined
        ? {}
        : { body: Stream.succeed(Buffer.from(typeof body === "string" ? body : JSON.stringify(body))) })
    })
    const json: unknown = text === "" ? undefined : JSON.parse(text)
    return { status, headers: fields, text, json }
  })
  return { call, inventory, store }
})
