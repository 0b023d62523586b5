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
  address._tag === "Tcp"
    ? []
    : [{ path, text: `found true on ${ListenAddress.format(address)}, allowed: false on a UNIX socket` }]

/** What the ways in need of the address. */
export const wayProblems = (listener: Listener, entry: ListenerConfig, path: KeyPath): ReadonlyArray<Problem> => {
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
