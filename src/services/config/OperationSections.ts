/**
 * `[operations]`, `[provisioning]` and `[workflows]`: how much work waits and is kept, who provisions, and what is done in
 * which order.
 */
import * as Schema from "effect/Schema"
import { choice, integer, key, optional, pathOrNone, required, section, text } from "./keys.ts"

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
  network: key(text(), "10.0.0.0/24", {
    description: "Where the builtin driver takes the addresses of servers from: an IPv4 network."
  }),
  templates: section(Templates, {})
}).annotate({ description: "Servers and task services.", allowed: "a table" })

export type ProvisioningSection = typeof ProvisioningSection.Type

/** A value, or the name of the workflow's parameter that has it. */
const StepValue = Schema.Union([
  text(),
  Schema.Finite,
  Schema.Boolean,
  Schema.Struct({ parameter: required(text(128), { description: "Name of the parameter." }) })
]).annotate({ allowed: 'text, a number, true or false, or { parameter = "NAME" }' })

const Step = Schema.Struct({
  name: required(text(64), { description: "Unique within the workflow." }),
  action: optional(text(), { description: "Run this configured action. Either this or operation." }),
  operation: optional(choice(["server.create", "server.delete", "taskserv.create", "taskserv.delete"]), {
    description: "Ask for this operation. Either this or action."
  }),
  input: section(
    Schema.Record(Schema.String, Schema.Union([StepValue, Schema.Array(StepValue)])).annotate({
      description: "Arguments of the action, or members of the operation's request."
    }),
    {}
  ),
  count: optional(StepValue, {
    description: "Do it so many times, at once: -1, -2 … is put behind the hostname or name."
  }),
  needs: section(Schema.Array(text(64)).annotate({ description: "Steps that must have been done before." }), []),
  retries: key(integer(0, 100), 0, { description: "How often it is tried again when it fails." }),
  retry_delay_ms: key(integer(0, 3_600_000), 1000, { description: "Before each new try; doubles each time." }),
  timeout_ms: key(integer(1, 86_400_000), 3_600_000, { description: "It is cancelled, and has failed, after this." }),
  compensate: optional(text(), { description: "Action that undoes it, given the same input, when a later step fails." })
}).annotate({ description: "A step.", allowed: "a table" })

export const WorkflowSection = Schema.Struct({
  description: key(text(), "", { description: "Shown in errors and lists." }),
  timeout_ms: key(integer(1, 2_147_483_647), 86_400_000, {
    description: "The whole is cancelled, and undone, after this."
  }),
  concurrency: key(integer(1, 1024), 4, { description: "How many of this workflow run at once; others wait." }),
  parameters: section(
    Schema.Array(
      Schema.Struct({
        name: required(text(128), { description: "Name of the parameter." }),
        type: key(choice(["string", "integer", "boolean"]), "string", { description: "What it is." }),
        pattern: optional(text(), { description: "Regular expression that the whole text must match." }),
        min: optional(Schema.Finite, { description: "Smallest number." }),
        max: optional(Schema.Finite, { description: "Largest number." }),
        default: optional(Schema.Union([text(), Schema.Finite, Schema.Boolean]), {
          description: "Its value where none is given. Without one it must be given."
        })
      })
    ).annotate({ description: "What a caller may say." }),
    []
  ),
  steps: required(Schema.Array(Step).check(Schema.isMinLength(1), Schema.isMaxLength(256)), {
    description: "What is done."
  })
}).annotate({ description: "A workflow.", allowed: "a table" })

export const WorkflowsSection = Schema.Record(Schema.String, WorkflowSection).annotate({
  description: "Workflows that may be submitted, by type.",
  allowed: "a table"
})

export type WorkflowSection = typeof WorkflowSection.Type
export type WorkflowStep = WorkflowSection["steps"][number]
