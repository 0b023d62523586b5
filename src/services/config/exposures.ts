/**
 * What a configuration lets others do that nobody may have meant: allowed, because it was asked for or because the
 * original has it so, and told at every start and by `config check`.
 */
import type { Config, ListenerConfig } from "./Config.ts"
import { format, isLocal } from "./ListenAddress.ts"
import type { KeyPath, Problem } from "./Problem.ts"

/** `hasPassword`: whether the System API has one, as far as is known. */
export const exposures = ({ auth, listeners }: Config, hasPassword: boolean): ReadonlyArray<Problem> => [
  ...(auth.development_users
    ? [{ path: ["auth", "development_users"], text: "anybody knows the passwords of admin, operator and developer" }]
    : []),
  ...listeners.flatMap((listener, index) => ofListener(listener, pathOf(listener, index), hasPassword))
]

/** Who may write to a socket may connect. */
const writableByOthers = 0o002

const ofListener = (listener: ListenerConfig, path: KeyPath, hasPassword: boolean): ReadonlyArray<Problem> => {
  const { address, apis, auth, roles, socket_mode: mode, tls } = listener
  const found: Array<Problem> = []
  const where = format(address)
  if (auth.includes("none")) {
    found.push({ path, text: `${where} lets in everybody who reaches it, with the roles ${roles.join(", ")}` })
  }
  if (auth.includes("socket") && (mode & writableByOthers) !== 0) {
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
