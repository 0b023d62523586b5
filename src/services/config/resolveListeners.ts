/**
 * Makes the list of listeners of what the file says in two places: `[general]`, as the original has it, and
 * `[[listeners]]`; and holds each to the rules of its ways in, so that no address lets in more than it says.
 */
import * as Result from "effect/Result"
import { apiNames, type Provider } from "../identity/Principal.ts"
import type { Limits } from "./BoundsSections.ts"
import type { CertificatePaths, ClientCertificatesConfig, ListenerConfig, TlsConfig } from "./Config.ts"
import { defaultSocketMode, type Listener } from "./EdgeSections.ts"
import type { General } from "./GeneralSection.ts"
import type { Auth } from "./IdentitySections.ts"
import { parseMode } from "./keys.ts"
import * as ListenAddress from "./ListenAddress.ts"
import type { KeyPath, Problem } from "./Problem.ts"
import { roleProblems } from "./resolveIdentity.ts"
import { claim, type Edges } from "./resolvePipes.ts"

export interface ListenersInput {
  readonly general: General
  readonly listeners: ReadonlyArray<Listener>
  readonly limits: Limits
  readonly auth: Auth
  /** Names of the roles there are. */
  readonly roles: ReadonlySet<string>
}

export interface ResolvedListeners extends Edges<ListenerConfig> {
  readonly warnings: ReadonlyArray<Problem>
}

export const resolveListeners = (input: ListenersInput): ResolvedListeners => {
  const { auth, general, limits, listeners } = input
  const problems: Array<Problem> = []
  const warnings: Array<Problem> = []
  const shared = sharedCertificate(general)
  if (listeners.length === 0 && general.tls_enabled) {
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
      socket_group: listener.socket_group
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
    if (listener.socket_group !== undefined && entry.address._tag === "Tcp") {
      warnings.push({ path: [...path, "socket_group"], text: "not used, because this is no UNIX socket" })
    }
    if (listener.force_no_auth && !entry.auth.includes("none")) {
      warnings.push({ path: [...path, "force_no_auth"], text: "not used, because auth has no none" })
    }
    return entry
  })
  if (listeners.length === 0) {
    const entry = ofGeneral(input, shared)
    if (general.tls_enabled) problems.push(...socketTls(entry.address, ["general", "tls_enabled"]))
    entries.push(entry)
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
    socket_group: undefined
  }
}

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

/** The file's own mode guards a socket, and a path is no name that a certificate could be for. */
const socketTls = (address: ListenAddress.ListenAddress, path: KeyPath): ReadonlyArray<Problem> =>
  address._tag === "Tcp"
    ? []
    : [{ path, text: `found true on ${ListenAddress.format(address)}, allowed: false on a UNIX socket` }]

/** What the ways in need of the address. */
const wayProblems = (listener: Listener, entry: ListenerConfig, path: KeyPath): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const at = (way: Provider): KeyPath => {
    const index = listener.auth?.indexOf(way) ?? -1
    return index < 0 ? path : [...path, "auth", index]
  }
  const address = ListenAddress.format(entry.address)
  if (entry.auth.includes("none")) {
    if (!ListenAddress.isLocal(entry.address) && !listener.force_no_auth) {
      problems.push({
        path: at("none"),
        text: `found "none" on ${address}, allowed: on a loopback address or a UNIX socket, or with force_no_auth = true`
      })
    }
    if (listener.roles === undefined) {
      problems.push({
        path: at("none"),
        text: 'found "none", but no roles: needs those that everybody who comes is to have'
      })
    }
  }
  if (entry.auth.includes("socket") && entry.address._tag !== "Unix") {
    problems.push({ path: at("socket"), text: `found "socket" on ${address}, allowed: on a UNIX socket` })
  }
  if (entry.auth.includes("certificate") && (!listener.tls || clientless(entry))) {
    problems.push({
      path: at("certificate"),
      text: 'found "certificate", but clients are not asked for theirs: needs tls = true and client_ca_path'
    })
  }
  return problems
}

/** Where TLS has no certificate of its own that is told elsewhere, and says nothing about clients. */
const clientless = ({ tls }: ListenerConfig): boolean => tls !== undefined && tls.clients === undefined

/** What the client certificates need of the listener. */
const clientProblems = (
  listener: Listener,
  clients: ClientCertificatesConfig | undefined,
  path: KeyPath
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  if (listener.client_ca_path !== undefined && !listener.tls) {
    problems.push({ path: [...path, "client_ca_path"], text: "given beside tls = false, allowed: with tls = true" })
  }
  if (clients !== undefined) return problems
  if (listener.client_crl_path !== undefined) {
    problems.push({ path: [...path, "client_crl_path"], text: "given without client_ca_path, allowed: both" })
  }
  if (listener.client_certificate === "required") {
    problems.push({
      path: [...path, "client_certificate"],
      text: 'found "required", but there is no client_ca_path to check one against'
    })
  }
  return problems
}

/** What one key asks of all listeners. */
const togetherProblems = (entries: ReadonlyArray<ListenerConfig>, auth: Auth): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  if (auth.mtls_enabled && entries.every(({ tls }) => tls === undefined)) {
    problems.push({ path: ["auth", "mtls_enabled"], text: "found true, but no listener serves TLS" })
  }
  const reachable = entries.find(
    ({ address, auth: ways }) => !ListenAddress.isLocal(address) && (ways.includes("basic") || ways.includes("bearer"))
  )
  if (auth.development_users && reachable !== undefined) {
    const where = `${reachable.key} is ${ListenAddress.format(reachable.address)}`
    problems.push({
      path: ["auth", "development_users"],
      text: `found true, but ${where}: everybody knows their passwords, allowed: on loopback addresses and UNIX sockets alone`
    })
  }
  return problems
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
