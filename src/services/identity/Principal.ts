/** Who a request comes from, whichever way it was found out. */
import type { PermissionSet } from "./Permission.ts"

/**
 * `basic`: the password of the System API; `user`: a stored user, by password or access token; `token`: a service token;
 * `certificate`: a client certificate; `socket`: whoever may open the UNIX socket; `anonymous`: nobody said who.
 */
export type PrincipalKind = "basic" | "user" | "token" | "certificate" | "socket" | "anonymous"

/** The ways in that a listener may offer (`listeners.auth`). */
export const providers = ["basic", "bearer", "certificate", "socket", "none"] as const
export type Provider = (typeof providers)[number]

export interface Principal {
  /** `admin`, `alice`, `token:ci`, `certificate:build`, `socket:/run/systemapi.sock`, `anonymous`. Users have no colon. */
  readonly id: string
  readonly kind: PrincipalKind
  readonly roles: ReadonlyArray<string>
  readonly permissions: PermissionSet
  /** Who answers for it: of a service token the user that made it, else the principal itself. */
  readonly owner: string
  readonly provider: Provider
  /** UNIX time in milliseconds at which the credentials were checked: of an access token, its login or refresh. */
  readonly authenticatedAt: number
  /** What was shown, named so that it can be revoked and never so that it can be used: jti, token id, fingerprint. */
  readonly credential: string | undefined
  /** The login that an access token belongs to. */
  readonly session: string | undefined
  /** When what was shown ends by itself (UNIX time in milliseconds). */
  readonly expiresAt: number | undefined
}

/** Two requests of one person, however that person came in: who approves must be somebody else than who asked. */
export const samePerson = (a: Pick<Principal, "id" | "owner">, b: Pick<Principal, "id" | "owner">): boolean =>
  a.id === b.id || a.owner === b.owner

/** Of the password of the System API, as the original calls its one user. */
export const adminId = "admin"

export const anonymousId = "anonymous"

/** Let in as nobody while the System API has no password: it has all of that API, and nothing of the others. */
export const isOpenToAll = ({ kind, roles }: Pick<Principal, "kind" | "roles">): boolean =>
  kind === "anonymous" && roles.length === 0

/** The APIs that a listener may mount (`listeners.apis`). */
export const apiNames = ["system", "identity", "provisioning", "status"] as const
export type ApiName = (typeof apiNames)[number]
