/**
 * `[status]` and `[gpus]` with the environment applied, as the original System Status Service has it, and where its own
 * listener is. The file wins over the environment.
 *
 * What a variable says that cannot be used is a warning and counts for nothing: many programs have variables of these
 * names. A path that is given and cannot be used is told when it is opened.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { CertificatePaths, GpusConfig, StatusConfig } from "./Config.ts"
import { decodeOutside } from "./decode.ts"
import { type Environment, type Flags, given } from "./environment.ts"
import { boolean, pathOrNone } from "./keys.ts"
import * as ListenAddress from "./ListenAddress.ts"
import type { Problem } from "./Problem.ts"
import { addressOf, host, port } from "./ServerSection.ts"
import {
  detailOutputBytes,
  type GpusSection,
  logLinesDefault,
  logLinesMax,
  logWindowMinutes,
  outputBytes,
  statusDefaults,
  type StatusSection,
  timeoutSeconds
} from "./StatusSection.ts"

export interface StatusAddress {
  readonly address: ListenAddress.ListenAddress
  readonly certificate: CertificatePaths | undefined
  readonly clientCaPath: string | undefined
  readonly mtlsRequired: boolean
  readonly forceNoAuth: boolean
}

export interface ResolvedStatus {
  readonly status: StatusConfig
  readonly gpus: GpusConfig
  /** Undefined: nobody asks for one. */
  readonly listener: StatusAddress | undefined
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
}

export interface StatusInput {
  readonly section: StatusSection
  readonly gpus: GpusSection
  readonly env: Environment
  readonly flags: Flags
}

export const resolveStatus = ({ env, flags, gpus, section }: StatusInput): ResolvedStatus => {
  const problems: Array<Problem> = []
  const warnings: Array<Problem> = []
  const variable = <S extends Schema.Top & { readonly DecodingServices: never }>(
    schema: S,
    name: string,
    read: (text: string) => unknown
  ): S["Type"] | undefined => {
    const asked = given(env, name)
    if (asked === undefined) return undefined
    const decoded = decodeOutside(schema, read(asked), name)
    if (Result.isSuccess(decoded)) return decoded.success
    warnings.push(...decoded.failure.map(({ text, ...rest }) => ({ ...rest, text: `${text}; it is not used` })))
    return undefined
  }
  const bytes = variable(outputBytes, "MAX_OUTPUT_BYTES", numberOf)
  const timeout = section.command_timeout_seconds ?? variable(timeoutSeconds, "COMMAND_TIMEOUT_SECONDS", numberOf)
  const lines = section.log_lines_default ?? variable(logLinesDefault, "LOG_TAIL_DEFAULT", numberOf)
  const linesMax = section.log_lines_max ?? variable(logLinesMax, "LOG_TAIL_MAX", numberOf)
  const minutes = section.log_window_max_minutes ?? variable(logWindowMinutes, "LOG_WINDOW_MAX_MINUTES", numberOf)
  const status: StatusConfig = {
    command_timeout_seconds: timeout ?? statusDefaults.command_timeout_seconds,
    max_output_bytes: section.max_output_bytes ?? bytes ?? statusDefaults.max_output_bytes,
    log_lines_default: lines ?? statusDefaults.log_lines_default,
    log_lines_max: linesMax ?? statusDefaults.log_lines_max,
    log_window_max_minutes: minutes ?? statusDefaults.log_window_max_minutes,
    units_fresh_ms: section.units_fresh_ms,
    shutdown: section.shutdown
  }
  const detail = gpus.detail_max_output_bytes ?? bytes ?? detailOutputBytes

  const address = addressAsked(section, variable, warnings)
  if (flags.listen_addr !== undefined && address !== undefined) {
    warnings.push({ path: ["status", "listen_addr"], text: "not used, because --listen-addr is given" })
  }
  const cert = section.tls_cert_path ?? given(env, "TLS_CERT_PATH")
  const key = section.tls_key_path ?? given(env, "TLS_KEY_PATH")
  const mtlsRequired = section.mtls_required ?? variable(boolean, "MTLS_REQUIRED", flagOf) ?? false
  const clientCaPath = section.client_ca_path ?? given(env, "CLIENT_CA_PATH")
  const listener =
    address === undefined || flags.listen_addr !== undefined
      ? undefined
      : {
          address,
          certificate: cert === undefined || key === undefined ? undefined : { cert_path: cert, key_path: key },
          clientCaPath,
          mtlsRequired,
          forceNoAuth: section.force_no_auth
        }
  if (listener !== undefined) {
    if ((cert === undefined) !== (key === undefined)) {
      problems.push({ path: ["status"], text: "has one of tls_cert_path and tls_key_path, needs both or neither" })
    }
    if (mtlsRequired && (listener.certificate === undefined || clientCaPath === undefined)) {
      problems.push({
        path: ["status", "mtls_required"],
        text: "found true, but needs tls_cert_path, tls_key_path and client_ca_path"
      })
    }
  }
  return { status, gpus: { ...gpus, detail_max_output_bytes: detail }, listener, problems, warnings }
}

type Variable = <S extends Schema.Top & { readonly DecodingServices: never }>(
  schema: S,
  name: string,
  read: (text: string) => unknown
) => S["Type"] | undefined

/** A socket stands instead of a port, as in the original. */
const addressAsked = (
  section: StatusSection,
  variable: Variable,
  warnings: Array<Problem>
): ListenAddress.ListenAddress | undefined => {
  // The schema has accepted it.
  if (section.listen_addr !== undefined) return Result.getOrThrow(ListenAddress.parse(section.listen_addr))
  const socket = variable(pathOrNone, "UDS_PATH", (text) => text)
  if (socket !== undefined) {
    const parsed = ListenAddress.parse(`unix:${socket}`)
    if (Result.isSuccess(parsed)) return parsed.success
    warnings.push({ path: ["UDS_PATH"], outside: true, text: `${parsed.failure}; it is not used` })
  }
  const hostAsked = variable(host, "BIND_ADDRESS", (text) => text)
  const portAsked = variable(port, "PORT", numberOf)
  if (hostAsked === undefined && portAsked === undefined) return undefined
  return Result.getOrThrow(addressOf(hostAsked ?? statusDefaults.host, portAsked ?? statusDefaults.port))
}

/** What is no number is told as it was written. */
const numberOf = (text: string): number | string => (/^\d{1,9}(?:\.\d{1,9})?$/u.test(text) ? Number(text) : text)

const words: Readonly<Record<string, boolean>> = {
  true: true,
  "1": true,
  yes: true,
  on: true,
  false: false,
  "0": false,
  no: false,
  off: false
}

const flagOf = (text: string): boolean | string => words[text.toLowerCase()] ?? text
