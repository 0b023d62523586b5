/**
 * Whether a principal may call an endpoint, by what the endpoint says it needs. Decided before a body is read or a name
 * looked up: whoever may not run an action is not told whether it exists.
 */
import type { Principal } from "../../services/identity/Principal.ts"
import type { Access } from "../api/endpoints.ts"

type Params = Readonly<Record<string, string | undefined>>

/** `actions:run:{action}`: what comes before the name, and the parameter that holds it. */
const named = /^(.+:)\{(.+)\}$/u

/** The permission that a call needs; undefined where being somebody is enough. */
export const permissionNeeded = (access: Access): ((params: Params) => string | undefined) => {
  if (access === "public" || access === "authenticated") return () => undefined
  const [, prefix, param] = named.exec(access) ?? []
  if (prefix === undefined || param === undefined) return () => access
  return (params) => prefix + (params[param] ?? "")
}

export const isAllowed = (principal: Principal, access: Access, needed: string | undefined): boolean => {
  if (access === "public") return true
  return needed === undefined ? principal.kind !== "anonymous" : principal.permissions.has(needed)
}
