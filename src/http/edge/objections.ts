/**
 * What no request may have, whoever sends it: a field twice that decides something here, for whoever stands before us
 * may have read the other one; and a token in the URL, where logs, histories and proxies keep it (RFC 6750, section 2.3).
 *
 * The System API ignores such parameters, as the original does: they are no credentials there, and clients of it may
 * mean something else by them.
 */
import type { Incoming } from "../listener/Incoming.ts"
import { isVersioned } from "./errorBody.ts"
import { failure, type HttpFailure } from "./HttpFailure.ts"

/** Parameters of the OAuth family of standards, and what our own answers call their tokens. */
const tokenParameters = ["access_token", "refresh_token", "token"]

/** Looked for where they are sent; Content-Length twice is refused by the parser. */
const singleFields = ["authorization", "x-approval", "x-justification"] as const

const realm = 'Bearer realm="systemapi"'

export const objectionTo = (request: Incoming): HttpFailure | undefined => {
  const { headers, url } = request
  if (request.isRepeated("host")) return failure(400, "Host was sent more than once")
  for (const name of singleFields) {
    if (headers[name] === undefined || !request.isRepeated(name)) continue
    return failure(
      400,
      `${name} was sent more than once`,
      name === "authorization" ? { "www-authenticate": `${realm}, error="invalid_request"` } : undefined
    )
  }
  const query = url.indexOf("?")
  if (query === -1 || !isVersioned(url)) return undefined
  const parameters = new URLSearchParams(url.slice(query + 1))
  const found = tokenParameters.find((name) => parameters.has(name))
  if (found === undefined) return undefined
  return failure(400, `${found}: tokens are taken in the Authorization header alone, never in a URL`, {
    "www-authenticate": `${realm}, error="invalid_request", error_description="Tokens are not taken in URLs"`
  })
}
