/**
 * What a principal may hand on. Nobody gives more than they may themselves, nor touches the password, roles or logins of
 * somebody who may more than they: the right to manage users is not the right to become another.
 *
 * Who may everything does not lock the daemon by accident: the last such user stays, unless who asks came in by another
 * way (the System API's password, a certificate, a socket), which stays open. `systemapi user` at the console may.
 */
import type { Snapshot, User } from "../../services/identity/IdentityStore.ts"
import type { Principal } from "../../services/identity/Principal.ts"
import type { Roles } from "../../services/identity/Roles.ts"
import { isDevelopmentUser } from "../../services/identity/standing.ts"

/** The first of the grants that the principal does not have; undefined: it has all of them. */
export const beyond = ({ permissions }: Principal, grants: Iterable<string>): string | undefined => {
  for (const grant of grants) if (!permissions.includes(grant)) return grant
  return undefined
}

/** The first of the roles that gives more than the principal has. */
export const roleBeyond = (principal: Principal, roles: Roles, names: ReadonlyArray<string>): string | undefined =>
  names.find((name) => beyond(principal, roles.grants([name]).grants) !== undefined)

/** Development users do not: they are gone with a line of the configuration. */
const administers = (roles: Roles, user: User): boolean =>
  !user.disabled &&
  user.passwordHash !== undefined &&
  !isDevelopmentUser(user) &&
  roles.grants(user.roles).includes("*")

/** Whether nobody could administer any more once `user` is `next` (undefined: gone). */
export const locksOut = (
  principal: Principal,
  roles: Roles,
  { users }: Snapshot,
  user: User,
  next: User | undefined
): boolean => {
  if (principal.kind !== "user" && principal.kind !== "token") return false
  if (!administers(roles, user) || (next !== undefined && administers(roles, next))) return false
  for (const other of users.values()) if (other.name !== user.name && administers(roles, other)) return false
  return true
}
