/** `[provisioning]` with the environment applied. */
import type { ProvisioningConfig } from "./Config.ts"
import type { Environment } from "./environment.ts"
import type { ProvisioningSection } from "./OperationSections.ts"

export const resolveProvisioning = (section: ProvisioningSection, env: Environment): ProvisioningConfig => {
  const asked = section.cli_path === "" ? (env["PROVISIONING_CLI_PATH"] ?? "") : section.cli_path
  const cli_path = asked === "" ? undefined : asked
  return { ...section, cli_path, driver: section.driver ?? (cli_path === undefined ? "builtin" : "cli") }
}
