/**
 * The `Bearer` scheme (RFC 6750): a service token, if it looks like one, else an access token of a stored user. Whatever
 * is wrong with it, the client reads the same `invalid_token`; why is for the audit log.
 */
import * as Effect from "effect/Effect"
import type { AccessTokens } from "../identity/AccessTokens.ts"
import type { CurrentRoles } from "../identity/CurrentRoles.ts"
import type { IdentityUnavailable } from "../identity/IdentityStore.ts"
import type { ServiceTokens } from "../identity/ServiceTokens.ts"
import { nothingShown, type Outcome, refused } from "./Attempt.ts"
import type { Authenticate } from "./basicProvider.ts"
import type { BasicSecret } from "./BasicSecret.ts"
import { userPrincipal } from "./userPrincipal.ts"

export interface BearerProviderParts {
  readonly accessTokens: AccessTokens["Service"]
  readonly roles: CurrentRoles["Service"]
  readonly secret: BasicSecret["Service"]
  readonly serviceTokens: ServiceTokens["Service"]
}

/**
 * What stands behind the scheme and its spaces (RFC 6750, section 2.1). Not looked at further: what is not written as a
 * token is no token of ours either.
 */
const shown = (authorization: string): string => {
  let start = "bearer".length
  while (authorization[start] === " ") start += 1
  return authorization.slice(start)
}

export const makeBearerProvider = ({
  accessTokens,
  roles,
  secret,
  serviceTokens
}: BearerProviderParts): Authenticate => {
  const byServiceToken = (token: string, secretVersion: number): Effect.Effect<Outcome> =>
    Effect.matchEager(serviceTokens.verify(token), {
      onSuccess: (verified): Outcome =>
        verified._tag === "invalid"
          ? refused("bearer", verified.reason, verified.claimed, "invalid_token")
          : { _tag: "admitted", principal: verified.principal, secretVersion },
      onFailure: unavailable
    })

  const byAccessToken = (token: string, secretVersion: number): Effect.Effect<Outcome> =>
    Effect.matchEager(accessTokens.verify(token), {
      onSuccess: (verified): Outcome => {
        if (verified._tag === "invalid") return refused("bearer", verified.reason, verified.claimed, "invalid_token")
        const { claims, user } = verified
        const principal = userPrincipal(user, roles.get(), {
          provider: "bearer",
          authenticatedAt: claims.issuedAt,
          credential: claims.jti,
          session: claims.session,
          expiresAt: claims.expiresAt
        })
        return { _tag: "admitted", principal, secretVersion }
      },
      onFailure: unavailable
    })

  return ({ authorization }) => {
    if (authorization === undefined) return Effect.succeed(nothingShown)
    const token = shown(authorization)
    if (token === "" || token.includes(" ")) return Effect.succeed(malformed)
    const secretVersion = secret.version()
    return serviceTokens.isOne(token) ? byServiceToken(token, secretVersion) : byAccessToken(token, secretVersion)
  }
}

const malformed = refused("bearer", "it is no token", undefined, "invalid_token")

const unavailable = (error: IdentityUnavailable): Outcome => ({ _tag: "unavailable", reason: error.message })
