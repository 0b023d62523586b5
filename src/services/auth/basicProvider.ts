/**
 * The `Basic` scheme (RFC 7617). The user `admin` has the password of the System API, wherever a file for one is
 * configured; every other name, and `admin` where none is, is looked for among the stored users.
 *
 * While nobody is stored, other names take the way of a wrong password of `admin`: clients of the original, which know
 * one user and one password, find everything as it was, and no slow hash is spent on them.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { CurrentRoles } from "../identity/CurrentRoles.ts"
import { type IdentityStore, type Snapshot, userNamePattern } from "../identity/IdentityStore.ts"
import type { Passwords } from "../identity/Passwords.ts"
import { PermissionSet } from "../identity/Permission.ts"
import { adminId, type Principal } from "../identity/Principal.ts"
import { type Attempt, nothingShown, type Outcome, refused } from "./Attempt.ts"
import { type BasicCredentials, parseBasic } from "./Authorization.ts"
import { type BasicAuth, isAdmin } from "./BasicAuth.ts"
import type { BasicSecret } from "./BasicSecret.ts"
import { userPrincipal } from "./userPrincipal.ts"

export interface BasicProviderParts {
  readonly basic: BasicAuth["Service"]
  readonly clock: Clock.Clock
  readonly identities: IdentityStore["Service"]
  readonly passwords: Passwords["Service"]
  readonly roles: CurrentRoles["Service"]
  readonly secret: BasicSecret["Service"]
  /** Whether a file for the password of the System API is configured. */
  readonly hasSecretFile: boolean
}

export type Authenticate = (attempt: Attempt) => Effect.Effect<Outcome>

export const makeBasicProvider = (parts: BasicProviderParts): Authenticate => {
  const { basic, clock, hasSecretFile, identities, passwords, roles, secret } = parts

  const admin = (): Principal => ({
    id: adminId,
    kind: "basic",
    roles: adminRoles,
    permissions: PermissionSet.everything,
    owner: adminId,
    provider: "basic",
    authenticatedAt: clock.currentTimeMillisUnsafe(),
    credential: undefined,
    session: undefined,
    expiresAt: undefined
  })

  const bySecret = (
    { address, authorization }: Attempt,
    credentials: BasicCredentials | undefined
  ): Effect.Effect<Outcome> =>
    Effect.mapEager(basic.authenticate({ address, authorization, credentials }), (outcome): Outcome => {
      switch (outcome._tag) {
        case "admin":
          return { _tag: "admitted", principal: admin(), secretVersion: outcome.secretVersion }
        case "open":
          return refused("basic", "no password is set", claimedBy(credentials))
        case "limited":
          return outcome
        case "unauthorized":
          return refused("basic", "wrong user or password", claimedBy(credentials))
      }
    })

  const byStore = (
    user: string,
    password: Uint8Array,
    address: string,
    snapshot: Snapshot | undefined
  ): Effect.Effect<Outcome> => {
    const secretVersion = secret.version()
    return Effect.matchEager(passwords.verify(user, password, address, snapshot), {
      onSuccess: (verdict): Outcome =>
        verdict._tag === "wrong"
          ? refused("basic", verdict.reason, possibleName(user))
          : {
              _tag: "admitted",
              principal: userPrincipal(verdict.user, roles.get(), {
                provider: "basic",
                authenticatedAt: clock.currentTimeMillisUnsafe()
              }),
              secretVersion
            },
      onFailure: (error): Outcome =>
        error._tag === "LoginLimited"
          ? { _tag: "limited", retryAfterSeconds: error.retryAfterSeconds }
          : { _tag: "unavailable", reason: error.message }
    })
  }

  return (attempt) => {
    const { address, authorization } = attempt
    if (authorization === undefined) return Effect.succeed(nothingShown)
    const credentials = parseBasic(authorization)
    if (credentials === undefined || (hasSecretFile && isAdmin(credentials.user))) return bySecret(attempt, credentials)
    const snapshot = identities.current()
    if (snapshot?.users.size === 0) return bySecret(attempt, credentials)
    return byStore(Buffer.from(credentials.user).toString(), credentials.password, address, snapshot)
  }
}

const adminRoles: ReadonlyArray<string> = [adminId]

/** For the audit log, where only what could be a name is told: people type their password into the wrong field. */
const claimedBy = (credentials: BasicCredentials | undefined): string | undefined =>
  credentials === undefined ? undefined : possibleName(Buffer.from(credentials.user).toString())

const possibleName = (name: string): string | undefined => (userNamePattern.test(name) ? name : undefined)
