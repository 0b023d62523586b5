/** What an operation's journal keeps of the inventory: rows as JSON, read back after a restart. */
import * as Schema from "effect/Schema"

export const driverName = Schema.Literals(["builtin", "cli"])

const status = Schema.Literals(["creating", "running", "failed", "deleting"])

export const ServerRow = Schema.Struct({
  id: Schema.String,
  workspace: Schema.String,
  hostname: Schema.String,
  provider: Schema.String,
  plan: Schema.String,
  zone: Schema.NullOr(Schema.String),
  ipAddress: Schema.NullOr(Schema.String),
  status,
  tags: Schema.Array(Schema.String),
  operation: Schema.String,
  createdAt: Schema.Finite,
  updatedAt: Schema.Finite
})

export const TaskservRow = Schema.Struct({
  id: Schema.String,
  workspace: Schema.String,
  name: Schema.String,
  servers: Schema.Array(Schema.String),
  status,
  operation: Schema.String,
  createdAt: Schema.Finite,
  updatedAt: Schema.Finite
})
