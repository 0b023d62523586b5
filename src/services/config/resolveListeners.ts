/**
 * Makes the list of listeners of what is said in four places: `[general]`, as the original System API has it, `[server]`,
 * as the original Provisioning API has it, `[status]`, as the System Status Service has it, and `[[listeners]]`; and holds each to the rules of its ways in, so that no
 * address lets in more than it says.
 *
 * `[[listeners]]` stand instead of `general.listen_addr`, and `[server]` stands instead of its default alone: a file of
 * either original opens the address it names and no other. Where the server's is the only one it serves all APIs whose
 * paths are not its own too, else those of its original. It is nowhere open: what it takes is tokens and client certificates.
 */
import * as Result from "effect/Result"
import { type ApiName, apiNames, type Provider } from "../identity/Principal.ts"
import type { Limits } from "./BoundsSections.ts"
import type { CertificatePaths, ClientCertificatesConfig, ListenerConfig, TlsConfig } from "./Config.ts"
import { defaultSocketMode, type Listener } from "./EdgeSections.ts"
import type { General } from "./GeneralSection.ts"
import type { Auth } from "./IdentitySections.ts"
import { parseMode } from "./keys.ts"
import * as ListenAddress from "./ListenAddress.ts"
import { clientProblems, socketTls, togetherProblems, wayProblems } from "./listenerRules.ts"
import type { KeyPath, Problem } from "./Problem.ts"
import { roleProblems } from "./resolveIdentity.ts"
import { claim, type Edges } from "./resolvePipes.ts"
import type { ServerAddress } from "./resolveServer.ts"
import type { StatusAddress } from "./resolveStatus.ts"

export interface ListenersInput {
  readonly general: General
  /** Whether the file or the command line says it, and not the default alone. */
  readonly listenAddrGiven: boolean
  readonly listeners: ReadonlyArray<Listener>
  readonly server: ServerAddress | undefined
  readonly status: StatusAddress | undefined
  readonly limits: Limits
  readonly auth: Auth
  /** Names of the roles there are. */
  readonly roles: ReadonlySet<string>
}

export interface ResolvedListeners extends Edges<ListenerConfig> {
  readonly warnings: ReadonlyArray<Problem>
}

export const resolveListeners = (input: ListenersInput): ResolvedListeners => {
  const { auth, general, limits, listeners, server } = input
  const problems: Array<Problem> = []
  const warnings: Array<Problem> = []
  const shared = sharedCertificate(general)
  const usesGeneral = listeners.length === 0 && (input.listenAddrGiven || server === undefined)
  const usesShared = usesGeneral || (server !== undefined && server.certificate === undefined)
  if (general.tls_enabled && usesShared) {
    for (const name of ["tls_cert_path", "tls_key_path"] as const) {
      if (general[name] === "")
        problems.push({ path: ["general", name], text: "found nothing, but TLS is on: needs a path" })
    }
  }
  const taken = new Map<string, string>()
  const entries = listeners.map((listener, index): ListenerConfig => {
    const path: KeyPath = ["listeners", index]
    const clients = clientsOf(listener, auth)
    const certificate = ownCertificate(listener) ?? shared
    const entry: ListenerConfig = {
      key: `listeners[${index}]`,
      address: decodedAddress(listener.address),
      apis: [...new Set(listener.apis)],
      auth: [...new Set(listener.auth ?? usualWays(listener.tls ? clients : undefined))],
      roles: listener.roles ?? usualRoles,
      tls: listener.tls ? tlsOf(certificate, listener.tls_min_version ?? general.tls_min_version, clients) : undefined,
      max_connections: listener.max_connections ?? limits.max_connections,
      socket_mode: parseMode(listener.socket_mode),
      socket_group: listener.socket_group,
      force_no_auth: listener.force_no_auth
    }
    const address = ListenAddress.format(entry.address)
    // Port 0 is a new one each time it is asked for.
    if (!address.endsWith(":0")) claim(taken, address, entry, [...path, "address"], "address", problems)
    if ((listener.tls_cert_path === undefined) !== (listener.tls_key_path === undefined)) {
      problems.push({ path, text: "has one of tls_cert_path and tls_key_path, needs both or neither" })
    } else if (listener.tls && certificate === undefined) {
      problems.push({
        path: [...path, "tls"],
        text: "found true, but no certificate: needs tls_cert_path and tls_key_path, here or in [general]"
      })
    }
    if (listener.tls) problems.push(...socketTls(entry.address, [...path, "tls"]))
    problems.push(...wayProblems(listener, entry, path), ...clientProblems(listener, clients, path))
    problems.push(...roleProblems([...path, "roles"], entry.roles, input.roles))
    if (listener.roles !== undefined && !entry.auth.some(bringsRoles)) {
      warnings.push({ path: [...path, "roles"], text: "not used, because auth has neither socket nor none" })
    }
    if (listener.socket_group !== undefined && entry.address._tag !== "Unix") {
      warnings.push({ path: [...path, "socket_group"], text: "not used, because this is no UNIX socket" })
    }
    if (listener.force_no_auth && !entry.auth.includes("none")) {
      warnings.push({ path: [...path, "force_no_auth"], text: "not used, because auth has no none" })
    }
    return entry
  })
  const add = (entry: ListenerConfig, path: KeyPath) => {
    const address = ListenAddress.format(entry.address)
    if (!address.endsWith(":0")) claim(taken, address, entry, path, "address", problems)
    entries.push(entry)
  }
  if (usesGeneral) {
    const entry = ofGeneral(input, shared)
    if (general.tls_enabled) problems.push(...socketTls(entry.address, ["general", "tls_enabled"]))
    add(entry, ["general", "listen_addr"])
  }
  if (server !== undefined) {
    const apis = entries.length === 0 ? aloneApis : serverApis
    add(ofServer(input, server, apis, shared), ["server"])
  }
  const { status } = input
  if (status !== undefined) {
    const entry = ofStatus(input, status)
    if (status.certificate !== undefined) problems.push(...socketTls(entry.address, ["status", "tls_cert_path"]))
    if (!entry.auth.some(bringsRoles)) warnings.push({ path: ["status", "listen_addr"], text: needsCredentials(entry) })
    add(entry, ["status", "listen_addr"])
  }
  problems.push(...togetherProblems(entries, auth))
  return { entries, problems, warnings }
}

/** Of a file without `[[listeners]]`, as the original's are. */
const ofGeneral = ({ auth, general, limits }: ListenersInput, shared: CertificatePaths | undefined): ListenerConfig => {
  const clients = general.tls_enabled ? clientsOf({}, auth) : undefined
  return {
    key: "general.listen_addr",
    address: decodedAddress(general.listen_addr),
    apis: apiNames,
    auth: usualWays(clients),
    roles: usualRoles,
    tls: general.tls_enabled ? tlsOf(shared, general.tls_min_version, clients) : undefined,
    max_connections: limits.max_connections,
    socket_mode: parseMode(defaultSocketMode),
    socket_group: undefined,
    force_no_auth: false
  }
}

/** Where it is the only one: all but what would answer `/health` in other words than its original. */
const aloneApis: ReadonlyArray<ApiName> = ["system", "identity", "provisioning"]

/** What its original serves. */
const serverApis: ReadonlyArray<ApiName> = ["identity", "provisioning"]

const ofServer = (
  { auth, general, limits }: ListenersInput,
  { address, certificate }: ServerAddress,
  apis: ReadonlyArray<ApiName>,
  shared: CertificatePaths | undefined
): ListenerConfig => {
  const paths = certificate ?? (general.tls_enabled ? shared : undefined)
  const clients = paths === undefined ? undefined : clientsOf({}, auth)
  return {
    key: "server",
    address,
    apis,
    // No passwords: what takes them is open while the System API has none.
    auth: clients === undefined ? ["bearer"] : ["bearer", "certificate"],
    roles: usualRoles,
    tls: tlsOf(paths, general.tls_min_version, clients),
    max_connections: limits.max_connections,
    socket_mode: parseMode(defaultSocketMode),
    socket_group: undefined,
    force_no_auth: false
  }
}

/** What its original serves, to whoever reaches it: that is for those whom an address or a certificate lets in. */
const ofStatus = ({ general, limits }: ListenersInput, status: StatusAddress): ListenerConfig => {
  const { address, certificate, clientCaPath, forceNoAuth, mtlsRequired } = status
  const clients: ClientCertificatesConfig | undefined =
    certificate === undefined || clientCaPath === undefined
      ? undefined
      : { ca_path: clientCaPath, crl_path: undefined, required: mtlsRequired }
  const open = ListenAddress.isLocal(address) || forceNoAuth || mtlsRequired
  const way: ReadonlyArray<Provider> = address._tag === "Unix" ? ["socket"] : open ? ["none"] : []
  return {
    key: "status.listen_addr",
    address,
    apis: ["status"],
    auth: [...usualWays(clients), ...way],
    roles: ["status"],
    tls: tlsOf(certificate, general.tls_min_version, clients),
    max_connections: limits.max_connections,
    socket_mode: parseMode(defaultSocketMode),
    socket_group: undefined,
    force_no_auth: forceNoAuth || mtlsRequired
  }
}

const needsCredentials = ({ address }: ListenerConfig): string =>
  `${ListenAddress.format(address)} can be reached from elsewhere: callers need credentials, or status.force_no_auth`

const usualWays = (clients: ClientCertificatesConfig | undefined): ReadonlyArray<Provider> =>
  clients === undefined ? ["basic", "bearer"] : ["basic", "bearer", "certificate"]

/** Whoever the socket's mode lets in is trusted with all of it, unless the file says otherwise. */
const usualRoles: ReadonlyArray<string> = ["admin"]

const bringsRoles = (way: Provider): boolean => way === "socket" || way === "none"

const tlsOf = (
  paths: CertificatePaths | undefined,
  min_version: TlsConfig["min_version"],
  clients: ClientCertificatesConfig | undefined
): TlsConfig | undefined => (paths === undefined ? undefined : { ...paths, min_version, clients })

type ClientKeys = Partial<Pick<Listener, "client_ca_path" | "client_crl_path" | "client_certificate">>

/** Its own CA, else the one for all. */
const clientsOf = (listener: ClientKeys, auth: Auth): ClientCertificatesConfig | undefined => {
  const shared = auth.mtls_enabled && auth.mtls_ca_cert !== "" ? auth.mtls_ca_cert : undefined
  const ca_path = listener.client_ca_path ?? shared
  if (ca_path === undefined) return undefined
  return { ca_path, crl_path: listener.client_crl_path, required: listener.client_certificate === "required" }
}

const ownCertificate = (listener: Listener): CertificatePaths | undefined =>
  listener.tls_cert_path === undefined || listener.tls_key_path === undefined
    ? undefined
    : { cert_path: listener.tls_cert_path, key_path: listener.tls_key_path }

const sharedCertificate = (general: General): CertificatePaths | undefined =>
  general.tls_cert_path === "" || general.tls_key_path === ""
    ? undefined
    : { cert_path: general.tls_cert_path, key_path: general.tls_key_path }

/** The schema has accepted it. */
const decodedAddress = (text: string): ListenAddress.ListenAddress => Result.getOrThrow(ListenAddress.parse(text))
