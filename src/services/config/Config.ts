/**
 * The configuration the daemon works with: every default filled in, every shorthand written out, every mode a number.
 *
 * Keys keep the names they have in the file, so that one search finds a key from the sample to its use. Names that come
 * from callers are looked up in Maps, where `constructor` is no entry. Values that may be secrets are Redacted: a
 * configuration that ends up in a log shows none.
 */
import type * as Redacted from "effect/Redacted"
import type { ArgumentSpec } from "./ArgumentSchema.ts"
import type { Events, Limits, Telemetry } from "./BoundsSections.ts"
import type { General } from "./GeneralSection.ts"
import type { ApiName, Provider } from "../identity/Principal.ts"
import type { WorkflowDefinition } from "../workflows/Definition.ts"
import type { IdentityConfig } from "./IdentityConfig.ts"
import type { OperationsSection, ProvisioningSection } from "./OperationSections.ts"
import type { ListenAddress } from "./ListenAddress.ts"
import type { LogLevelName } from "./ServerSection.ts"
import type { DiskSection, GpusSection, JournalSection, WatchSection } from "./StatusSection.ts"
import type { UnitTable, UnitVerb } from "./UnitSection.ts"

/** `[general]` with the environment and the flags applied. */
export interface GeneralConfig extends Omit<
  General,
  | "basic_auth_secret_path"
  | "basic_auth_secret_salt"
  | "basic_auth_bootstrap_token_path"
  | "http_read_timeout_ms"
  | "http_write_timeout_ms"
  | "shell"
> {
  readonly basic_auth_secret_path: string | undefined
  readonly basic_auth_secret_salt: Redacted.Redacted
  readonly basic_auth_bootstrap_token_path: string | undefined
  /** Undefined: none. */
  readonly http_read_timeout_ms: number | undefined
  readonly http_write_timeout_ms: number | undefined
  /** The one asked for, here or with SHELL_TO_USE: a path, or a name to look up. Undefined: the usual ones. */
  readonly shell: string | undefined
}

/** Where an entry was configured, as messages name it: `general.pipe_file`, `listeners[1]`, `server`. */
interface Configured {
  readonly key: string
}

export interface PipeConfig extends Configured {
  readonly path: string
  /** Unique among the pipes. */
  readonly source: string
  readonly trim: boolean
  readonly skip_empty: boolean
  readonly given_time: boolean
  readonly line_max_bytes: number
  readonly mode: number
}

export interface CertificatePaths {
  readonly cert_path: string
  readonly key_path: string
}

/** What clients' certificates are checked against. */
export interface ClientCertificatesConfig {
  /** CA certificates, PEM. */
  readonly ca_path: string
  /** Revocation lists of those, PEM. */
  readonly crl_path: string | undefined
  /** Refuse connections without one. */
  readonly required: boolean
}

export type TlsVersion = "1.2" | "1.3"

export interface TlsConfig extends CertificatePaths {
  readonly min_version: TlsVersion
  /** Undefined: clients are not asked for certificates. */
  readonly clients: ClientCertificatesConfig | undefined
}

export interface ListenerConfig extends Configured {
  readonly address: ListenAddress
  readonly apis: ReadonlyArray<ApiName>
  /** The ways in. */
  readonly auth: ReadonlyArray<Provider>
  /** Of whoever comes in by `socket` or `none`. */
  readonly roles: ReadonlyArray<string>
  /** Undefined: no TLS. */
  readonly tls: TlsConfig | undefined
  readonly max_connections: number
  readonly socket_mode: number
  readonly socket_group: string | undefined
  /** Everybody may come in by `none`, wherever the address can be reached from. */
  readonly force_no_auth: boolean
}

/** Text for the shell, or a program and its arguments without one. */
export type CommandLine =
  | { readonly _tag: "Shell"; readonly text: string }
  | { readonly _tag: "Argv"; readonly argv: readonly [string, ...ReadonlyArray<string>] }

export interface ActionConfig {
  readonly name: string
  readonly command: CommandLine
  readonly timeout_ms: number
  readonly kill_grace_ms: number
  readonly output_grace_ms: number
  readonly output_head_bytes: number
  readonly output_tail_bytes: number
  readonly concurrency: number
  readonly queue_length: number
  readonly user: string | undefined
  readonly group: string | undefined
  readonly cwd: string | undefined
  readonly env: Redacted.Redacted<Readonly<Record<string, string>>>
  readonly inherit_env: boolean
  readonly on_client_gone: "continue" | "terminate"
  readonly on_restart: "fail" | "run_again"
  readonly require_post: boolean
  readonly description: string
  readonly args: ReadonlyArray<ArgumentSpec>
}

export interface UploadConfig {
  readonly name: string
  readonly path: string
  readonly max_bytes: number
  /** Undefined: that of the file that is there, 0644 for a new one. */
  readonly mode: number | undefined
  readonly owner: string | undefined
  readonly group: string | undefined
  /** Name of a configured action that requires no arguments. */
  readonly then: string | undefined
}

export interface Config extends IdentityConfig {
  readonly general: GeneralConfig
  readonly store: { readonly directory: string }
  readonly events: Events
  readonly limits: Limits
  readonly telemetry: Telemetry
  /** At least one. */
  readonly listeners: ReadonlyArray<ListenerConfig>
  readonly pipes: ReadonlyArray<PipeConfig>
  readonly actions: ReadonlyMap<string, ActionConfig>
  readonly file_uploads: ReadonlyMap<string, UploadConfig>
  readonly operations: OperationsSection
  readonly provisioning: ProvisioningConfig
  readonly logging: LoggingConfig
  readonly workflows: ReadonlyMap<string, WorkflowDefinition>
  readonly status: StatusConfig
  /** By id. */
  readonly units: ReadonlyMap<string, UnitConfig>
  readonly watch: WatchSection
  readonly journal: JournalSection
  readonly gpus: GpusConfig
  readonly disk: DiskSection
}

/** `[status]` with the environment applied, without its listener. */
export interface StatusConfig {
  readonly command_timeout_seconds: number
  readonly max_output_bytes: number
  readonly log_lines_default: number
  readonly log_lines_max: number
  readonly log_window_max_minutes: number
  readonly units_fresh_ms: number
  readonly shutdown: boolean
}

export interface UnitConfig extends Omit<UnitTable, "control"> {
  readonly id: string
  readonly control: ReadonlyArray<UnitVerb>
}

/** `[gpus]` with the environment applied. */
export interface GpusConfig extends Omit<GpusSection, "detail_max_output_bytes"> {
  readonly detail_max_output_bytes: number
}

/** `[logging]` with the environment and the flags applied. */
export interface LoggingConfig {
  /** Undefined: as `general.log_debug` says. */
  readonly level: LogLevelName | undefined
  /** Undefined: as `general.log_json` says. */
  readonly json_format: boolean | undefined
}

export interface ProvisioningConfig extends Omit<ProvisioningSection, "driver" | "cli_path"> {
  readonly driver: "builtin" | "cli"
  /** Undefined: there is none. */
  readonly cli_path: string | undefined
}
