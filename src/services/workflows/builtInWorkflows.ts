/**
 * Workflows that there are without a configuration: the one of the Provisioning API's document. A configured one of the same
 * name takes its place.
 */
import type { ArgumentSpec } from "../config/ArgumentSchema.ts"
import type { StepDefinition, WorkflowDefinition } from "./Definition.ts"

type Workflows = ReadonlyMap<string, WorkflowDefinition>

const text = (
  name: string,
  description: string,
  rules: { readonly pattern: string; readonly default?: string }
): ArgumentSpec => ({
  name,
  type: "string",
  max_length: 128,
  pattern: rules.pattern,
  default: rules.default,
  required: rules.default === undefined,
  description
})

const step: Omit<StepDefinition, "name" | "task" | "input" | "count" | "needs"> = {
  retries: 0,
  retry_delay_ms: 1000,
  timeout_ms: 3_600_000,
  compensate: undefined
}

const cluster: WorkflowDefinition = {
  name: "cluster_create",
  description: "Makes servers and installs kubernetes on them.",
  timeout_ms: 86_400_000,
  concurrency: 4,
  parameters: [
    // With room for the number that is put behind it, within the 63 characters of a host name's label.
    text("cluster_name", "The servers are called after it, with -1, -2, … behind.", {
      pattern: "[A-Za-z0-9](?:[A-Za-z0-9-]{0,57}[A-Za-z0-9])?"
    }),
    {
      name: "node_count",
      type: "int",
      min: 1,
      // As many as one task service is installed on.
      max: 256,
      default: undefined,
      required: true,
      description: "How many servers."
    },
    text("provider", "Who makes the servers.", { pattern: "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", default: "local" }),
    text("plan", "How large they are.", { pattern: "[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", default: "2xCPU-4GB" })
  ],
  steps: [
    {
      ...step,
      name: "servers",
      task: { _tag: "Operation", operation: "server.create" },
      count: { parameter: "node_count" },
      needs: [],
      input: {
        hostname: { parameter: "cluster_name" },
        provider: { parameter: "provider" },
        plan: { parameter: "plan" }
      }
    },
    {
      ...step,
      name: "kubernetes",
      task: { _tag: "Operation", operation: "taskserv.create" },
      count: undefined,
      needs: ["servers"],
      input: { name: "kubernetes", servers: { step: "servers", member: "hostname" } }
    }
  ]
}

export const builtIns: Workflows = new Map([[cluster.name, cluster]])

export const workflowOf = (configured: Workflows, type: string): WorkflowDefinition | undefined =>
  configured.get(type) ?? builtIns.get(type)

/** All types there are, by name. */
export const workflowTypes = (configured: Workflows): ReadonlyArray<string> =>
  [...new Set([...configured.keys(), ...builtIns.keys()])].sort()
