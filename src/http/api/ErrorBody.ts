/** The shape of every error of the System API: `{"code":N,"message":"…"}` with that status. */
import * as Schema from "effect/Schema"

const error = <const Code extends number>(code: Code, description: string) =>
  Schema.Struct({ code: Schema.Literal(code), message: Schema.String }).annotate({
    identifier: `Error${code}`,
    httpApiStatus: code,
    description
  })

export const BadRequest = error(400, "The request is not understood; the message names what and what is allowed")
export const Unauthorized = error(401, "No or wrong credentials, and a secret is set")
export const Forbidden = error(
  403,
  "The caller may not do this, or it changes something and comes from another web site"
)
export const NotFound = error(404, "There is no such thing, or it is not kept any longer")
export const MethodNotAllowed = error(405, "Not with this method; Allow says with which")
export const Conflict = error(409, "It was changed by somebody else in the meantime, or has ended")
export const TooLarge = error(413, "The body is larger than this endpoint takes")
export const KeyReused = error(422, "The Idempotency-Key was used with another request")
export const TooManyRequests = error(
  429,
  "Busy, too many requests, or too many wrong credentials; Retry-After says when to try again"
)
export const InternalError = error(500, "What was asked for failed; the message says how")
export const NotConfigured = error(501, "The daemon is not configured for this")
export const Unavailable = error(503, "The part of the daemon that answers this is restarting or busy; try again")
export const StoreIsFull = error(507, "The store has no room; reads go on")
