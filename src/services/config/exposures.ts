/**
 * What a configuration lets others do that nobody may have meant: allowed, because it was asked for or because the
 * original has it so, and told at every start and by `config check`.
 */
import type { Config, ListenerConfig } from "./Config.ts"
import { format, isLocal, type ListenAddress } from "./ListenAddress.ts"
import type { KeyPath, Problem } from "./Problem.ts"

/** What the service manager has made of a listener's address: where it is, and who may open it. */
export interface Reached {
  readonly address: ListenAddress
  /** Undefined: nobody knows; or it is no UNIX socket. */
  readonly socketMode: number | undefined
}

/** `hasPassword`: whether the System API has one, as far as is known. Of sockets that are passed, what the file tells. */
export const exposures = ({ auth, listeners }: Config, hasPassword: boolean): ReadonlyArray<Problem> => [
  ...(auth.development_users
    ? [{ path: ["auth", "development_users"], text: "anybody knows the passwords of admin, operator and developer" }]
    : []),
  ...listeners.flatMap((listener, index) => {
    const { address, socket_mode: socketMode } = listener
    return ofListener(listener, pathOf(listener, index), hasPassword, { address, socketMode })
  })
]

/** What is to be told in addition, now that it is known where the sockets are that were passed, in the order of the listeners. */
export const passedExposures = (
  { listeners }: Config,
  hasPassword: boolean,
  reached: ReadonlyArray<Reached | undefined>
): ReadonlyArray<Problem> =>
  listeners.flatMap((listener, index) => {
    const there = reached[index]
    if (listener.address._tag !== "Passed" || there === undefined) return []
    // Who comes in by none has been told before.
    const others = { ...listener, auth: listener.auth.filter((way) => way !== "none") }
    return ofListener(others, pathOf(listener, index), hasPassword, there)
  })

/** Who may write to a socket may connect. */
const writableByOthers = 0o002

const ofListener = (
  listener: ListenerConfig,
  path: KeyPath,
  hasPassword: boolean,
  { address, socketMode: mode }: Reached
): ReadonlyArray<Problem> => {
  const { apis, auth, roles, tls } = listener
  const found: Array<Problem> = []
  const where =
    listener.address._tag === "Passed" && address._tag === "Tcp"
      ? `${format(listener.address)} (${format(address)})`
      : format(listener.address)
  if (auth.includes("none")) {
    found.push({ path, text: `${where} lets in everybody who reaches it, with the roles ${roles.join(", ")}` })
  }
  // Of one that is passed, the mode in the file means nothing.
  if (auth.includes("socket") && address._tag === "Unix" && mode !== undefined && (mode & writableByOthers) !== 0) {
    const bits = mode.toString(8).padStart(4, "0")
    found.push({
      path,
      text: `${where} lets in every user of this machine (mode ${bits}), with the roles ${roles.join(", ")}`
    })
  }
  if (isLocal(address) !== false) return found
  if (apis.includes("system") && auth.includes("basic") && !hasPassword) {
    found.push({ path, text: `${where} is not of this machine alone, and the System API has no password: it is open` })
  }
  if (apis.includes("identity") && tls === undefined) {
    found.push({ path, text: `${where} takes logins and tokens without TLS: whoever is on the way reads them` })
  }
  return found
}

const pathOf = ({ key }: ListenerConfig, index: number): KeyPath =>
  key.startsWith("listeners") ? ["listeners", index] : key.split(".")
