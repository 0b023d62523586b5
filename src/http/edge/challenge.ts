/**
 * What a 401 asks for (`WWW-Authenticate`): the scheme that was tried, or else the one that clients of the API know. The
 * System API answers what the original does, RFC 7617; the others a Bearer challenge with the error codes of RFC 6750.
 */
import type { Refusal } from "../../services/auth/Authenticator.ts"

/** The realm clients of the original know. */
export const basicChallenge = { "www-authenticate": 'Basic realm="system-api"' }

export const challengeOf = (path: string, { error, scheme }: Refusal): Readonly<Record<string, string>> => {
  const bearer = scheme === "bearer" || (scheme !== "basic" && path.startsWith("/v1/"))
  if (!bearer) return basicChallenge
  return { "www-authenticate": `Bearer realm="systemapi"${error === undefined ? "" : `, error="${error}"`}` }
}
