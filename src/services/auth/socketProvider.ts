/**
 * Ways in that ask for nothing: `socket`, where the permissions of the socket's file say who may connect, and `none`,
 * where everybody may. Both have the roles that their listener gives them.
 */
import type * as Clock from "effect/Clock"
import type { PermissionSet } from "../identity/Permission.ts"
import { anonymousId, type Principal } from "../identity/Principal.ts"
import type { Roles } from "../identity/Roles.ts"
import type { Surface } from "./Attempt.ts"

/** `unix:/run/systemapi.sock` is `socket:/run/systemapi.sock`. */
export const socketPrincipal = ({ address, roles }: Surface, inForce: Roles, clock: Clock.Clock): Principal => {
  const id = `socket:${address.replace(/^unix:/u, "")}`
  return {
    id,
    kind: "socket",
    roles,
    permissions: inForce.grants(roles),
    owner: id,
    provider: "socket",
    authenticatedAt: clock.currentTimeMillisUnsafe(),
    credential: undefined,
    session: undefined,
    expiresAt: undefined
  }
}

/** Whoever did not say who. */
export const nobody = (permissions: PermissionSet, roles: ReadonlyArray<string>): Principal => ({
  id: anonymousId,
  kind: "anonymous",
  roles,
  permissions,
  owner: anonymousId,
  provider: "none",
  authenticatedAt: 0,
  credential: undefined,
  session: undefined,
  expiresAt: undefined
})
