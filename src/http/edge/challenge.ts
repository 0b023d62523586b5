/**
 * What a 401 asks for (`WWW-Authenticate`): the scheme that was tried, or else the one that clients of the API know, as
 * far as the listener offers them. The System API answers what the original does, RFC 7617; the others a Bearer challenge
 * with the error codes of RFC 6750, and a 403 then says which permission is missing.
 */
import type { Refusal, Surface } from "../../services/auth/Authenticator.ts"
import { isVersioned } from "./errorBody.ts"

type Challenge = Readonly<Record<string, string>>

/** The realm clients of the original know. */
export const basicChallenge = { "www-authenticate": 'Basic realm="system-api"' }

const bearer = 'Bearer realm="systemapi"'
const bearerChallenge = { "www-authenticate": bearer }

/** One text for all that can be wrong with a token: which it is concerns its owner, who can ask for another, and no thief. */
const invalidToken = {
  "www-authenticate": `${bearer}, error="invalid_token", error_description="The token is malformed, expired or revoked"`
}

const usual: Surface["providers"] = ["basic", "bearer"]

export const challengeOf = (
  path: string,
  { error, scheme }: Refusal,
  offered: Surface["providers"] = usual
): Challenge => {
  const tried = scheme === "basic" || scheme === "bearer" ? scheme : isVersioned(path) ? "bearer" : "basic"
  const other = tried === "basic" ? "bearer" : "basic"
  const asked = offered.includes(tried) || !offered.includes(other) ? tried : other
  if (asked === "basic") return basicChallenge
  return error === undefined ? bearerChallenge : invalidToken
}

/** `scope-token` of RFC 6749, section 3.3, and the backslash and quote that it leaves out. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/u

/** Of a 403 to a token (RFC 6750, section 3.1). A name that no token can have is not repeated. */
export const insufficientScope = (needed: string | undefined): Challenge => {
  const scope = needed === undefined || !scopeToken.test(needed) ? "" : `, scope="${needed}"`
  return { "www-authenticate": `${bearer}, error="insufficient_scope"${scope}` }
}
