/**
 * What listeners must fit: ways in that the address can have, certificates that somebody asks for, users whose passwords
 * are printed on this machine alone. Each rule tells what it finds and what is allowed.
 */
import type { Provider } from "../identity/Principal.ts"
import type { ClientCertificatesConfig, ListenerConfig } from "./Config.ts"
import type { Listener } from "./EdgeSections.ts"
import type { Auth } from "./IdentitySections.ts"
import * as ListenAddress from "./ListenAddress.ts"
import type { KeyPath, Problem } from "./Problem.ts"

/** The file's own mode guards a socket, and a path is no name that a certificate could be for. */
export const socketTls = (address: ListenAddress.ListenAddress, path: KeyPath): ReadonlyArray<Problem> =>
  address._tag !== "Unix"
    ? []
    : [{ path, text: `found true on ${ListenAddress.format(address)}, allowed: false on a UNIX socket` }]

/** What a way in needs of the address; undefined where that is given, or only the socket can tell. */
const wayFault = (
  way: Provider,
  { force_no_auth: forced }: Pick<ListenerConfig, "force_no_auth">,
  address: ListenAddress.ListenAddress
): string | undefined => {
  const where = ListenAddress.format(address)
  if (way === "none" && ListenAddress.isLocal(address) === false && !forced) {
    return `found "none" on ${where}, allowed: on a loopback address or a UNIX socket, or with force_no_auth = true`
  }
  if (way === "socket" && address._tag === "Tcp") return `found "socket" on ${where}, allowed: on a UNIX socket`
  return undefined
}

/**
 * What stands against serving a listener on the socket that was passed for it, now that it tells where it listens: the rules
 * that the file could not be held to.
 */
export const passedFault = (
  listener: Pick<ListenerConfig, "auth" | "force_no_auth" | "tls">,
  hasDevelopmentUsers: boolean,
  address: ListenAddress.ListenAddress
): string | undefined => {
  if (listener.tls !== undefined && address._tag === "Unix") return "found tls = true on a UNIX socket, allowed: false"
  for (const way of listener.auth) {
    const fault = wayFault(way, listener, address)
    if (fault !== undefined) return fault
  }
  if (!hasDevelopmentUsers || !takesPasswords(listener) || ListenAddress.isLocal(address) === true) return undefined
  return `found auth.development_users = true on ${ListenAddress.format(address)}: everybody knows their passwords`
}

const takesPasswords = ({ auth }: Pick<ListenerConfig, "auth">): boolean =>
  auth.includes("basic") || auth.includes("bearer")

/** What the ways in need of the address. */
export const wayProblems = (listener: Listener, entry: ListenerConfig, path: KeyPath): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const at = (way: Provider): KeyPath => {
    const index = listener.auth?.indexOf(way) ?? -1
    return index < 0 ? path : [...path, "auth", index]
  }
  for (const way of entry.auth) {
    const text = wayFault(way, entry, entry.address)
    if (text !== undefined) problems.push({ path: at(way), text })
  }
  if (entry.auth.includes("none") && listener.roles === undefined) {
    problems.push({
      path: at("none"),
      text: 'found "none", but no roles: needs those that everybody who comes is to have'
    })
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
export const clientProblems = (
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
export const togetherProblems = (entries: ReadonlyArray<ListenerConfig>, auth: Auth): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  if (auth.mtls_enabled && entries.every(({ tls }) => tls === undefined)) {
    problems.push({ path: ["auth", "mtls_enabled"], text: "found true, but no listener serves TLS" })
  }
  const reachable = entries.find((entry) => ListenAddress.isLocal(entry.address) === false && takesPasswords(entry))
  if (auth.development_users && reachable !== undefined) {
    const where = `${reachable.key} is ${ListenAddress.format(reachable.address)}`
    problems.push({
      path: ["auth", "development_users"],
      text: `found true, but ${where}: everybody knows their passwords, allowed: on loopback addresses and UNIX sockets alone`
    })
  }
  return problems
}
