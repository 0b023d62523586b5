/**
 * What a reload may change and what waits for a restart. Which keys are which is noted on their schemas (`live`), and
 * actions, uploads, roles and certificates may always change; this file compares and merges, it decides nothing.
 */
import * as Equal from "effect/Equal"
import type * as Schema from "effect/Schema"
import { Events, Limits, Telemetry } from "./BoundsSections.ts"
import type { Config } from "./Config.ts"
import { General, Store } from "./GeneralSection.ts"
import { Audit, Auth, Cors, RateLimits } from "./IdentitySections.ts"
import type { CertificateConfig } from "./IdentityConfig.ts"
import { OperationsSection, ProvisioningSection } from "./OperationSections.ts"
import { formatPath } from "./Problem.ts"
import { liveNames, shapeOf } from "./SchemaShape.ts"
import { LoggingSection } from "./ServerSection.ts"
import { DiskSection, GpusSection, JournalSection, StatusSection, WatchSection } from "./StatusSection.ts"

export interface ConfigDiff {
  /** What is in force from now on: the old configuration with the live changes of the new one. */
  readonly config: Config
  /** Keys that changed and are in force, as messages name them. */
  readonly live: ReadonlyArray<string>
  /** Keys that changed and wait for a restart. */
  readonly restart: ReadonlyArray<string>
}

const sections = {
  general: General,
  store: Store,
  events: Events,
  limits: Limits,
  telemetry: Telemetry,
  auth: Auth,
  cors: Cors,
  rate_limits: RateLimits,
  audit: Audit,
  operations: OperationsSection,
  provisioning: ProvisioningSection,
  logging: LoggingSection,
  status: StatusSection,
  watch: WatchSection,
  journal: JournalSection,
  gpus: GpusSection,
  disk: DiskSection
} as const satisfies Partial<Record<keyof Config, Schema.Top>>

type SectionName = keyof typeof sections

const sectionNames: ReadonlyArray<SectionName> = [
  "general",
  "store",
  "events",
  "limits",
  "telemetry",
  "auth",
  "cors",
  "rate_limits",
  "audit",
  "operations",
  "provisioning",
  "logging",
  "status",
  "watch",
  "journal",
  "gpus",
  "disk"
]

export const diff = (old: Config, next: Config): ConfigDiff => {
  const live: Array<string> = []
  const restart: Array<string> = []
  for (const name of sectionNames) {
    const mayChange = liveNames(shapeOf(sections[name]))
    for (const key of changed(new Map(Object.entries(old[name])), new Map(Object.entries(next[name])))) {
      ;(mayChange.has(key) ? live : restart).push(formatPath([name, keyInFile(key)]))
    }
  }
  for (const name of ["actions", "file_uploads", "workflows", "units"] as const) {
    for (const key of changed<unknown>(old[name], next[name])) live.push(formatPath([name, key]))
  }
  const roles = changed(old.roles, next.roles)
  for (const key of roles) live.push(formatPath(["roles", key]))
  const certificates = changed(byName(old.certificates), byName(next.certificates))
  for (const key of certificates) live.push(formatPath(["certificates", key]))
  // What a general key says has been named above; here are those with a table of their own.
  for (const name of ["pipes", "listeners"] as const) {
    for (const key of changed<unknown>(ownTables(old[name]), ownTables(next[name]))) restart.push(key)
  }
  return {
    config: {
      // What is compiled from these is compiled anew where they are new.
      roles: roles.length === 0 ? old.roles : next.roles,
      certificates: Equal.equals(old.certificates, next.certificates) ? old.certificates : next.certificates,
      auth: merge(Auth, old.auth, next.auth),
      cors: merge(Cors, old.cors, next.cors),
      rate_limits: merge(RateLimits, old.rate_limits, next.rate_limits),
      audit: merge(Audit, old.audit, next.audit),
      general: merge(General, old.general, next.general),
      store: merge(Store, old.store, next.store),
      events: merge(Events, old.events, next.events),
      limits: merge(Limits, old.limits, next.limits),
      telemetry: merge(Telemetry, old.telemetry, next.telemetry),
      pipes: old.pipes,
      listeners: old.listeners,
      operations: merge(OperationsSection, old.operations, next.operations),
      provisioning: merge(ProvisioningSection, old.provisioning, next.provisioning),
      logging: merge(LoggingSection, old.logging, next.logging),
      // What has begun goes on as it was.
      workflows: next.workflows,
      actions: next.actions,
      file_uploads: next.file_uploads,
      status: merge(StatusSection, old.status, next.status),
      units: next.units,
      watch: merge(WatchSection, old.watch, next.watch),
      journal: merge(JournalSection, old.journal, next.journal),
      gpus: merge(GpusSection, old.gpus, next.gpus),
      disk: merge(DiskSection, old.disk, next.disk)
    },
    live,
    restart
  }
}

const changed = <A>(old: ReadonlyMap<string, A>, next: ReadonlyMap<string, A>): ReadonlyArray<string> =>
  [...new Set([...old.keys(), ...next.keys()])].filter((key) => !Equal.equals(old.get(key), next.get(key)))

const byName = (certificates: Config["certificates"]): ReadonlyMap<string, CertificateConfig> =>
  new Map(certificates.map((certificate) => [certificate.name, certificate]))

/** Two keys are hours in the file and seconds here. */
const keyInFile = (name: string): string => name.replace(/_expiry_s$/u, "_expiry_hours")

const ownTables = (entries: ReadonlyArray<{ readonly key: string }>): ReadonlyMap<string, unknown> =>
  new Map(entries.filter((entry) => !entry.key.startsWith("general.")).map((entry) => [entry.key, entry]))

/** The new section, but for the keys that wait for a restart; the old one itself where nothing of it changes. */
const merge = <A extends object>(schema: Schema.Top, old: A, next: A): A => {
  const live = liveNames(shapeOf(schema))
  const merged: A = { ...next, ...Object.fromEntries(Object.entries(old).filter(([key]) => !live.has(key))) }
  return Equal.equals(old, merged) ? old : merged
}
