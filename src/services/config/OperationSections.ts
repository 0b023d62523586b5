/** `[operations]` and `[provisioning]`: how much work waits and is kept, and who provisions. */
import * as Schema from "effect/Schema"
import { networkAllowed, parseNetwork } from "../provisioning/Network.ts"
import { choice, integer, key, optional, pathOrNone, section, text } from "./keys.ts"

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const day_s = 86_400

export const OperationsSection = Schema.Struct({
  max_pending: key(integer(1, 1_000_000), 20_000, {
    description: "How many operations may wait; more are answered 429.",
    live: true
  }),
  max_count: key(integer(1, 1_000_000), 10_000, {
    description: "How many ended operations are kept; older ones are removed.",
    live: true
  }),
  max_age_s: key(integer(60, 3650 * day_s), 7 * day_s, {
    description: "Operations that ended more than this many seconds ago are removed.",
    live: true
  }),
  max_output_bytes: key(integer(mebibyte, 64 * 1024 * mebibyte), 256 * mebibyte, {
    description: "How many bytes of their output are kept; the output of older ones is removed first.",
    live: true
  }),
  output_head_bytes: key(integer(kibibyte, 16 * mebibyte), 64 * kibibyte, {
    description: "How much of the start of an operation's output is kept.",
    live: true
  }),
  output_tail_bytes: key(integer(kibibyte, 16 * mebibyte), 64 * kibibyte, {
    description: "How much of the end of an operation's output is kept.",
    live: true
  })
}).annotate({ description: "Work that is asked for and polled: actions, provisioning, workflows.", allowed: "a table" })

export type OperationsSection = typeof OperationsSection.Type

/** Operation → name of a configured action. */
const Templates = Schema.Struct({
  server_create: optional(text(), { description: "Action that makes a server." }),
  server_delete: optional(text(), { description: "Action that removes a server." }),
  taskserv_create: optional(text(), { description: "Action that installs a task service." }),
  taskserv_delete: optional(text(), { description: "Action that removes a task service." })
}).annotate({ description: "Actions by which the builtin driver provisions; without one only the inventory changes." })

/** Notes stand on the last check, and JSON Schema sees those of a check it can express only. */
const network = Schema.String.check(
  Schema.makeFilter((value: string) => parseNetwork(value) !== undefined),
  Schema.isMinLength("0.0.0.0/8".length)
).annotate({ allowed: networkAllowed })

export const ProvisioningSection = Schema.Struct({
  driver: optional(choice(["builtin", "cli"]), {
    description: "Who provisions. Default: cli where cli_path is given, else builtin."
  }),
  cli_path: key(pathOrNone, "", { description: "The provisioning program, called without a shell." }),
  timeout_seconds: key(integer(1, 86_400), 300, { description: "A call of it is ended after this.", live: true }),
  max_concurrent_operations: key(integer(1, 1024), 10, {
    description: "How many provisioning operations run at once; others wait.",
    live: true
  }),
  network: key(network, "10.0.0.0/24", {
    description: "Where the builtin driver takes the addresses of servers from: an IPv4 network."
  }),
  templates: section(Templates, {})
}).annotate({ description: "Servers and task services.", allowed: "a table" })

export type ProvisioningSection = typeof ProvisioningSection.Type
