/**
 * Makes the daemon's configuration of a document, the environment and the command line, or says everything that stands
 * in the way. A section that is wrong is left out of the checks between sections, so that one mistake is told once.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { Events, Limits, Telemetry } from "./BoundsSections.ts"
import type { Config, GeneralConfig } from "./Config.ts"
import { ConfigDocument } from "./ConfigSchema.ts"
import { decode, decodeOutside } from "./decode.ts"
import { Listeners, Pipes } from "./EdgeSections.ts"
import { type Environment, type Flags, logMaxEntries, shell, storeDirectory } from "./environment.ts"
import { General, Store } from "./GeneralSection.ts"
import { Audit, Auth, Certificates, Cors, RateLimits } from "./IdentitySections.ts"
import { OperationsSection, ProvisioningSection } from "./OperationSections.ts"
import { addProblems, type Problem } from "./Problem.ts"
import { resolveActions, resolveUploads } from "./resolveEntries.ts"
import { knownRoles, resolveAuth, resolveCertificates, resolveRoles } from "./resolveIdentity.ts"
import { resolveListeners } from "./resolveListeners.ts"
import { resolveLogging } from "./resolveLogging.ts"
import { resolvePipes } from "./resolvePipes.ts"
import { resolveProvisioning } from "./resolveProvisioning.ts"
import { resolveServer } from "./resolveServer.ts"
import { resolveWorkflows } from "./resolveWorkflows.ts"
import { isTable, shapeOf, valueAt } from "./SchemaShape.ts"
import { resolveStatus } from "./resolveStatus.ts"
import { resolveUnits } from "./resolveUnits.ts"
import { LoggingSection, ServerSection } from "./ServerSection.ts"
import { DiskSection, GpusSection, JournalSection, StatusSection, WatchSection } from "./StatusSection.ts"
import { unknownKeys } from "./unknownKeys.ts"

export interface Resolved {
  /** Undefined when there are problems. */
  readonly config: Config | undefined
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
}

type Document = Readonly<Record<string, unknown>>

export const resolve = (document: Document, env: Environment, flags: Flags): Resolved => {
  const problems: Array<Problem> = []
  const warnings: Array<Problem> = []
  const take = <S extends Schema.Top & { readonly DecodingServices: never }>(
    schema: S,
    name: string,
    none: unknown
  ): S["Type"] | undefined => {
    const decoded = decode(schema, document[name] ?? none, [name])
    if (Result.isSuccess(decoded)) return decoded.success
    addProblems(problems, decoded.failure)
    return undefined
  }

  const unknown = unknownKeys(shapeOf(ConfigDocument), document)
  addProblems(valueAt(document, ["general", "strict"]) === true ? problems : warnings, unknown)

  const fileGeneral = take(General, "general", {})
  const store = take(Store, "store", {})
  const events = take(Events, "events", {})
  const limits = take(Limits, "limits", {})
  const telemetry = take(Telemetry, "telemetry", {})
  const filePipes = take(Pipes, "pipes", [])
  const fileListeners = take(Listeners, "listeners", [])
  const fileAuth = take(Auth, "auth", {})
  const fileCertificates = take(Certificates, "certificates", [])
  const cors = take(Cors, "cors", {})
  const rateLimits = take(RateLimits, "rate_limits", {})
  const audit = take(Audit, "audit", {})
  const operations = take(OperationsSection, "operations", {})
  const fileProvisioning = take(ProvisioningSection, "provisioning", {})
  const fileServer = take(ServerSection, "server", {})
  const fileLogging = take(LoggingSection, "logging", {})
  const fileStatus = take(StatusSection, "status", {})
  const fileGpus = take(GpusSection, "gpus", {})
  const watch = take(WatchSection, "watch", {})
  const journal = take(JournalSection, "journal", {})
  const disk = take(DiskSection, "disk", {})

  problems.push(...flagProblems(flags))
  const general = fileGeneral === undefined ? undefined : withFlags(fileGeneral, flags)
  const listeners = flags.listen_addr === undefined ? fileListeners : []
  warnings.push(...ignored(document, flags))

  const actions = resolveActions(document["actions"], general)
  const written = new Set(isTable(document["actions"]) ? Object.keys(document["actions"]) : [])
  const uploads = resolveUploads(document["file_uploads"], actions.entries, written)
  const workflows = resolveWorkflows(document["workflows"], { sound: actions.entries, written })
  addProblems(problems, actions.problems)
  addProblems(problems, uploads.problems)
  addProblems(problems, workflows.problems)
  const units = resolveUnits(document["units"])
  addProblems(problems, units.problems)

  const roles = resolveRoles(document["roles"])
  const known = knownRoles(document["roles"])
  const certificates = resolveCertificates(fileCertificates ?? [], known)
  const auth = fileAuth === undefined ? undefined : resolveAuth(fileAuth, env, flags)
  addProblems(problems, roles.problems)
  addProblems(problems, certificates.problems)

  const logging = resolveLogging({
    section: fileLogging ?? {},
    written: {
      log_debug: valueAt(document, ["general", "log_debug"]),
      log_json: valueAt(document, ["general", "log_json"])
    },
    env,
    flags
  })
  const provisioning =
    fileProvisioning === undefined
      ? undefined
      : resolveProvisioning({ section: fileProvisioning, env, flags, actions: written })
  const server =
    fileServer === undefined
      ? undefined
      : resolveServer({ section: document["server"] === undefined ? undefined : fileServer, env, flags })
  const status =
    fileStatus === undefined || fileGpus === undefined
      ? undefined
      : resolveStatus({ section: fileStatus, gpus: fileGpus, env, flags })
  for (const part of [auth, logging, provisioning, server, status]) {
    addProblems(problems, part?.problems ?? [])
    warnings.push(...(part?.warnings ?? []))
  }

  // A wrong flag has been told already, and its value would be taken for a decoded one from here on.
  if (general === undefined || limits === undefined || events === undefined || flagProblems(flags).length > 0) {
    return { config: undefined, problems, warnings }
  }
  const pipes = filePipes === undefined ? undefined : resolvePipes(general, filePipes, events)
  const edges =
    listeners === undefined || fileAuth === undefined || server === undefined || status === undefined
      ? undefined
      : resolveListeners({
          general,
          listenAddrGiven:
            flags.listen_addr !== undefined || valueAt(document, ["general", "listen_addr"]) !== undefined,
          listeners,
          server: server.server,
          status: status.listener,
          limits,
          auth: fileAuth,
          roles: known
        })
  problems.push(...(pipes?.problems ?? []), ...(edges?.problems ?? []))
  warnings.push(...(edges?.warnings ?? []))
  const entries = logMaxEntries(general.log_max_entries, env)
  warnings.push(...entries.warnings)
  if (
    problems.length > 0 ||
    store === undefined ||
    telemetry === undefined ||
    pipes === undefined ||
    edges === undefined ||
    auth === undefined ||
    cors === undefined ||
    rateLimits === undefined ||
    audit === undefined ||
    operations === undefined ||
    provisioning === undefined ||
    status === undefined ||
    watch === undefined ||
    journal === undefined ||
    disk === undefined
  ) {
    return { config: undefined, problems, warnings }
  }
  if (certificates.entries.length > 0 && edges.entries.every(({ auth: ways }) => !ways.includes("certificate"))) {
    warnings.push({ path: ["certificates"], text: "not used, because no listener takes client certificates" })
  }
  const directory = store.directory ?? storeDirectory(env)
  const config: Config = {
    general: generalConfig(general, entries.value, env),
    store: { directory },
    auth: auth.auth(directory),
    roles: roles.entries,
    certificates: certificates.entries,
    // Who says that no page may ask means every listener's.
    cors: fileServer?.cors_enabled === false ? { ...cors, origins: [] } : cors,
    rate_limits: rateLimits,
    audit,
    events,
    limits,
    telemetry,
    listeners: edges.entries,
    pipes: pipes.entries,
    actions: actions.entries,
    file_uploads: uploads.entries,
    operations,
    provisioning: provisioning.provisioning,
    logging: logging.logging,
    workflows: workflows.entries,
    status: status.status,
    units: units.entries,
    watch,
    journal,
    gpus: status.gpus,
    disk
  }
  return { config, problems, warnings }
}

const withFlags = (general: General, flags: Flags): General => ({
  ...general,
  listen_addr: flags.listen_addr ?? general.listen_addr,
  pipe_file: flags.pipe_file ?? general.pipe_file
})

/** The values of flags obey the rules of the keys they stand for; those of other sections are taken with their section. */
const flagProblems = (flags: Flags): ReadonlyArray<Problem> =>
  (["listen_addr", "pipe_file"] as const).flatMap((name) => {
    if (flags[name] === undefined) return []
    const decoded = decodeOutside(General.fields[name], flags[name], `--${name.replace("_", "-")}`)
    return Result.isSuccess(decoded) ? [] : decoded.failure
  })

/** Keys whose values count for nothing because of others, which nobody would guess from a daemon that starts. */
const ignored = (document: Document, flags: Flags): ReadonlyArray<Problem> => {
  const warnings: Array<Problem> = []
  const has = (...path: ReadonlyArray<string>) => valueAt(document, path) !== undefined
  const listeners = document["listeners"]
  if (Array.isArray(listeners) && listeners.length > 0) {
    if (flags.listen_addr !== undefined)
      warnings.push({ path: ["listeners"], text: "not used, because --listen-addr is given" })
    else if (has("general", "listen_addr")) {
      warnings.push({ path: ["general", "listen_addr"], text: "not used, because [[listeners]] is given" })
    }
  }
  const origins = valueAt(document, ["cors", "origins"])
  if (valueAt(document, ["server", "cors_enabled"]) === false && Array.isArray(origins) && origins.length > 0) {
    warnings.push({ path: ["cors", "origins"], text: "not used, because server.cors_enabled is false" })
  }
  const secretPath = valueAt(document, ["general", "basic_auth_secret_path"]) ?? ""
  if (has("general", "basic_auth_bootstrap_token_path") && secretPath === "") {
    warnings.push({
      path: ["general", "basic_auth_bootstrap_token_path"],
      text: "not used, because there is no basic_auth_secret_path"
    })
  }
  return warnings
}

const generalConfig = (general: General, entries: number, env: Environment): GeneralConfig => {
  return {
    ...general,
    log_max_entries: entries,
    basic_auth_secret_path: unlessEmpty(general.basic_auth_secret_path),
    basic_auth_secret_salt: Redacted.make(general.basic_auth_secret_salt),
    basic_auth_bootstrap_token_path: unlessEmpty(general.basic_auth_bootstrap_token_path),
    http_read_timeout_ms: unlessNone(general.http_read_timeout_ms),
    http_write_timeout_ms: unlessNone(general.http_write_timeout_ms),
    shell: shell(general.shell, env)
  }
}

const unlessEmpty = (text: string): string | undefined => (text === "" ? undefined : text)

const unlessNone = (ms: number): number | undefined => (ms <= 0 ? undefined : ms)
