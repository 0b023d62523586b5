/**
 * The configuration file as a whole: the shape a TOML document must have, and the JSON Schema an editor reads.
 *
 * This is the file's own shape. What the daemon works with is `Config`, which `resolve` makes of it.
 */
import * as Schema from "effect/Schema"
import { Actions } from "./ActionSection.ts"
import { Events, Limits, Telemetry } from "./BoundsSections.ts"
import { Listeners, Pipes } from "./EdgeSections.ts"
import { General, Store } from "./GeneralSection.ts"
import { Audit, Auth, Certificates, Cors, RateLimits, RolesSection } from "./IdentitySections.ts"
import { OperationsSection, ProvisioningSection } from "./OperationSections.ts"
import { LoggingSection, ServerSection } from "./ServerSection.ts"
import { section } from "./keys.ts"
import { DiskSection, GpusSection, JournalSection, StatusSection, WatchSection } from "./StatusSection.ts"
import { UnitsSection } from "./UnitSection.ts"
import { Uploads } from "./UploadSection.ts"
import { WorkflowsSection } from "./WorkflowSection.ts"

export const ConfigDocument = Schema.Struct({
  general: section(General, {}),
  store: section(Store, {}),
  events: section(Events, {}),
  pipes: section(Pipes, []),
  actions: section(Actions, {}),
  file_uploads: section(Uploads, {}),
  limits: section(Limits, {}),
  listeners: section(Listeners, []),
  auth: section(Auth, {}),
  roles: section(RolesSection, {}),
  certificates: section(Certificates, []),
  cors: section(Cors, {}),
  rate_limits: section(RateLimits, {}),
  audit: section(Audit, {}),
  telemetry: section(Telemetry, {}),
  operations: section(OperationsSection, {}),
  provisioning: section(ProvisioningSection, {}),
  workflows: section(WorkflowsSection, {}),
  server: section(ServerSection, {}),
  logging: section(LoggingSection, {}),
  status: section(StatusSection, {}),
  units: section(UnitsSection, {}),
  watch: section(WatchSection, {}),
  journal: section(JournalSection, {}),
  gpus: section(GpusSection, {}),
  disk: section(DiskSection, {})
}).annotate({ title: "systemapi-config.toml", description: "Configuration of the systemapi daemon." })

/** JSON Schema 2020-12 of the file, for editors: unknown keys are errors there, where a slip is cheapest to see. */
export const jsonSchema = (): Record<string, unknown> => {
  const document = Schema.toJsonSchemaDocument(ConfigDocument, { onExcessProperty: "error" })
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...document.schema,
    ...(Object.keys(document.definitions).length === 0 ? {} : { $defs: document.definitions })
  }
}
