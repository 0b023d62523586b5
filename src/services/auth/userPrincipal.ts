/** A stored user as the principal of a request, with the roles that it has now. */
import type { User } from "../identity/IdentityStore.ts"
import type { Principal, Provider } from "../identity/Principal.ts"
import type { Roles } from "../identity/Roles.ts"

interface Shown {
  readonly provider: Provider
  readonly authenticatedAt: number
  readonly credential?: string
  readonly session?: string
  readonly expiresAt?: number
}

export const userPrincipal = ({ name, roles }: User, inForce: Roles, shown: Shown): Principal => ({
  id: name,
  kind: "user",
  roles,
  permissions: inForce.grants(roles),
  owner: name,
  provider: shown.provider,
  authenticatedAt: shown.authenticatedAt,
  credential: shown.credential,
  session: shown.session,
  expiresAt: shown.expiresAt
})
