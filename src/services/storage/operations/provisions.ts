/** Servers and task services as rows. */
import type { ProvisionStatus, Server, Taskserv } from "../../provisioning/Inventory.ts"
import { namesOf, numberOf, textOf, textOrNone } from "../columns.ts"
import type { ProvisionFormat } from "./ProvisionTable.ts"

const statuses: ReadonlyArray<ProvisionStatus> = ["creating", "running", "failed", "deleting"]

const statusOf = (text: string): ProvisionStatus => {
  const status = statuses.find((one) => one === text)
  if (status === undefined) throw new Error(`the operations file names an unknown status, ${text}`)
  return status
}

export const serverFormat: ProvisionFormat<Server> = {
  table: "servers",
  columns: [
    "id",
    "workspace",
    "hostname",
    "provider",
    "plan",
    "zone",
    "ip_address",
    "status",
    "tags",
    "operation",
    "created_at",
    "updated_at"
  ],
  name: "hostname",
  nameOf: ({ hostname }) => hostname,
  toValues: (server) => [
    server.id,
    server.workspace,
    server.hostname,
    server.provider,
    server.plan,
    server.zone,
    server.ipAddress,
    server.status,
    JSON.stringify(server.tags),
    server.operation,
    server.createdAt,
    server.updatedAt
  ],
  toThing: (row) => ({
    id: textOf(row["id"]),
    workspace: textOf(row["workspace"]),
    hostname: textOf(row["hostname"]),
    provider: textOf(row["provider"]),
    plan: textOf(row["plan"]),
    zone: textOrNone(row["zone"]) ?? null,
    ipAddress: textOrNone(row["ip_address"]) ?? null,
    status: statusOf(textOf(row["status"])),
    tags: namesOf(row["tags"]),
    operation: textOf(row["operation"]),
    createdAt: numberOf(row["created_at"]),
    updatedAt: numberOf(row["updated_at"])
  })
}

export const taskservFormat: ProvisionFormat<Taskserv> = {
  table: "taskservs",
  columns: ["id", "workspace", "name", "servers", "status", "operation", "created_at", "updated_at"],
  name: "name",
  nameOf: ({ name }) => name,
  toValues: (taskserv) => [
    taskserv.id,
    taskserv.workspace,
    taskserv.name,
    JSON.stringify(taskserv.servers),
    taskserv.status,
    taskserv.operation,
    taskserv.createdAt,
    taskserv.updatedAt
  ],
  toThing: (row) => ({
    id: textOf(row["id"]),
    workspace: textOf(row["workspace"]),
    name: textOf(row["name"]),
    servers: namesOf(row["servers"]),
    status: statusOf(textOf(row["status"])),
    operation: textOf(row["operation"]),
    createdAt: numberOf(row["created_at"]),
    updatedAt: numberOf(row["updated_at"])
  })
}
