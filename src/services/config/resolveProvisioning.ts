/**
 * `[provisioning]` with the command line and the environment applied, and its rules: a driver that has what it needs, and
 * templates that are configured actions.
 */
import * as Result from "effect/Result"
import type { ProvisioningConfig } from "./Config.ts"
import { decodeOutside } from "./decode.ts"
import { type Environment, type Flags, given } from "./environment.ts"
import { pathOrNone } from "./keys.ts"
import type { ProvisioningSection } from "./OperationSections.ts"
import { type Problem, quote } from "./Problem.ts"
import { nearest } from "./unknownKeys.ts"

export interface ProvisioningInput {
  readonly section: ProvisioningSection
  readonly env: Environment
  readonly flags: Flags
  /** Names of the actions that are written down, right or not, lest one mistake be told twice. */
  readonly actions: ReadonlySet<string>
}

export interface ResolvedProvisioning {
  readonly provisioning: ProvisioningConfig
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
}

export const resolveProvisioning = ({ actions, env, flags, section }: ProvisioningInput): ResolvedProvisioning => {
  const problems: Array<Problem> = []
  const warnings: Array<Problem> = []
  const asked =
    flags.cli_path !== undefined
      ? decodeOutside(pathOrNone, flags.cli_path, "--cli-path")
      : section.cli_path !== ""
        ? Result.succeed(section.cli_path)
        : decodeOutside(pathOrNone, given(env, "PROVISIONING_CLI_PATH") ?? "", "PROVISIONING_CLI_PATH")
  if (Result.isFailure(asked)) problems.push(...asked.failure)
  const cli_path = Result.isSuccess(asked) && asked.success !== "" ? asked.success : undefined
  const driver = section.driver ?? (cli_path === undefined ? "builtin" : "cli")
  if (driver === "cli" && cli_path === undefined && Result.isSuccess(asked)) {
    problems.push({ path: ["provisioning", "driver"], text: 'found "cli", but no program: needs cli_path' })
  }
  if (driver === "builtin" && section.cli_path !== "" && flags.cli_path === undefined) {
    warnings.push({ path: ["provisioning", "cli_path"], text: 'not used, because driver is "builtin"' })
  }
  const templates = Object.entries(section.templates)
  if (driver === "cli" && templates.length > 0) {
    warnings.push({ path: ["provisioning", "templates"], text: 'not used, because the driver is "cli"' })
  }
  for (const [operation, action] of templates) {
    if (actions.has(action)) continue
    const near = nearest(action, [...actions])
    problems.push({
      path: ["provisioning", "templates", operation],
      text: `found ${quote(action)}, which is no action${near === undefined ? "" : `, did you mean ${quote(near)}?`}`
    })
  }
  return { provisioning: { ...section, cli_path, driver }, problems, warnings }
}
